"""Verification while others write: it never cries wolf, never waits for long, and nobody waits for it."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connections

from bothsides import NAMES, kinds, parent, seen, verified, visited
from cutover import verify
from cutover.verify import holding, suspects
from databases import Database
from livewriters import writing
from stages import at_phase
from waiting import backend_pid, blocked_by, wait_until


@pytest.mark.parametrize("phase", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_live_writers_make_no_difference(name: str, phase: int, database: Database) -> None:
    binding = at_phase(name, 2)
    visited(binding)
    pairs = [parent(binding, number) for number in range(3)]
    at_phase(name, phase)
    with writing(pairs) as written:
        for _ in range(5):
            before = written()
            found = verified(binding)
            assert not found.differs, found
            assert set(kinds(found)) <= {"beyond_cap", "after_json"}
            wait_until(lambda before=before: written() > before + 5, why="the writers go on")  # type: ignore[misc]
    found = verified(binding)
    assert not found.differs
    if phase < 4:
        assert found.json_checksum == found.table_checksum


def test_two_legs_in_one_transaction_are_never_seen_apart(
    database: Database, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    binding = at_phase("device_events", 2)
    visited(binding)
    made = parent(binding)
    other = connect(autocommit=False)
    other.execute("update shapes_device set events = %s::jsonb where id = %s", ['[{"kind": "a"}]', made.key])
    assert kinds(verified(binding)) == {}
    other.execute(
        "insert into shapes_event (device_id, position, kind, extra)"
        " values (%s, nextval('cutover_position_v1') * 2 + 1, 'a', '{}')",
        [made.key],
    )
    assert kinds(verified(binding)) == {}
    other.execute("delete from cutover_mark")
    other.commit()
    assert kinds(verified(binding)) == {}


def test_a_suspect_is_looked_at_again_under_the_lock(
    database: Database, connect: Callable[..., psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer of two transactions is between its legs when the verification comes by; it holds the lock of neither."""
    binding = at_phase("device_events", 2)
    visited(binding)
    made = parent(binding)
    made.write_json([made.element(1)])
    monkeypatch.setattr(suspects, "LOCK_TIMEOUT", "10s")
    other = connect(autocommit=False)
    other.execute("select from shapes_device where id = %s for update", [made.key])
    result: list[dict[str, int]] = []

    def look() -> None:
        result.append(kinds(verified(binding)))
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    watcher = connect()
    wait_until(lambda: waits_for(watcher, backend_pid(other)), why="the verification waits for the lock")
    made.add_row(made.element(1), 3)
    other.rollback()
    thread.join(10)
    assert result == [{}]


def waits_for(watcher: psycopg.Connection[Any], holder: int) -> bool:
    pids = watcher.execute("select pid from pg_stat_activity where datname = current_database()").fetchall()
    return any(holder in blocked_by(watcher, pid) for (pid,) in pids)


def test_a_lock_that_is_not_to_be_had_does_not_stop_it(
    database: Database, connect: Callable[..., psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("ticket_history", 2)
    visited(binding)
    made = parent(binding)
    made.write_json([made.element(1)])
    monkeypatch.setattr(suspects, "LOCK_TIMEOUT", "20ms")
    other = connect(autocommit=False)
    other.execute("select from shapes_ticket where id = %s for update", [made.key])
    assert kinds(verified(binding)) == {"missing_in_table": 1}


def test_it_holds_no_lock_that_a_writer_waits_for(
    database: Database, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    binding = at_phase("device_events", 2)
    visited(binding)
    made = parent(binding)
    made.write_json([made.element(1)])
    course = verify.run(binding, resume=False)
    next(course)
    other = connect()
    other.execute("set lock_timeout = '1ms'")
    other.execute("update shapes_device set events = '[]' where id = %s", [made.key])
    other.execute("begin")
    other.execute("lock table shapes_event in access exclusive mode nowait")
    other.execute("rollback")
    assert next(course, None) is None


def test_a_repair_and_a_backfill_never_insert_the_same_row_twice(
    database: Database, connect: Callable[..., psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backfill holds its segment from before its snapshot; the repair waits for it and then finds nothing to do."""
    binding = at_phase("device_events", 2)
    visited(binding)
    made = parent(binding)
    made.write_json([made.element(1)])
    monkeypatch.setattr(suspects, "LOCK_TIMEOUT", "10s")
    monkeypatch.setattr(holding, "LOCK_TIMEOUT", "10s")
    other = connect(autocommit=False)
    other.execute("select from cutover_segment for update")

    def mend_it() -> None:
        list(verify.repair(binding, apply=True))
        connections.close_all()

    thread = threading.Thread(target=mend_it)
    thread.start()
    watcher = connect()
    wait_until(lambda: waits_for(watcher, backend_pid(other)), why="the repair waits for the segment")
    other.execute(
        "insert into shapes_event (device_id, position, kind, count, extra) values (%s, -1, 'open', 1, %s)",
        [made.key, '{"note": {"n": 1}}'],
    )
    other.commit()
    thread.join(10)
    assert made.rows() == [made.element(1)]


def test_rehydration_loses_nothing_while_others_append(database: Database) -> None:
    binding = at_phase("device_events", 4)
    pairs = [parent(binding, number) for number in range(20)]
    for made in pairs:
        for number in range(3):
            made.add_row(made.element(number), 100 + 2 * number)
    with connections["default"].cursor() as cursor:
        cursor.execute("select setval('cutover_position_v1', 1000)")
    at_phase("device_events", 3)
    visited(binding)
    with writing(pairs) as written:
        wait_until(lambda: written() > 5, why="the writers have begun")
        list(verify.rehydrate(binding))
        before = written()
        wait_until(lambda: written() > before + 5, why="the writers go on")
    seen(binding)
    assert verify.rehydrated(binding) == 0
    assert kinds(verified(binding)) == {}
    for made in pairs:
        assert made.listed() == made.rows()
        assert len(made.listed()) >= 3
