"""Holes that were found by attacking the protocol: each test is the interleaving that lost, doubled or hid an element."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, connections, transaction

import stages
from cutover import backfill, db, lease, ledger, read, runner, verify, write
from cutover.errors import Refused, WriteError
from cutover.mapping import Binding, bind
from cutover.operations import StripClaimed
from cutover.phase import Phase
from cutover.schema import watch
from cutover.write.handler.kept import Line
from migrating import forwards
from project.jobs.models import Job
from project.shapes.models import Device, Ticket

pytestmark = pytest.mark.usefixtures("database")
LINE = {"level": "INFO", "message": "x", "created_at": datetime(2026, 1, 2, tzinfo=UTC)}
FOREIGN = 'update shapes_device set events = events || \'[{"kind": "foreign"}]\'::jsonb where id = %s'
Mover = Callable[[runner.Order], Iterator[runner.Event]]


@pytest.fixture(autouse=True)
def _no_quiet_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("job_logs", "ticket_history", "device_events"):
        monkeypatch.setattr(bind(name).cutover, "quiet", timedelta(0))


@contextmanager
def by_hand() -> Iterator[None]:
    """Autocommit is off, as in a project that commits by itself."""
    connection.set_autocommit(False)
    try:
        yield
    finally:
        connection.rollback()
        connection.set_autocommit(True)


def proven(name: str, phase: Phase) -> Binding:
    """At the phase, backfilled and verified, and this process the only one."""
    binding = stages.at_phase(name, phase)
    list(backfill.run(binding))
    list(verify.run(binding))
    stages.set_flags(name, Phase.BACKFILL_AND_DROP)
    return binding


def move(mover: Mover, binding: Binding, to: Phase) -> Iterator[runner.Event]:
    db.run(binding.alias, "DELETE FROM cutover_process")
    return mover(runner.Order(binding, to))


def moved(mover: Mover, binding: Binding, *to: Phase) -> None:
    for phase in to:
        list(move(mover, binding, phase))
        lease.forget()


def test_a_replace_of_rows_alone_keeps_the_way_back_shut_until_json_was_looked_at() -> None:
    binding = stages.at_phase("ticket_history", Phase.DUAL_WRITE)
    key = Ticket.objects.create().pk
    write.extend(binding, key, [{"field": "a", "amount": 1}, {"field": "b", "amount": 2}])
    proven("ticket_history", Phase.DUAL_WRITE)
    moved(runner.advance, binding, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES)
    write.replace(binding, key, "items", [["b", 2]])
    moved(runner.rollback, binding, Phase.PROPERTY_SHIM)
    with pytest.raises(Refused, match="rehydrated does not hold"):
        moved(runner.rollback, binding, Phase.DUAL_WRITE)
    list(verify.run(binding))
    with pytest.raises(Refused, match="rehydrated does not hold"):
        moved(runner.rollback, binding, Phase.DUAL_WRITE)
    list(verify.repair(binding, apply=True))
    list(verify.run(binding))
    moved(runner.rollback, binding, Phase.DUAL_WRITE)
    assert read.read(binding, key) == {"changes": {"items": [["b", 2]]}}


def test_stripped_lists_are_never_read_from_json_alone() -> None:
    binding = stages.at_phase("job_logs", Phase.DUAL_WRITE)
    key = Job.objects.create(logs={"keep": 1}).pk
    write.append(binding, key, LINE)
    proven("job_logs", Phase.DUAL_WRITE)
    proven("job_logs", Phase.BACKFILL_AND_DROP)
    db.run(binding.alias, "DELETE FROM cutover_process")
    forwards(StripClaimed("job_logs", archive="waived by Ada"))
    moved(runner.rollback, binding, Phase.STOP_JSON_WRITES, Phase.PROPERTY_SHIM)
    shown = read.read(binding, key)
    with pytest.raises(Refused, match="rehydrated does not hold"):
        moved(runner.rollback, binding, Phase.DUAL_WRITE)
    list(verify.run(binding))
    list(verify.repair(binding, apply=True))
    list(verify.run(binding))
    moved(runner.rollback, binding, Phase.DUAL_WRITE)
    assert read.read(binding, key) == shown


def test_a_foreign_write_that_was_open_when_the_last_phase_was_entered_is_read(connect: Any) -> None:
    binding = stages.at_phase("device_events", Phase.STOP_JSON_WRITES)
    key = Device.objects.create().pk
    write.append(binding, key, {"kind": "a"})
    proven("device_events", Phase.STOP_JSON_WRITES)
    old_code = connect(autocommit=False)
    old_code.execute(FOREIGN, [key])
    for event in move(runner.advance, binding, Phase.BACKFILL_AND_DROP):
        if isinstance(event, runner.Waiting) and event.holders:
            old_code.commit()
    lease.forget()
    kinds = sorted(each["kind"] for each in read.read(binding, key))
    assert kinds == ["a", "foreign"]
    list(backfill.run(binding))
    lease.forget()
    assert lease.current(binding).rows_alone
    assert sorted(each["kind"] for each in read.read(binding, key)) == kinds


def test_the_last_phase_reads_both_sides_until_it_has_settled(connect: Any) -> None:
    binding = stages.at_phase("device_events", Phase.STOP_JSON_WRITES)
    key = Device.objects.create().pk
    proven("device_events", Phase.STOP_JSON_WRITES)
    old_code = connect(autocommit=False)
    old_code.execute(FOREIGN, [key])
    stages.move_only("device_events", Phase.BACKFILL_AND_DROP)
    old_code.commit()
    lease.forget()
    assert [each["kind"] for each in read.read(binding, key)] == ["foreign"]


def test_a_lease_from_an_old_snapshot_is_over_when_the_phase_has_settled(settings: LazySettings) -> None:
    settings.CUTOVER_LEASE_SECONDS = 0.5
    binding = proven("job_logs", Phase.DUAL_WRITE)
    begun, late, ended = threading.Event(), threading.Event(), threading.Event()
    believed: list[Phase] = []

    def report() -> None:
        try:
            with transaction.atomic():
                db.run("default", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                Job.objects.count()
                begun.set()
                late.wait(10)
                believed.append(lease.renew(binding).phase)
        finally:
            connections.close_all()
            ended.set()

    thread = threading.Thread(target=report)
    thread.start()
    assert begun.wait(10)
    started = time.monotonic()
    for event in move(runner.advance, binding, Phase.PROPERTY_SHIM):
        if isinstance(event, runner.Waiting) and time.monotonic() - started > 0.6 and not late.is_set():
            late.set()
            assert ended.wait(10)
    thread.join()
    assert believed == [Phase.DUAL_WRITE]
    assert lease.current(binding).phase is Phase.PROPERTY_SHIM


def test_the_last_phase_is_not_entered_while_nobody_watches_the_column() -> None:
    binding = proven("device_events", Phase.STOP_JSON_WRITES)
    watch.remove(binding.alias, binding.name, binding.parent.identifier)
    with pytest.raises(Refused, match="trigger_current does not hold"):
        moved(runner.advance, binding, Phase.BACKFILL_AND_DROP)


def test_a_model_is_saved_where_autocommit_is_off() -> None:
    stages.at_phase("job_logs", Phase.ADD_TABLE)
    job = Job.objects.create()
    with by_hand():
        job.name = "new"
        job.save()
        connection.commit()
    assert Job.objects.get().name == "new"


def test_a_line_that_fails_does_not_end_the_transaction_of_an_application_that_commits_by_hand() -> None:
    stages.at_phase("job_logs", Phase.STOP_JSON_WRITES)
    key = Job.objects.create().pk
    handler = write.LogHandler("job_logs", key)
    lease.current(handler.binding)
    with by_hand():
        Job.objects.create(name="mine")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE jobs_joblog RENAME TO elsewhere")
        assert handler.write(Line(key, LINE), None) is not None
        assert handler.last_error is not None
        assert Job.objects.filter(name="mine").exists()


def test_a_move_that_would_not_be_committed_is_refused() -> None:
    binding = proven("job_logs", Phase.DUAL_WRITE)
    with by_hand(), pytest.raises(Refused, match="does not autocommit"):
        list(runner.advance(runner.Order(binding, Phase.PROPERTY_SHIM)))
    assert ledger.read("default", "job_logs").phase is Phase.DUAL_WRITE


def test_a_backfill_that_would_not_be_committed_is_refused() -> None:
    binding = stages.at_phase("job_logs", Phase.DUAL_WRITE)
    with by_hand(), pytest.raises(Refused, match="does not autocommit"):
        list(backfill.run(binding))


@pytest.mark.parametrize("work", [verify.run, verify.rehydrate], ids=["verify", "rehydrate"])
def test_a_verification_that_would_not_be_kept_is_refused(work: Callable[[Binding], Iterator[Any]]) -> None:
    binding = stages.at_phase("job_logs", Phase.PROPERTY_SHIM)
    with by_hand(), pytest.raises(Refused, match="does not autocommit"):
        list(work(binding))


def test_a_list_is_not_replaced_on_an_old_snapshot_once_rows_are_written_alone() -> None:
    binding = stages.at_phase("ticket_history", Phase.STOP_JSON_WRITES)
    ticket = Ticket.objects.create()
    with transaction.atomic():
        db.run("default", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(WriteError, match="cannot be replaced or cleared at REPEATABLE READ"):
            write.replace(binding, ticket.pk, "items", [["size", 1]])
    assert read.read(binding, ticket.pk) in (None, {})


def test_an_element_that_was_replaced_while_json_was_written_alone_does_not_come_back() -> None:
    binding = stages.at_phase("ticket_history", Phase.DUAL_WRITE)
    ticket = Ticket.objects.create()
    write.append(binding, ticket.pk, {"field": "size", "amount": 1})
    stages.set_flags(binding.name, Phase.PROPERTY_SHIM)
    moved(runner.rollback, binding, Phase.ADD_TABLE)
    for _ in verify.run(binding):
        pass
    lease.forget()
    write.replace(binding, ticket.pk, "items", [["size", 2]])
    moved(runner.advance, binding, Phase.DUAL_WRITE)
    for _ in backfill.run(binding):
        pass
    for _ in verify.run(binding):
        pass
    with pytest.raises(Refused, match="verify_clean does not hold"):
        moved(runner.advance, binding, Phase.PROPERTY_SHIM)
    assert [action.done for action in verify.repair(binding, apply=True)] == [True]
    for step in (backfill.run, verify.run):
        for _ in step(binding):
            pass
    moved(runner.advance, binding, Phase.PROPERTY_SHIM)
    lease.forget()
    assert read.read(binding, ticket.pk) == {"changes": {"items": [["size", 2]]}}
