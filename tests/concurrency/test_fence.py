"""The fence: a write that was decided before the ledger moved does not land after it, or is waited for."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, connections

from cutover import db, lease, settling, snapshot
from cutover.errors import PhaseMoved
from cutover.lease import Lease
from cutover.mapping import Binding
from cutover.pairing import token
from cutover.phase import Phase
from cutover.write import alone, append, changes, clear, extend
from cutover.write.statement import Legs
from databases import Database
from project.jobs.models import Job, JobLog
from project.shapes.models import Device, Event, Ticket
from stages import at_phase, move_only, set_flags
from waiting import blocked_by, wait_until

LINE = {"level": "INFO", "message": "x", "created_at": datetime(2026, 1, 2, tzinfo=UTC)}


@pytest.fixture(autouse=True)
def long_lease(settings: LazySettings) -> None:
    """Nothing but the fence tells these writers that the ledger has moved."""
    settings.CUTOVER_LEASE_SECONDS = 600


def in_thread(work: Callable[[], object], pids: list[int] | None = None) -> threading.Thread:
    """Run on a connection of its own, whose backend is told first."""

    def run() -> None:
        try:
            if pids is not None:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_backend_pid()")
                    pids.append(cursor.fetchone()[0])
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def stall(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object], times: int = 1) -> list[str]:
    """Let something happen between the decision of a write and its statement, so many times."""
    module = import_module("cutover.write.append")
    once = module.once
    seen: list[str] = []

    def stalled(binding: Binding, key: Any, group: list[Any], held: Lease, legs: Legs) -> Any:
        seen.append(legs.name)
        if len(seen) <= times:
            then()
        return once(binding, key, group, held, legs)

    monkeypatch.setattr(module, "once", stalled)
    return seen


def lines(number: int) -> list[dict[str, Any]]:
    return [{**LINE, "message": f"x {each}"} for each in range(number)]


@pytest.mark.parametrize("number", [1, 2, alone.STREAMED])
@pytest.mark.parametrize(
    ("before", "after", "decided"),
    [(1, 2, ["LISTS", "BOTH"]), (3, 4, ["BOTH", "ROWS"]), (4, 3, ["ROWS", "BOTH"]), (2, 1, ["BOTH", "LISTS"])],
)
def test_write_that_was_decided_before_the_move_is_decided_anew(
    database: Database,
    connect: Any,
    monkeypatch: pytest.MonkeyPatch,
    before: int,
    after: int,
    decided: list[str],
    number: int,
) -> None:
    binding = at_phase("job_logs", before)
    job = Job.objects.create()
    set_flags("job_logs", Phase(max(before, after)))
    lease.renew(binding)
    seen = stall(monkeypatch, lambda: move_only("job_logs", after))
    extend(binding, job.pk, lines(number))
    assert seen == decided
    (found,) = connect().execute("SELECT jsonb_array_length(logs -> 'stdout') FROM jobs_job").fetchone()
    assert found == (number if after <= 3 else 0)
    assert JobLog.objects.count() == (number if after >= 2 else 0)


def test_ledger_that_moves_under_every_try_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = at_phase("job_logs", 3)
    job = Job.objects.create()
    to = iter([4, 3, 4, 3, 4])
    stall(monkeypatch, lambda: move_only("job_logs", next(to)), times=5)
    with pytest.raises(PhaseMoved) as moved:
        append(binding, job.pk, LINE)
    assert str(moved.value) == "The ledger of job_logs moved under 5 tries; nothing was written."
    assert JobLog.objects.count() == 0


def test_rewrite_is_decided_anew_as_well(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = Ticket.objects.create(history={"changes": {"items": [["a", 1]]}})
    binding = at_phase("ticket_history", 3)
    set_flags("ticket_history", Phase.STOP_JSON_WRITES)
    lease.renew(binding)
    move_only("ticket_history", 4)
    claim = changes.claim
    phases: list[int] = []

    def counted(binding: Binding, key: Any, held: Lease) -> tuple[bool, bool]:
        phases.append(held.phase)
        return claim(binding, key, held)

    monkeypatch.setattr(changes, "claim", counted)
    clear(binding, ticket.pk)
    assert phases == [3, 4]


def test_statement_that_waits_for_the_row_lands_at_its_old_phase_and_is_waited_for(
    database: Database, connect: Any
) -> None:
    """What the fence cannot stop, settling has to name."""
    binding = at_phase("job_logs", 3)
    job = Job.objects.create()
    lease.current(binding)
    holder, asks = connect(autocommit=False), connect()
    holder.execute("SELECT FROM jobs_job FOR UPDATE")
    pids: list[int] = []
    thread = in_thread(lambda: append(binding, job.pk, LINE), pids)
    wait_until(lambda: pids and blocked_by(asks, pids[0]), why="the append waits for the parent")
    move_only("job_logs", 4)
    collected = settling.collect("default")
    assert pids[0] in {each.pid for each in collected.values()}
    holder.rollback()
    thread.join()
    assert JobLog.objects.get().position % 2 == 1
    (logs,) = asks.execute("SELECT logs -> 'stdout' FROM jobs_job").fetchone()
    assert logs == ["[2026-01-02 00:00:00] INFO x"]


def test_rows_that_are_copied_after_a_look_at_the_ledger_are_waited_for(
    database: Database, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look and the COPY are two statements; what is between them must not outlive the settling of a move."""
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    lease.current(binding)
    looked, go_on = threading.Event(), threading.Event()
    copy_in = db.copy_in

    def stalled(*arguments: Any) -> int:
        looked.set()
        assert go_on.wait(10)
        return copy_in(*arguments)

    monkeypatch.setattr(db, "copy_in", stalled)
    pids: list[int] = []
    thread = in_thread(lambda: extend(binding, job.pk, lines(alone.STREAMED)), pids)
    assert looked.wait(10)
    move_only("job_logs", 3)
    collected = settling.collect("default")
    assert pids[0] in {each.pid for each in collected.values()}
    assert [each.pid for each in next(settling.wait("default", collected, set()))] == pids
    go_on.set()
    thread.join()
    assert not any(settling.wait("default", collected, set()))
    assert JobLog.objects.count() == alone.STREAMED
    assert not any(position % 2 for position in JobLog.objects.values_list("position", flat=True))


@pytest.mark.parametrize("phase", [4, 5])
def test_append_waits_for_nobody_who_has_the_parent_locked_once_json_is_not_written(
    database: Database, connect: Any, phase: int
) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    lease.current(binding)
    connect(autocommit=False).execute("SELECT FROM jobs_job FOR UPDATE")
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '3s'")
    append(binding, job.pk, LINE)
    extend(binding, job.pk, lines(alone.STREAMED))
    assert JobLog.objects.count() == 1 + alone.STREAMED


@pytest.mark.parametrize("phase", [2, 3])
def test_rows_are_in_the_order_of_the_list_under_concurrent_writers(database: Database, phase: int) -> None:
    binding = at_phase("device_events", phase)
    device = Device.objects.create()
    start = threading.Barrier(4)

    def write(writer: int) -> None:
        start.wait(10)
        for number in range(15):
            if number % 5:
                append(binding, device.pk, {"kind": f"{writer}", "count": number})
            else:
                rows = [{"kind": f"{writer}", "count": number}, {"kind": f"{writer}", "count": number}]
                extend(binding, device.pk, rows)

    threads = [in_thread(lambda writer=writer: write(writer)) for writer in range(4)]  # type: ignore[misc]
    for thread in threads:
        thread.join()
    sides = snapshot.take(binding, [device.pk])[device.pk]
    both = snapshot.lists(binding.streams[0], sides, sides.document())[None]
    assert len(both.elements) == Event.objects.count() == 4 * 18
    assert [token(each) for each in both.elements] == [token(each) for each in both.row_elements]


def test_update_after_a_wait_starts_from_the_document_that_the_other_left(database: Database, connect: Any) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    lease.current(binding)
    other, asks = connect(autocommit=False), connect()
    other.execute("""UPDATE jobs_job SET logs = '{"stdout": ["theirs"], "other": 1}'""")
    pids: list[int] = []
    thread = in_thread(lambda: append(binding, job.pk, LINE), pids)
    wait_until(lambda: pids and blocked_by(asks, pids[0]), why="the append waits for the parent")
    other.commit()
    thread.join()
    (document,) = asks.execute("SELECT logs FROM jobs_job").fetchone()
    assert document == {"stdout": ["[2026-01-02 00:00:00] INFO x", "theirs"], "other": 1}
