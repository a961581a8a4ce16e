"""Several workers, live writers, and each other's segments: nothing is lost, nothing is there twice."""

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connections

from backfilling import EXAMPLES, all_rows, elements, execute, key, parent, to_the_end
from cutover import backfill
from cutover.backfill import attempts, lease, plan
from cutover.errors import Busy, Incomplete
from cutover.mapping import Binding
from databases import Database
from stages import at_phase
from waiting import wait_until

APPEND = """
WITH mark AS MATERIALIZED (SELECT set_config('cutover.mark', statement_timestamp()::text, true) AS m), parent AS (
    UPDATE shapes_device SET events = events || %(element)s::jsonb FROM mark
    WHERE id = %(id)s AND mark.m IS NOT NULL RETURNING id
)
INSERT INTO shapes_event (device_id, position, kind, extra)
SELECT id, nextval('cutover_position_v1') * 2 + 1, %(kind)s, '{}' FROM parent
"""


@contextmanager
def threads(*works: Callable[[], Any]) -> Iterator[list[BaseException]]:
    """Run beside the body; each thread closes its connection. What they raise is raised at the end."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by the test
            errors.append(error)
        finally:
            connections.close_all()

    running = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for each in running:
        each.start()
    yield errors
    for each in running:
        each.join(120)
        assert not each.is_alive()
    if errors:
        raise errors[0]


def work(binding: Binding) -> Callable[[], None]:
    """A worker in a thread, under a name of its own."""

    def through() -> None:
        last = list(backfill.run(binding, worker=threading.current_thread().name))[-1]
        assert last.finished

    return through


def whole(binding: Binding, parents: list[Any]) -> None:
    """Every list is its rows, in order."""
    column = execute(None, "SELECT id, events FROM shapes_device")
    lists = {found: json.loads(text) for found, text in column}
    for each in parents:
        assert elements(binding, each) == lists[each]


def devices(binding: Binding, count: int, monkeypatch: pytest.MonkeyPatch, segments: int = 8) -> list[Any]:
    """Parents with history, cut into segments."""
    made = [
        parent(binding, number, [{"kind": f"k{n % 3}"} for n in range(number % 7)]) for number in range(1, count + 1)
    ]
    bounds = [str(key(binding, count * number // segments)) for number in range(1, segments)]
    monkeypatch.setattr(plan, "quantiles", lambda binding: (count, bounds))
    return made


@pytest.mark.parametrize("isolation", [None, psycopg.IsolationLevel.REPEATABLE_READ])
def test_workers_beside_live_writers_lose_and_double_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, isolation: psycopg.IsolationLevel | None
) -> None:
    if isolation is not None:
        monkeypatch.setitem(connections.settings["default"], "OPTIONS", {"isolation_level": isolation})
        connections.close_all()
    binding = at_phase("device_events", 2)
    parents = devices(binding, 400, monkeypatch)
    over = threading.Event()

    def write() -> None:
        with psycopg.connect(database.uri, autocommit=True) as writer:
            for number in itertools.count():
                if over.is_set():
                    return
                kind = f"k{number % 3}"
                values = {"id": parents[number * 7 % len(parents)], "kind": kind, "element": json.dumps({"kind": kind})}
                writer.execute(APPEND, values)

    with threads(write, write):
        try:
            with threads(work(binding), work(binding), work(binding)):
                pass
        finally:
            over.set()
    whole(binding, parents)
    assert backfill.why_incomplete(binding) == []


@pytest.mark.parametrize("isolation", [None, psycopg.IsolationLevel.REPEATABLE_READ])
def test_workers_that_steal_each_others_segment_all_the_time_double_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, isolation: psycopg.IsolationLevel | None
) -> None:
    if isolation is not None:
        monkeypatch.setitem(connections.settings["default"], "OPTIONS", {"isolation_level": isolation})
        connections.close_all()
    monkeypatch.setattr(lease, "hold", lambda: 0.0)
    binding = at_phase("device_events", 2)
    parents = devices(binding, 600, monkeypatch, segments=1)
    with threads(work(binding), work(binding), work(binding)):
        pass
    whole(binding, parents)


def test_a_worker_whose_segment_was_taken_over_does_not_write_to_it_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("device_events", 2)
    parents = devices(binding, 400, monkeypatch, segments=1)
    first = backfill.run(binding, worker="first")
    assert next(first).parents == 100
    execute(None, "UPDATE cutover_segment SET leased_until = now() - interval '1 hour'")
    to_the_end(binding, worker="second")
    rows = all_rows(binding)
    assert list(first)[-1].finished
    assert all_rows(binding) == rows
    whole(binding, parents)


def test_workers_wait_for_the_last_segments_of_others_and_take_over_what_they_leave(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("device_events", 2)
    parents = devices(binding, 400, monkeypatch, segments=1)
    gone = backfill.run(binding, worker="gone")
    assert next(gone).parents == 100
    other = backfill.run(binding, worker="other")
    assert next(other).waiting == "The last segments are held by other workers."
    assert [str(each) for each in backfill.status(binding).workers] == [
        "gone on 0",
        "other waits: The last segments are held by other workers.",
    ]
    assert list(other)[-1].finished
    whole(binding, parents)


def test_an_append_only_cutover_waits_for_no_writer_and_makes_none_wait(
    database: Database, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    binding = at_phase("device_events", 2)
    one = parent(binding, 1, EXAMPLES["device_events"])
    holder = connect(autocommit=False)
    holder.execute("SELECT 1 FROM shapes_device WHERE id = %s FOR UPDATE", [one])
    to_the_end(binding)
    assert len(elements(binding, one)) == 2


def test_a_parent_that_stays_locked_is_named_where_parents_are_locked(
    database: Database, connect: Callable[..., psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "TRIES", 1)
    binding = at_phase("ticket_history", 2)
    parent(binding, 1, EXAMPLES["ticket_history"])
    parent(binding, 2, EXAMPLES["ticket_history"])
    holder = connect(autocommit=False)
    holder.execute("SELECT 1 FROM shapes_ticket WHERE id = 2 FOR UPDATE")
    with pytest.raises(Busy, match="Segment 0 of ticket_history could not be filled: The lock was not obtained"):
        list(backfill.run(binding))
    assert len(elements(binding, 1)) == 3
    assert elements(binding, 2) == []
    holder.rollback()
    to_the_end(binding)
    assert len(elements(binding, 2)) == 3


def test_lists_that_are_replaced_meanwhile_are_their_rows(database: Database) -> None:
    binding = at_phase("ticket_history", 2)
    for number in range(1, 201):
        parent(binding, number, {"changes": {"items": [["old", number]] * 3}})
    over = threading.Event()

    def replace() -> None:
        with psycopg.connect(database.uri) as writer:
            for number in itertools.count():
                if over.is_set():
                    return
                one = number * 13 % 200 + 1
                with writer.transaction():
                    writer.execute("SELECT 1 FROM shapes_ticket WHERE id = %s FOR NO KEY UPDATE", [one])
                    writer.execute("DELETE FROM shapes_change WHERE ticket_id = %s", [one])
                    writer.execute(
                        "WITH m AS MATERIALIZED (SELECT set_config('cutover.mark', statement_timestamp()::text, true) m),"
                        " p AS (UPDATE shapes_ticket SET history = %s FROM m WHERE id = %s AND m.m IS NOT NULL RETURNING id)"
                        " INSERT INTO shapes_change (ticket_id, position, field, amount)"
                        " SELECT id, nextval('cutover_position_v1') * 2 + 1, 'new', %s FROM p",
                        [json.dumps({"changes": {"items": [["new", number]]}}), one, number],
                    )

    with threads(replace):
        try:
            assert list(backfill.run(binding))[-1].finished
        finally:
            over.set()
    for one, text in execute(None, "SELECT id, history FROM shapes_ticket"):
        assert elements(binding, one) == json.loads(text)["changes"]["items"]


def test_dirty_parents_are_not_filled_by_two_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    """The lane waits for the segment in which the parent lies, whoever holds it, and sees what was committed there."""
    binding = at_phase("device_events", 2)
    (one, *_) = devices(binding, 5, monkeypatch, segments=1)
    to_the_end(binding)
    execute(None, "DELETE FROM shapes_event WHERE device_id = %s", one)
    execute(
        None,
        "INSERT INTO cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at)"
        " VALUES ('device_events', %s, 'UPDATE', '', '', 2, now())",
        str(one),
    )
    other = connect(autocommit=False)
    other.execute("SELECT 1 FROM cutover_segment WHERE number = 0 FOR UPDATE")
    other.execute("INSERT INTO shapes_event (device_id, position, kind, extra) VALUES (%s, -1, 'k0', '{}')", [one])
    watcher = connect()
    with threads(lambda: to_the_end(binding)):
        wait_until(
            lambda: watcher.execute(
                "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", [other.info.backend_pid]
            ).fetchone()
        )
        other.commit()
    whole(binding, [one])


def test_foreign_writers_are_caught_up_with(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    for number in range(1, 101):
        parent(binding, number, EXAMPLES["job_logs"])
    count = 300

    def write() -> None:
        with psycopg.connect(database.uri, autocommit=True) as writer:
            for number in range(count):
                line = f"[2024-02-03 00:00:{number % 60:02}] INFO foreign {number}"
                writer.execute(
                    "UPDATE jobs_job SET logs = jsonb_set(logs, '{stdout,0}', %s::jsonb) WHERE id = %s",
                    [json.dumps(line), number % 100 + 1],
                )

    with threads(write), contextlib.suppress(Incomplete):
        list(backfill.run(binding))
    to_the_end(binding)
    assert backfill.why_incomplete(binding) == []
    for one, text in execute(None, "SELECT id, logs::text FROM jobs_job"):
        assert set(json.loads(text)["stdout"]) <= set(elements(binding, one, where="created_at IS NOT NULL"))
