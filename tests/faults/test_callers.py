"""What callers bring along: transactions of their own, at any isolation, savepoints, other aliases, clocks that jump."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction

from cutover import db, lease, use
from cutover.errors import MutatedDocument
from cutover.mapping import bind
from cutover.phase import Phase
from parents import line, stored
from project.jobs.cutovers import JobLogs
from project.jobs.models import Job, JobLog
from project.shapes.cutovers import AccountTags, DeviceEvents
from project.shapes.models import Account, Device, Event
from stages import at_phase, move_only, set_flags

pytestmark = pytest.mark.usefixtures("database")
Connect = Callable[..., psycopg.Connection[Any]]
LOGS = use("job_logs")
WRITTEN = [Phase.ADD_TABLE, Phase.DUAL_WRITE, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP]


@pytest.fixture(autouse=True)
def _rewrites(monkeypatch: pytest.MonkeyPatch) -> None:
    for cutover in (JobLogs, AccountTags, DeviceEvents):
        monkeypatch.setattr(cutover, "rewrites", True)


def append(job: Job, minute: int, message: str) -> None:
    LOGS.append(job, level="INFO", message=message, created_at=datetime(2025, 3, 1, 12, minute, tzinfo=UTC))


def lines(job: Job) -> list[str]:
    return [text.split()[-1] for text in LOGS.read(job)["stdout"]]


@contextmanager
def by_hand() -> Iterator[None]:
    """Autocommit is off, and the application has begun its transaction already."""
    connection.set_autocommit(False)
    try:
        Job.objects.count()
        yield
        connection.commit()
    finally:
        connection.rollback()
        connection.set_autocommit(True)


@pytest.mark.parametrize("phase", WRITTEN)
def test_several_statements_of_one_call_in_a_transaction_by_hand(phase: Phase) -> None:
    at_phase("account_tags", phase)
    account = Account.objects.create(code="a", profile={"tags": {}})
    tags = use("account_tags")
    with by_hand():
        tags.extend(account, [{"kind": "color", "value": "red"}, {"kind": "size", "value": "L"}])
        tags.replace(account, tags={"color": ["blue"]})
        with tags.mutating(account) as document:
            document["tags"]["size"].append("XL")
        tags.clear("a") if phase is Phase.ADD_TABLE else None
    kept = {} if phase is Phase.ADD_TABLE else {"color": ["blue"], "size": ["L", "XL"]}
    assert {key: value for key, value in tags.read("a")["tags"].items() if value} == kept


@pytest.mark.parametrize("phase", WRITTEN)
def test_a_savepoint_that_is_rolled_back_takes_its_own_appends_alone(phase: Phase) -> None:
    at_phase("job_logs", phase)
    job = Job.objects.create()
    with transaction.atomic():
        append(job, 1, "before")
        sid = transaction.savepoint()
        append(job, 2, "lost")
        with LOGS.mutating(job) as document:
            document["stdout"].clear()
        transaction.savepoint_rollback(sid)
        append(job, 3, "after")
    assert lines(job) == ["after", "before"]
    if phase >= Phase.DUAL_WRITE:
        assert list(JobLog.objects.order_by("position").values_list("message", flat=True)) == ["before", "after"]


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("phase", WRITTEN)
def test_an_append_on_an_old_snapshot_is_whole_or_an_error(phase: Phase, isolation: str, connect: Connect) -> None:
    at_phase("job_logs", phase)
    job = Job.objects.create()
    failed = False
    try:
        with transaction.atomic():
            db.run("default", f"SET TRANSACTION ISOLATION LEVEL {isolation}")
            Job.objects.count()
            connect().execute("UPDATE jobs_job SET progress = 1 WHERE id = %s", [job.pk])
            append(job, 1, "mine")
    except OperationalError as error:
        failed = db.sqlstate(error) == "40001"
        assert failed
    assert failed is phase.writes_json
    append(job, 2, "next")
    assert lines(job) == (["next"] if failed else ["next", "mine"])
    assert JobLog.objects.count() == (0 if phase < Phase.DUAL_WRITE else len(lines(job)))


def test_a_block_that_began_before_a_move_is_saved_as_the_phase_after_it_asks(connect: Connect) -> None:
    at_phase("job_logs", Phase.PROPERTY_SHIM)
    set_flags("job_logs", Phase.STOP_JSON_WRITES)
    job = Job.objects.create()
    append(job, 1, "one")
    with LOGS.mutating(job) as document:
        connect().execute("UPDATE cutover_ledger SET phase = 4, came_from = 3, epoch = epoch + 1, settled_at = NULL")
        document["stdout"].insert(0, line(2, "two"))
    assert lines(job) == ["two", "one"]
    assert stored(job)["stdout"] in ([], [line(1, "one")])
    assert JobLog.objects.count() == 2


# --- saves ---


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    """Equal elements count here; a change in memory is captured."""
    monkeypatch.setattr(DeviceEvents, "on_mutation", "capture")
    at_phase("device_events", Phase.DUAL_WRITE)
    return Device.objects.get(pk=Device.objects.create(events=[]).pk)


def kinds(device: Device) -> str:
    rows = "".join(Event.objects.order_by("position").values_list("kind", flat=True))
    found = "".join(each["kind"] for each in stored(device))
    assert found == rows
    return found


def test_an_equal_element_that_another_appended_meanwhile_is_a_second_one(device: Device) -> None:
    device.events.append({"kind": "a"})
    use("device_events").append(device.pk, kind="a")
    device.save()
    assert kinds(device) == "aa"
    device.save()
    assert kinds(device) == "aa"


def test_what_was_saved_twice_in_one_transaction_is_there_once(device: Device) -> None:
    with transaction.atomic():
        device.events.append({"kind": "a"})
        device.save()
        device.events.append({"kind": "b"})
        device.save()
    device.save()
    assert kinds(device) == "ab"
    device.events.append({"kind": "c"})
    device.save()
    assert kinds(device) == "abc"


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_a_savepoint_took_back_is_saved_by_the_next_save(device: Device, by_hand: bool) -> None:
    with transaction.atomic():
        device.events.append({"kind": "a"})
        device.save()
        with suppress(ZeroDivisionError), savepoint() if by_hand else transaction.atomic():
            device.events.append({"kind": "b"})
            device.save()
            raise ZeroDivisionError
        assert kinds(device) == "a"
        device.save()
        assert kinds(device) == "ab"
    device.save()
    assert kinds(device) == "ab"


@contextmanager
def savepoint() -> Iterator[None]:
    """A savepoint by hand: what Django is to call at the commit it still calls after a rollback."""
    sid = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(sid)


# --- other aliases ---


@pytest.fixture
def second() -> Iterator[str]:
    """Another connection to the same database, under another alias."""
    connections.databases["second"] = {**connections.databases["default"]}
    connections.settings["second"] = connections.databases["second"]
    yield "second"
    connections["second"].close()
    del connections["second"]
    del connections.databases["second"]


@pytest.mark.parametrize("phase", WRITTEN[1:])
def test_a_stale_save_through_another_alias_leaves_the_column_as_it_is(
    second: str, phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_phase("job_logs", phase)
    pk = Job.objects.create().pk
    job = Job.objects.using(second).get(pk=pk)
    append(job, 1, "appended")
    job.name = "renamed"
    job.save()
    assert lines(job) == [text.split()[-1] for text in job.logs["stdout"]] == ["appended"]
    assert Job.objects.get(pk=pk).name == "renamed"
    job.logs = {"stdout": []}
    for way, match in (("raise", "was changed in memory"), ("capture", "through another alias of the same database")):
        monkeypatch.setattr(JobLogs, "on_mutation", way)
        with pytest.raises(MutatedDocument, match=match):
            job.save()


# --- clocks ---


def test_a_belief_ends_though_the_monotonic_clock_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    now, wall = lease.time.monotonic(), lease.time.time()
    monkeypatch.setattr(lease.time, "monotonic", lambda: now)
    monkeypatch.setattr(lease.time, "time", lambda: wall)
    assert lease.current(bind("job_logs")).phase is Phase.DUAL_WRITE
    move_only("job_logs", Phase.PROPERTY_SHIM)
    at_least = lease.current(bind("job_logs"))
    assert at_least.phase is Phase.DUAL_WRITE
    monkeypatch.setattr(lease.time, "time", lambda: wall + 60)
    assert lease.current(bind("job_logs")).entry.phase is Phase.PROPERTY_SHIM


def test_a_belief_ends_though_the_wall_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    now = lease.time.monotonic()
    monkeypatch.setattr(lease.time, "monotonic", lambda: now)
    lease.current(bind("job_logs"))
    move_only("job_logs", Phase.PROPERTY_SHIM)
    monkeypatch.setattr(lease.time, "monotonic", lambda: now + 60)
    monkeypatch.setattr(lease.time, "time", lambda: 0.0)
    assert lease.current(bind("job_logs")).entry.phase is Phase.PROPERTY_SHIM
