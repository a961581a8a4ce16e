"""A repair and a rehydration that are killed, stopped, overtaken: the same command again goes on, and nothing is done twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from bothsides import kinds, parent, seen, verified, visited
from cutover import verify
from cutover.chunk import Pace
from cutover.errors import Busy
from cutover.mapping import Binding
from cutover.verify import holding, lease, repairs
from databases import Database
from stages import at_phase, move_only
from waiting import wait_until

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import django
django.setup()
from cutover import verify
from cutover.mapping import bind
from cutover.verify import holding
from cutover.chunk import Pace
holding.pace = lambda: Pace(parents=3, largest=3)
steps = verify.repair(bind("device_events"), apply=True) if sys.argv[1] == "repair" else verify.rehydrate(bind("device_events"))
print("ready", flush=True)
for step in steps:
    pass
print("finished", flush=True)
"""
COUNT = 300  # parents
EACH = 4  # elements of each that lack a row, or rows that lack an element


def start(work: str) -> "subprocess.Popen[str]":
    """It as a process of its own; DATABASE_URL and the flags are in the environment."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings", "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    worker = subprocess.Popen([sys.executable, "-c", PROGRAM, work], stdout=subprocess.PIPE, text=True, env=environment)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    return worker


def scalar(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def execute(statement: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params or None)


def without_rows(count: int = COUNT) -> Binding:
    """Devices whose elements have lost their rows, in a phase that writes both sides."""
    binding = at_phase("device_events", 2)
    visited(binding)
    execute(
        "insert into shapes_device (id, events) select md5('device ' || d)::uuid, (select jsonb_agg(jsonb_build_object("
        "'kind', 'k' || n, 'count', n %% 2, 'at', null)) from generate_series(1, %s) n) from generate_series(1, %s) d",
        EACH,
        count,
    )
    seen(binding)
    return binding


def without_elements() -> Binding:
    """Devices whose rows were written alone, back in a phase that writes both sides."""
    binding = at_phase("device_events", 4)
    visited(binding)
    execute(
        "insert into shapes_device (id, events) select md5('device ' || d)::uuid, '[]' from generate_series(1, %s) d",
        COUNT,
    )
    execute(
        "insert into shapes_event (device_id, position, kind, count, extra) select id,"
        " nextval('cutover_position_v1') * 2, 'k' || n, n %% 2, '{}' from shapes_device, generate_series(1, %s) n",
        EACH,
    )
    seen(binding)
    return at_phase("device_events", 3)


def killed_a_few_times(work: str, progress: str) -> int:
    """Kill it four times while it gets on; how often it was still alive."""
    killed = 0
    for _ in range(4):
        worker, before = start(work), scalar(progress)
        wait_until(lambda before=before, worker=worker: worker.poll() is not None or scalar(progress) > before, 30)  # type: ignore[misc]
        time.sleep(random.uniform(0, 0.05))  # noqa: S311 - a moment
        worker.send_signal(signal.SIGKILL)
        killed += worker.wait() == -signal.SIGKILL
        assert worker.stdout is not None
        worker.stdout.close()
    return killed


def test_a_repair_that_is_killed_goes_on_and_does_nothing_twice(database: Database) -> None:
    binding = without_rows()
    rows = "select count(*) from shapes_event"
    assert killed_a_few_times("repair", rows)
    before = scalar(rows)
    assert scalar("select elements from cutover_mending") == before  # told in the transactions that did it
    done = list(verify.repair(binding, apply=True))
    assert all(each.done for each in done)
    assert len(done) == COUNT * EACH - before
    assert scalar(rows) == COUNT * EACH
    assert kinds(verified(binding)) == {}
    assert scalar("select count(*) from cutover_mending where token is null and cursor is null and elements = 0") == 1


def test_a_rehydration_that_is_killed_goes_on_and_does_nothing_twice(database: Database) -> None:
    binding = without_elements()
    elements = "select coalesce(sum(jsonb_array_length(events)), 0) from shapes_device"
    assert killed_a_few_times("rehydration", elements)
    *_, last = verify.rehydrate(binding)
    assert (last.parents, last.rows, last.left, last.done) == (COUNT, COUNT * EACH, 0, True)
    assert scalar(elements) == COUNT * EACH
    assert kinds(verified(binding)) == {}
    assert verify.rehydrated(binding) == 0


def test_one_that_was_stopped_past_its_lease_and_wakes_up_does_nothing_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = without_rows(20)
    monkeypatch.setattr(holding, "pace", lambda: Pace(parents=3, largest=3))
    stopped = verify.repair(binding, apply=True)
    next(stopped)
    assert len(list(verify.repair(binding, apply=True))) == 20 * EACH - 3 * EACH
    with pytest.raises(Busy, match="Another repair of device_events has taken over"):
        list(stopped)
    assert scalar("select count(*) from shapes_event") == 20 * EACH


def test_a_second_one_is_told_who_is_at_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = without_rows(3)
    said: list[str] = []
    with lease.held(binding, "repair", at_epoch()) as turn:
        monkeypatch.setattr(lease.time, "sleep", lambda seconds: lease.advance(binding, turn))
        with pytest.raises(Busy, match=rf"Another repair of device_events is running: .*:{os.getpid()}"):
            list(verify.repair(binding, apply=True, told=said.append))
    assert said[0].startswith("Waits for ")
    assert scalar("select count(*) from shapes_event") == 0


def test_a_rehydration_does_not_keep_a_repair_out(database: Database) -> None:
    binding = without_rows(3)
    with lease.held(binding, "rehydration", at_epoch()):
        assert len(list(verify.repair(binding, apply=True))) == 3 * EACH


def test_a_move_in_the_middle_ends_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = without_rows(20)
    monkeypatch.setattr(holding, "pace", lambda: Pace(parents=3, largest=3))
    course = verify.repair(binding, apply=True)
    next(course)
    move_only("device_events", 3)
    with pytest.raises(Busy, match="device_events was moved to PROPERTY_SHIM meanwhile"):
        list(course)
    assert scalar("select count(*) from shapes_event") == 3 * EACH


def test_the_cursor_of_another_epoch_is_forgotten(database: Database) -> None:
    binding = without_rows(3)
    execute(
        "insert into cutover_mending (cutover, work, epoch, cursor, worker, parents, elements, left_alone)"
        " values ('device_events', 'repair', %s, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '', 1, 1, 1)",
        at_epoch() - 1,
    )
    assert len(list(verify.repair(binding, apply=True))) == 3 * EACH


def test_fresh_begins_at_the_first_parent(database: Database) -> None:
    binding = without_rows(3)
    execute(
        "insert into cutover_mending (cutover, work, epoch, cursor, worker, parents, elements, left_alone)"
        " values ('device_events', 'repair', %s, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '', 1, 1, 1)",
        at_epoch(),
    )
    assert list(verify.repair(binding, apply=True)) == []
    execute("update cutover_mending set cursor = 'ffffffff-ffff-ffff-ffff-ffffffffffff'")
    assert len(list(verify.repair(binding, apply=True, fresh=True))) == 3 * EACH


def test_a_parent_that_somebody_has_locked_is_waited_for_and_the_others_are_not(
    database: Database, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = without_rows(3)
    monkeypatch.setattr(holding, "LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(holding, "TRIES", 2)
    other = connect(autocommit=False)
    other.execute("select from shapes_device order by id limit 1 for update")
    with pytest.raises(Busy, match="A lock was not obtained in 2 tries of 20ms"):
        list(verify.repair(binding, apply=True))
    assert scalar("select count(*) from shapes_event") == 2 * EACH
    other.rollback()
    assert len(list(verify.repair(binding, apply=True))) == EACH


def test_a_parent_that_is_gone_meanwhile_is_no_error(database: Database) -> None:
    binding = at_phase("device_events", 2)
    visited(binding)
    made = parent(binding)
    made.write_json([made.element(1)])
    with lease.held(binding, "repair", at_epoch()) as turn:
        execute("delete from shapes_device")
        assert repairs.mend_some(binding, turn, [made.key]) == []


def at_epoch() -> int:
    return int(scalar("select epoch from cutover_ledger where name = 'device_events'"))
