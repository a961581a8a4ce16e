"""A parent with more elements than a chunk holds is filled in portions; what it becomes is the same as if it were one."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import psycopg
import pytest
from django.utils import timezone

import cutover
from backfilling import elements, execute, parent, to_the_end
from cutover import backfill, marks
from cutover.backfill import chunk, complete, dirty, lease, plan, portion, reach, visit
from cutover.backfill.chunk import Whole
from cutover.backfill.direct import Way
from cutover.backfill.visit import Visited
from cutover.chunk import MOST_ELEMENTS, Pace
from cutover.errors import Incomplete
from cutover.mapping import Binding, bind
from databases import Database
from stages import at_phase

MANY = 60


def line(number: int) -> str:
    """Lines are distinct; a tenth of them show in both streams."""
    level = "ERROR" if number % 10 == 0 else "INFO"
    return f"[2024-01-02 03:{number // 60:02}:{number % 60:02}] {level} line {number}"


def lists(count: int = MANY) -> dict[str, list[str]]:
    """Both lists of a job, newest first."""
    stdout = [line(number) for number in reversed(range(count))]
    return {"stdout": stdout, "stderr": [each.split(" ", 3)[3] for each in stdout if " ERROR " in each]}


CASES: dict[str, Any] = {
    "job_logs": lists(),
    "device_events": [{"kind": "on", "count": number % 7} for number in range(MANY)],
    "account_tags": {"tags": {f"kind {n}": [f"tag {m % 3}" for m in range(n)] for n in range(11)}, "theme": "dark"},
    "ticket_history": {"changes": {"items": [["state", number % 5] for number in range(MANY)]}},
}


def small() -> Pace:
    """A tenth of such a parent fills a chunk."""
    return Pace(most_elements=MANY // 10)


@pytest.fixture
def segment(request: pytest.FixtureRequest, database: Database) -> tuple[Binding, lease.Segment]:
    binding = at_phase(request.param, 2)
    parent(binding, 1, CASES[binding.name])
    parent(binding, 2, CASES[binding.name])
    return binding, held(binding)


def held(binding: Binding, *, lane: bool = False) -> lease.Segment:
    plan.make(binding)
    found = lease.take(binding, "tests", lane=lane)
    assert found is not None
    return found


def visits(binding: Binding, mine: lease.Segment) -> Iterator[Visited]:
    """Every chunk of a segment."""
    while True:
        done = visit.next_chunk(binding, mine, small())
        assert done is not None
        if done.done:
            return
        yield done


def ordered(binding: Binding) -> list[Any]:
    """All rows, list by list and in the order of the list; where a parent has but one list, with the very positions."""
    lists, without = ("kind, ", "- 'position'") if binding.name == "account_tags" else ("", "")
    statement = (
        f"SELECT to_jsonb(t) - 'id' {without} FROM {binding.child.name} t"  # noqa: S608 - names of tests
        f" ORDER BY {binding.fk}, {lists}{', '.join(binding.ordering)}"
    )
    return execute(None, statement)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[Way]:
    """The ways that chunks take from now on."""
    found, whole = list[Way](), chunk.whole

    def kept(binding: Binding, stream: Any, keys: Any, way: Way, more: Any = None) -> Whole:
        found.append(way)
        return whole(binding, stream, keys, way, more)

    monkeypatch.setattr(chunk, "whole", kept)
    return found


@pytest.mark.parametrize("segment", sorted(CASES), indirect=True)
def test_portions_make_the_rows_that_one_chunk_makes(
    segment: tuple[Binding, lease.Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    binding, mine = segment
    ways = watched(monkeypatch)
    done = list(visits(binding, mine))
    assert len(done) >= 8
    assert max(each.inserted for each in done) <= MANY / portion.PORTIONS + 1
    assert ways.count(Way.PORTION) <= 2 * len(binding.streams)
    assert Way.WHOLE not in ways
    by_portions = ordered(binding)
    execute(None, f"TRUNCATE {binding.child.name}")
    backfill.reset(binding)
    lease.release(binding, mine)
    to_the_end(binding)
    assert ordered(binding) == by_portions
    assert complete.why_incomplete(binding) == []


@pytest.mark.parametrize("segment", ["job_logs"], indirect=True)
def test_the_cursor_passes_a_parent_with_its_last_portion(segment: tuple[Binding, lease.Segment]) -> None:
    binding, mine = segment
    seen = []
    for _ in visits(binding, mine):
        cursor, inside, parents = execute(
            None, "SELECT cursor, inside, parents FROM cutover_segment WHERE id = %s", mine.id
        )[0]
        seen.append((cursor, inside is not None, parents))
    assert seen[0] == (None, True, 0)
    assert seen[-1] == ("2", False, 2)
    assert [each for each in seen if each[1]] == [(None, True, 0)] * 5 + [("1", True, 1)] * 5
    assert execute(None, "SELECT sum(elements) FROM cutover_segment") == [(2 * MANY,)]


@pytest.mark.parametrize("segment", ["job_logs"], indirect=True)
def test_a_parent_that_is_another_is_compared(
    segment: tuple[Binding, lease.Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append in between brings its row along; the next portion goes on below the rows that are there."""
    binding, mine = segment
    ways, steps = watched(monkeypatch), visits(binding, mine)
    next(steps)
    next(steps)
    assert ways == [Way.PORTION, Way.NEXT]
    cutover.use("job_logs").append(1, level="INFO", message="meanwhile", created_at=timezone.now())
    next(steps)
    assert ways[2:] == [Way.NEXT, Way.PORTION]
    next(steps)
    assert ways[4:] == [Way.NEXT]
    list(steps)
    found = elements(binding, 1)
    assert found[:-1] == lists()["stdout"][::-1]
    assert found[-1].endswith(" INFO meanwhile")


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "the newest goes": lambda logs: logs["stdout"].pop(0),
    "one in the middle goes": lambda logs: logs["stdout"].pop(30),
    "the oldest goes": lambda logs: logs["stdout"].pop(),
    "a new one without a row": lambda logs: logs["stdout"].insert(0, line(99)),
    "two change places": lambda logs: logs["stdout"].insert(0, logs["stdout"].pop(1)),
    "it is no list any more": lambda logs: logs.update(stdout={"a": 1}),
    "one that is none": lambda logs: logs["stdout"].append("no line"),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("segment", ["job_logs"], indirect=True)
def test_a_foreign_write_in_between_is_seen(segment: tuple[Binding, lease.Segment], change: str) -> None:
    """Whatever it does, no element is left without a row or a place in quarantine, and none has two."""
    binding, mine = segment
    steps = visits(binding, mine)
    before = next(steps).inserted
    logs: dict[str, Any] = lists()
    CHANGES[change](logs)
    execute(None, "UPDATE jobs_job SET logs = %s WHERE id = 1", json.dumps(logs))
    list(steps)
    lease.release(binding, mine)
    to_the_end(binding)
    assert complete.why_incomplete(binding) == []
    wanted = logs["stdout"] if isinstance(logs["stdout"], list) else []
    rows = elements(binding, 1, where="created_at IS NOT NULL")  # others are of stderr alone
    assert len(rows) == len(set(rows))
    assert {each for each in wanted if each != "no line"} <= set(rows)
    assert set(rows) <= {*wanted, *lists()["stdout"][:before]}


@pytest.mark.parametrize("other", ["a row goes", "a row comes"])
@pytest.mark.parametrize("segment", ["device_events"], indirect=True)
def test_other_rows_are_seen(segment: tuple[Binding, lease.Segment], other: str) -> None:
    binding, mine = segment
    steps = visits(binding, mine)
    next(steps)
    if other == "a row goes":
        execute(None, "DELETE FROM shapes_event WHERE id = (SELECT min(id) + 3 FROM shapes_event)")
    else:
        execute(
            None,
            "INSERT INTO shapes_event (device_id, position, kind, count, extra)"
            " SELECT device_id, min(position) - 1, 'off', 1, '{}' FROM shapes_event GROUP BY device_id",
        )
    list(steps)
    counted = execute(None, "SELECT count(*), count(*) FILTER (WHERE kind = 'off') FROM shapes_event")
    assert counted == [(2 * MANY + (other == "a row comes"), other == "a row comes")]


@pytest.mark.parametrize("segment", ["job_logs"], indirect=True)
def test_another_worker_goes_on_inside_of_a_parent(
    segment: tuple[Binding, lease.Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    binding, mine = segment
    steps = visits(binding, mine)
    next(steps)
    next(steps)
    lease.release(binding, mine)
    other = held(binding)
    assert visit.next_chunk(binding, mine, small()) is None
    ways = watched(monkeypatch)
    list(visits(binding, other))
    assert ways[0] is Way.NEXT
    assert elements(binding, 1) == elements(binding, 2) == lists()["stdout"][::-1]


@pytest.mark.parametrize("segment", ["job_logs"], indirect=True)
def test_a_mark_stays_until_the_last_portion(segment: tuple[Binding, lease.Segment]) -> None:
    binding, _ = segment
    lane = held(binding, lane=True)
    found = dirty.waiting(binding)
    assert {each.parent_key for each in found} == {"1", "2"}
    portions = 0
    while left := dirty.waiting(binding):
        done = dirty.again(binding, lane, left, small())
        assert done is not None
        portions += not done.over
        assert marks.count_dirty("default", binding.name) == len(left) - len(done.over)
    assert portions == 10
    assert elements(binding, 1) == elements(binding, 2) == lists()["stdout"][::-1]


@pytest.mark.parametrize("segment", ["job_logs"], indirect=True)
def test_a_bad_element_is_met_in_its_portion_and_the_parent_ends_there(segment: tuple[Binding, lease.Segment]) -> None:
    binding, mine = segment
    logs = lists()
    logs["stdout"][35] = "no line"
    logs["stderr"] += [f"only here {number}" for number in range(40)]  # what is paired is not to be gone on with
    execute(None, "UPDATE jobs_job SET logs = %s WHERE id = 1", json.dumps(logs))
    for done in visits(binding, mine):
        passed = execute(None, "SELECT cursor, inside FROM cutover_segment WHERE id = %s", mine.id)[0]
        assert (done.quarantined == 1) == (passed == ("1", None))
        if done.quarantined:
            break
    list(visits(binding, mine))
    rows = elements(binding, 1, where="created_at IS NOT NULL")
    assert rows == [each for each in logs["stdout"][::-1] if each != "no line"]
    assert len(elements(binding, 1, 1, "created_at IS NULL")) == 40
    assert execute(None, "SELECT parent_key, element FROM cutover_quarantine") == [("1", '"no line"')]


def test_without_positions_a_parent_is_never_split(database: Database) -> None:
    """Its order is that of the primary key, and the oldest have to come first."""
    binding = bind("job_logs")
    found = reach.Reach(["1"], 1000, 1000, [], {"1": [1000, 0]})
    assert portion.wanted(binding, found, small(), None) is not None
    assert portion.wanted(replace(binding, position=None), found, small(), None) is None


def test_a_parent_that_fills_a_chunk_or_two_is_taken_whole(database: Database) -> None:
    binding = bind("job_logs")
    found = reach.Reach(["1"], 10_000, 1, [], {"1": [10_000, 0]})
    fast = Pace()
    for _ in range(20):
        fast.learn(parents=1, elements=1000, size_bytes=1, took=fast.target / 20)
    assert portion.wanted(binding, found, fast, None) is None
    huge = reach.Reach(["1"], 60_000, 1, [], {"1": [60_000, 0]})
    first = portion.wanted(binding, huge, fast, None)
    assert first is not None
    assert 10_000 <= first.most <= MOST_ELEMENTS


@pytest.mark.parametrize("segment", ["job_logs"], indirect=True)
def test_all_or_nothing(segment: tuple[Binding, lease.Segment], monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a portion and what it leaves for the next one are one transaction."""
    binding, mine = segment
    advance = lease.advance

    def broken(*args: Any, **more: Any) -> None:
        advance(*args, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(visit.lease, "advance", broken)
    with pytest.raises(KeyboardInterrupt):
        visit.next_chunk(binding, mine, small())
    assert execute(None, "SELECT count(*) FROM jobs_joblog") == [(0,)]
    assert execute(None, "SELECT inside FROM cutover_segment WHERE id = %s", mine.id) == [(None,)]
    monkeypatch.undo()
    list(visits(binding, mine))
    assert elements(binding, 1) == lists()["stdout"][::-1]


@pytest.mark.parametrize("segment", ["job_logs"], indirect=True)
def test_what_is_known_of_one_stream_says_nothing_of_another(
    segment: tuple[Binding, lease.Segment], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is read by a statement of its own: between them old code may have written to the list of the other."""
    binding, mine = segment
    logs: dict[str, Any] = lists()
    logs["stderr"] += [f"only here {number}" for number in range(40)]
    execute(None, "UPDATE jobs_job SET logs = %s WHERE id = 1", json.dumps(logs))
    at_once, times = chunk.at_once, 0

    def interrupted(binding: Binding, stream: Any, keys: Any, part: Any = None) -> Whole:
        nonlocal times
        done = at_once(binding, stream, keys, part)
        if part is not None and stream.number == 0 and done.over and not done.inserted and not times:
            times += 1
            logs["stdout"].insert(0, line(99))
            with psycopg.connect(database.uri, autocommit=True) as other:
                execute(other, "UPDATE jobs_job SET logs = %s WHERE id = 1", json.dumps(logs))
        return done

    monkeypatch.setattr(chunk, "at_once", interrupted)
    list(visits(binding, mine))
    assert times == 1
    lease.release(binding, mine)
    to_the_end(binding)
    assert elements(binding, 1, where="created_at IS NOT NULL") == logs["stdout"][::-1]


@pytest.mark.parametrize("other", ["standing", "newest"])
@pytest.mark.parametrize("segment", ["job_logs"], indirect=True)
def test_as_many_rows_need_not_be_the_same(segment: tuple[Binding, lease.Segment], other: str) -> None:
    """One row that the stream shows no more, or one that goes for one that comes: then the rows are compared."""
    binding, mine = segment
    steps = visits(binding, mine)
    next(steps)
    before = execute(None, "SELECT count(*) FROM jobs_joblog")[0][0]
    if other == "standing":
        execute(None, "UPDATE jobs_joblog SET created_at = NULL WHERE position = -5")
    else:
        execute(None, "DELETE FROM jobs_joblog WHERE position = -1")
        execute(
            None,
            "INSERT INTO jobs_joblog (job_id, position, created_at, level, message)"
            " VALUES (1, 3, '2024-01-02 03:00:59Z', 'INFO', 'line 58')",
        )
    list(steps)
    assert before < execute(None, "SELECT count(*) FROM jobs_joblog")[0][0]
    rows = elements(binding, 1, where="created_at IS NOT NULL AND position <> 3")
    assert len(rows) == len(set(rows))
    assert set(rows) | {line(58)} == set(lists()["stdout"])


@pytest.mark.parametrize("segment", ["device_events"], indirect=True)
def test_rows_that_do_not_stay_are_no_work_for_ever(segment: tuple[Binding, lease.Segment]) -> None:
    binding, mine = segment
    execute(
        None,
        "CREATE FUNCTION forgetful() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF NEW.position < -20 THEN RETURN NULL; END IF; RETURN NEW; END';"
        " CREATE TRIGGER forgetful BEFORE INSERT ON shapes_event FOR EACH ROW EXECUTE FUNCTION forgetful()",
    )
    most = 2 * (portion.ENOUGH + 1)
    assert len(list(islice(visits(binding, mine), most + 1))) <= most
    lease.release(binding, mine)
    with pytest.raises(Incomplete):
        list(backfill.run(binding))
