"""Replacing a list touches as few rows as its difference: against lists in plain Python, in every phase, for every shape."""

import json
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Explicit
from hypothesis import strategies as st

from bothsides import NAMES, Pair, parent, seen, verified
from cutover import lease, ledger, snapshot, use
from cutover.mapping import Binding, bind
from cutover.pairing import distinct_view, token
from cutover.phase import Phase
from cutover.verify import findings
from databases import Database
from stages import at_phase

QUICK = settings(
    max_examples=12,
    suppress_health_check=list(HealthCheck),
    phases=[Explicit.explicit, Explicit.generate],  # to make an example smaller takes minutes here
    database=None,
)
DUAL = [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM]
ELEMENTS: dict[str, Any] = {
    "job_logs": lambda n: f"[2026-03-01 10:00:{n % 60:02d}] {'ERROR' if n % 3 == 0 else 'INFO'} text {n}",
    "device_events": lambda n: {"kind": "open", "count": n, "more": {"n": n}},
    "account_tags": lambda n: f"tag {n}",
    "ticket_history": lambda n: ["status", n],
}


@pytest.fixture
def _rewrites(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setattr(bind(name).cutover, "rewrites", True)


def edited(old: list[int], chance: random.Random) -> list[int]:
    """A few deletions, edits, insertions and moves; numbers stand for elements, oldest first."""
    new = list(old)
    for _ in range(chance.randrange(4)):
        what, at = chance.randrange(4), chance.randrange(len(new) + 1)
        if what == 0:
            new.insert(at, chance.choice([chance.randrange(40), *old]))
        elif at < len(new):
            moved = new.pop(at)
            if what == 1:
                new.insert(at, chance.randrange(40, 59))
            elif what == 2:
                new.insert(chance.randrange(len(new) + 1), moved)
    return new


def shown(made: Pair, elements: list[Any]) -> list[Any]:
    """What the list shows of elements, all oldest first."""
    if not made.stream.distinct:
        return elements
    newest = elements[::-1]
    numbers = distinct_view([token(each) for each in newest], cap=made.stream.cap)
    return [newest[number] for number in numbers][::-1]


def read(made: Pair) -> list[Any]:
    """The list as a reader has it, oldest first."""
    from bothsides import KEYS
    from cutover.mapping import path

    lists = dict(path.lists(made.stream, use(made.binding.name).read(made.key)))
    found = lists.get(KEYS.get(made.binding.name), [])
    return list(found[::-1] if made.stream.newest_first else found)


def replace(made: Pair, elements: list[Any]) -> None:
    from bothsides import KEYS

    ordered = elements[::-1] if made.stream.newest_first else elements
    key = KEYS.get(made.binding.name)
    use(made.binding.name).replace(made.key, **{made.stream.name: ordered if key is None else {key: ordered}})


def rows(made: Pair) -> dict[Any, tuple[str, int]]:
    """By key what each row is, and where it stands; oldest first."""
    if made.binding.name == "job_logs" or lease.current(made.binding).phase >= Phase.DUAL_WRITE:
        sides = snapshot.take(made.binding, [made.key])[made.key]
        mine = [row for row in sides.rows if row.shown[0]][::-1]
        return {row.pk: (token(row.element(made.stream)), row.position or 0) for row in mine}
    return {}


def common(old: list[str], new: list[str]) -> int:
    """The length of the longest common subsequence."""
    best = [0] * (len(new) + 1)
    for one in old:
        before = 0
        for number, other in enumerate(new, start=1):
            best[number], before = max(best[number], best[number - 1], before + 1 if one == other else 0), best[number]
    return best[-1]


def sides_agree(binding: Binding, key: Any) -> None:
    sides = snapshot.take(binding, [key])[key]
    for stream in binding.streams:
        for each in snapshot.lists(stream, sides, sides.document()).values():
            assert not each.pairing.missing, stream.name
            assert [token(e) for e in each.elements] == [
                token(each.row_elements[n] if side == "row" else each.elements[n])
                for side, n in findings.view(stream, each, alone=False)
            ], stream.name


@pytest.mark.usefixtures("_rewrites")
@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_edited_every_side_is_what_was_wanted(database: Database, name: str) -> None:
    @QUICK
    @given(
        phase=st.sampled_from(list(Phase)),
        history=st.lists(st.integers(0, 12), max_size=5),
        live=st.lists(st.integers(0, 12), max_size=4),
        late=st.lists(st.integers(0, 12), max_size=2),
        seed=st.integers(0, 2**32),
    )
    def whatever(phase: Phase, history: list[int], live: list[int], late: list[int], seed: int) -> None:
        made = standing(name, phase, history, live, late)
        chance = random.Random(seed)  # noqa: S311 - data of a test
        numbers = number_of(made)
        for _ in range(2):
            wanted = edited([numbers[token(each)] for each in read(made)], chance)
            check_replaced(made, phase, shown(made, [ELEMENTS[name](n) for n in wanted]))
        elsewhere(made, phase)

    whatever()
    assert not verified(at_phase(name, Phase.PROPERTY_SHIM)).found.keys() & {"missing_in_table", "value_differs"}


def number_of(made: Pair) -> dict[str, int]:
    return {token(ELEMENTS[made.binding.name](n)): n for n in range(60)}


_keys = iter(range(10**6))


def standing(name: str, phase: Phase, history: list[int], live: list[int], late: list[int]) -> Pair:
    """A parent at the phase: elements from before, of which the newest half has rows; from dual write; and of rows alone."""
    binding = at_phase(name, Phase.DUAL_WRITE if phase >= Phase.DUAL_WRITE else Phase.ADD_TABLE)
    made = parent(binding, next(_keys))
    old = [ELEMENTS[name](n) for n in (dict.fromkeys(history) if made.stream.distinct else history)]
    made.write_json(old)
    if phase >= Phase.DUAL_WRITE:
        for place, element in enumerate(old):
            if place % 2 == 0 and "ERROR" not in str(element):
                made.add_row(element, -len(old) + place)
    for group, at in ((live, None), (late, Phase.STOP_JSON_WRITES)):
        if at is not None and phase >= at:
            at_phase(name, at)
        for number in group:
            append(made, ELEMENTS[name](number))
    at_phase(name, phase)
    seen(binding)
    return made


def append(made: Pair, element: Any) -> None:
    from bothsides import KEYS

    fields = dict(made.stream.codec.decode(element))
    if made.stream.key_field is not None:
        fields[made.stream.key_field] = KEYS[made.binding.name]
    use(made.binding.name).append(made.key, **fields)


def check_replaced(made: Pair, phase: Phase, wanted: list[Any]) -> None:
    before, frozen = rows(made), made.listed()
    replace(made, wanted)
    expected, after = shown(made, wanted), rows(made)
    assert read(made) == expected
    if phase.writes_json:
        assert made.listed() == wanted
    else:
        assert made.listed() in ([], frozen)
    if not phase.writes_rows:
        return
    tokens = [text for text, _ in after.values()]
    assert shown(made, [json.loads(text) for text in tokens]) == expected
    mine, new = Counter(text for text, _ in before.values()), Counter(token(each) for each in wanted)
    kept = {pk for pk in before if pk in after and before[pk][0] == after[pk][0]}
    if not made.stream.distinct:
        assert len(kept) == sum((mine & new).values()), "a row that may stay has gone"
    if phase in DUAL:
        sides_agree(made.binding, made.key)


def elsewhere(made: Pair, phase: Phase) -> None:
    """The next element comes to the newest end, and the neighbouring phases read the same."""
    append(made, ELEMENTS[made.binding.name](59))
    found = read(made)
    assert found[-1] == ELEMENTS[made.binding.name](59)
    for near in (phase + 1, phase - 1, phase):
        if phase >= Phase.PROPERTY_SHIM and Phase.PROPERTY_SHIM <= near <= Phase.BACKFILL_AND_DROP:
            at_phase(made.binding.name, near)
            assert read(made) == found


# --- as few changes as possible ---


@pytest.mark.usefixtures("_rewrites")
@pytest.mark.parametrize("phase", [2, 3, 4, 5])
@pytest.mark.parametrize("name", NAMES)
def test_an_edit_and_a_deletion_touch_their_own_rows_alone(database: Database, name: str, phase: int) -> None:
    binding = at_phase(name, 2)
    made = parent(binding)
    elements = [ELEMENTS[name](n) for n in range(1, 8)]
    for each in elements:
        append(made, each)
    at_phase(name, phase)
    before = rows(made)
    pks = list(before)
    wanted = [*elements[:2], ELEMENTS[name](31), elements[3], *elements[5:]]
    replace(made, wanted)
    after = rows(made)
    assert list(after) == [pk for pk in pks if pk != pks[4]]
    assert {pk: after[pk][1] for pk in after} == {pk: before[pk][1] for pk in after}
    assert [text for text, _ in after.values()] == [token(each) for each in wanted]
    assert read(made) == wanted


@pytest.mark.usefixtures("_rewrites")
@pytest.mark.parametrize("phase", [2, 4])
def test_an_insertion_between_two_rows_moves_none_of_them(database: Database, phase: int) -> None:
    binding = at_phase("ticket_history", 2)
    made, other = parent(binding, 1), parent(binding, 2)
    for n in range(3):
        append(made, ["status", n])
        append(other, ["between", n])
    at_phase("ticket_history", phase)
    before = rows(made)
    replace(made, [["status", 0], ["new", 1], ["new", 2], ["status", 1], ["newer", 3], ["status", 2]])
    after = rows(made)
    assert {pk: after[pk] for pk in before} == before
    assert read(made) == [["status", 0], ["new", 1], ["new", 2], ["status", 1], ["newer", 3], ["status", 2]]
    assert {position & 1 for pk, (_, position) in after.items() if pk not in before} == {int(phase == 2)}


@pytest.mark.usefixtures("_rewrites")
@pytest.mark.parametrize("phase", [2, 3, 4])
def test_what_the_stream_does_not_know_of_a_row_stays(database: Database, phase: int) -> None:
    from datetime import UTC, datetime

    from project.jobs.models import Job, JobLog

    job = Job.objects.create()
    at_phase("job_logs", phase)
    logs = use("job_logs")
    when = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
    for number in range(3):
        logs.append(job, created_at=when.replace(second=number), level="CRITICAL", message=f"text {number}")
    before = list(JobLog.objects.order_by("pk"))
    logs.replace(job, stderr=["text 2", "text 1, edited", "text 0"])
    after = list(JobLog.objects.order_by("pk"))
    assert [(e.pk, e.position, e.created_at, e.level) for e in after] == [
        (e.pk, e.position, e.created_at, e.level) for e in before
    ]
    assert logs.read(job)["stdout"][1] == "[2026-01-02 12:00:01] CRITICAL text 1, edited"
    if phase in (2, 3):
        sides_agree(bind("job_logs"), job.pk)


@pytest.mark.usefixtures("_rewrites")
def test_a_table_without_positions_is_edited_in_place(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace as with_

    from cutover import write
    from project.jobs.models import Job, JobLog

    job = Job.objects.create()
    binding = with_(at_phase("job_logs", 2), position=None, ordering=("created_at", "id"))
    for second in range(4):
        use("job_logs").append(
            job, level="INFO", message=f"text {second}", created_at=f"2026-01-02T12:00:{second:02d}.5Z"
        )
    pks = dict(JobLog.objects.values_list("message", "pk"))
    lines = use("job_logs").read(job)["stdout"]
    lines[1] = "[2026-01-02 12:00:02] INFO edited"
    del lines[2]
    write.replace(binding, job.pk, "stdout", lines)
    assert dict(JobLog.objects.values_list("message", "pk")) == {
        "text 3": pks["text 3"],
        "edited": pks["text 2"],
        "text 0": pks["text 0"],
    }


def test_the_backfill_is_known_to_be_over_where_rewrites_are_not_declared(database: Database) -> None:
    binding = at_phase("device_events", 2)
    ledger.set_backfilled("default", "device_events", True)
    lease.forget()
    made = parent(binding)
    append(made, {"kind": "a"})
    replace(made, [{"kind": "b"}])
    assert made.rows() == [{"kind": "b"}]
