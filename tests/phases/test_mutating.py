"""A block that still changes the document in memory: what it saves, in every phase, and what it does not let happen."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from cutover import lease, mapping, read, use
from cutover.errors import DeclarationError, MutatedDocument, ParentMissing
from cutover.mapping import bind
from cutover.phase import Phase
from databases import Database
from parents import line, stored
from project.jobs.cutovers import JobLogs
from project.jobs.models import Job, JobLog
from project.shapes.cutovers import AccountTags, DeviceEvents
from project.shapes.models import Account, Device, Ticket
from stages import at_phase
from traffic import OwnBeliefs
from waiting import blocked_by, wait_until

Connect = Callable[..., psycopg.Connection[Any]]
EVERY = list(Phase)
LOGS = use("job_logs")


@pytest.fixture(autouse=True)
def _rewrites(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for cutover in (JobLogs, AccountTags, DeviceEvents):
        monkeypatch.setattr(cutover, "rewrites", True)


def at(phase: Phase) -> Job:
    """A job with three lines, that came from dual write where there is one."""
    at_phase("job_logs", min(phase, Phase.DUAL_WRITE))
    job = Job.objects.create(name="one")
    for minute, message in enumerate(["one", "two", "three"], start=1):
        append(job, minute, message)
    at_phase("job_logs", phase)
    return Job.objects.get(pk=job.pk)


def append(job: Job, minute: int, message: str) -> None:
    LOGS.append(job, level="INFO", message=message, created_at=f"2025-03-01T12:{minute:02d}:00Z")


def shown(job: Job) -> Any:
    return read.read(bind("job_logs"), job.pk)


@pytest.mark.parametrize("phase", EVERY)
@pytest.mark.parametrize("by", [lambda job: job, lambda job: job.pk], ids=["instance", "key"])
def test_what_is_changed_in_the_block_is_saved_at_its_end(phase: Phase, by: Callable[[Job], Any]) -> None:
    job = at(phase)
    with LOGS.mutating(by(job)) as document:
        document["stdout"].insert(0, line(4, "four"))
        document["stdout"][2] = line(2, "edited")
        del document["stdout"][3]
        document["kept"] = 1
    expected = [line(4, "four"), line(3, "three"), line(2, "edited")]
    assert shown(job) == Job.objects.get(pk=job.pk).logs == {"stdout": expected, "stderr": [], "kept": 1}
    if phase >= Phase.DUAL_WRITE:
        assert list(JobLog.objects.order_by("pk").values_list("message", flat=True)) == ["edited", "three", "four"]
    assert (stored(job)["stdout"] == expected) is phase.writes_json


@pytest.mark.parametrize("phase", EVERY)
def test_old_code_in_the_block_is_as_it_was(phase: Phase) -> None:
    job = at(phase)
    with LOGS.locked(job.pk) as locked:
        locked.logs["stdout"].insert(0, line(4, "four"))
        locked.progress = 50
        locked.save()
        locked.logs["stdout"].insert(0, line(5, "five"))
        locked.save(update_fields=["logs", "name"])
    assert [text.split()[-1] for text in shown(job)["stdout"]] == ["five", "four", "three", "two", "one"]
    assert Job.objects.get(pk=job.pk).progress == 50
    job.refresh_from_db()
    job.save()


@pytest.mark.parametrize("phase", EVERY)
def test_assigning_in_the_block_is_a_change_too(phase: Phase) -> None:
    job = at(phase)
    with LOGS.mutating(job):
        job.logs = {"stdout": job.logs["stdout"][:1], "stderr": []}
        job.save()
    assert shown(job)["stdout"] == job.logs["stdout"] == [line(3, "three")]


@pytest.mark.parametrize("phase", EVERY)
def test_an_exception_takes_everything_back(phase: Phase) -> None:
    job = at(phase)
    before = shown(job)
    with suppress(ZeroDivisionError), LOGS.mutating(job) as document:
        document["stdout"].clear()
        job.name = "other"
        job.save()
        raise ZeroDivisionError
    assert shown(job) == job.logs == before
    assert Job.objects.get(pk=job.pk).name == "one"


@pytest.mark.parametrize("phase", [Phase.ADD_TABLE, Phase.DUAL_WRITE, Phase.STOP_JSON_WRITES])
def test_inside_of_a_transaction_it_is_part_of_it(phase: Phase) -> None:
    job = at(phase)
    before = shown(job)
    with transaction.atomic():
        with LOGS.mutating(job) as document:
            document["stdout"].clear()
        assert shown(job)["stdout"] == []
        transaction.set_rollback(True)
    assert shown(job) == before


@pytest.mark.parametrize("phase", EVERY)
def test_a_block_within_a_block_has_the_same_document(phase: Phase) -> None:
    job = at(phase)
    with LOGS.mutating(job) as outer:
        outer["stdout"].insert(0, line(4, "outer"))
        with LOGS.mutating(job.pk) as inner:
            inner["stdout"].insert(0, line(5, "inner"))
            assert inner is outer
        with suppress(ZeroDivisionError), LOGS.mutating(Job.objects.get(pk=job.pk)) as failing:
            failing["stdout"].clear()
            raise ZeroDivisionError
        outer["stdout"].remove(line(1, "one"))
    assert shown(job)["stdout"] == [line(5, "inner"), line(4, "outer"), line(3, "three"), line(2, "two")]


@pytest.mark.parametrize("phase", EVERY)
def test_what_is_appended_in_the_block_stays(phase: Phase) -> None:
    job = at(phase)
    with LOGS.mutating(job) as document:
        append(job, 9, "appended")
        document["stdout"].insert(0, line(4, "four"))
        document["stdout"].remove(line(2, "two"))
    assert shown(job)["stdout"] == [line(4, "four"), line(9, "appended"), line(3, "three"), line(1, "one")]


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The list has a cap of three."""
    first, second = JobLogs.streams
    monkeypatch.setattr(JobLogs, "streams", (replace(first, cap=3), second))
    mapping.forget()
    yield
    mapping.forget()


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("phase", [Phase.DUAL_WRITE, Phase.STOP_JSON_WRITES])
def test_rows_beyond_the_cap_stay_where_old_code_cuts_its_list(phase: Phase) -> None:
    job = at(phase)
    with LOGS.mutating(job) as document:
        document["stdout"].insert(0, line(4, "four"))
        del document["stdout"][3:]
    assert shown(job)["stdout"] == [line(4, "four"), line(3, "three"), line(2, "two")]
    assert JobLog.objects.count() == 4


def test_a_document_that_is_null_is_an_empty_one_until_it_is_changed(database: Database) -> None:
    at_phase("account_tags", Phase.DUAL_WRITE)
    account = Account.objects.create(code="a", profile=None)
    tags = use("account_tags")
    with tags.mutating(account) as document:
        assert document == {}
    assert stored(account) is None
    with tags.mutating(account) as document:
        document["tags"] = {"color": ["red"]}
    assert stored(account) == {"tags": {"color": ["red"]}}


@pytest.mark.parametrize("phase", EVERY)
def test_other_shapes(database: Database, phase: Phase) -> None:
    for name in ("device_events", "ticket_history"):
        at_phase(name, phase)
    device, ticket = Device.objects.create(), Ticket.objects.create(history={"by": "me"})
    with use("device_events").mutating(device) as events, use("ticket_history").mutating(ticket) as history:
        events += [{"kind": "a", "x": 1.5}, {"kind": "b"}]
        history["changes"] = {"items": [["a", 1]]}
    assert Device.objects.get().events == [{"kind": "a", "x": 1.5}, {"kind": "b"}]
    assert Ticket.objects.get().history == {"by": "me", "changes": {"items": [["a", 1]]}}


def test_an_instance_that_was_never_saved_is_told(database: Database) -> None:
    with pytest.raises(ParentMissing, match="This Job was never saved"), LOGS.mutating(Job()):
        pass
    with pytest.raises(ParentMissing), LOGS.mutating(404):
        pass
    with pytest.raises(Job.DoesNotExist), LOGS.locked(404):
        pass


@pytest.mark.parametrize("phase", EVERY)
def test_what_was_changed_before_the_block_is_not_lost_in_silence(phase: Phase) -> None:
    job = at(phase)
    job.logs["stdout"].clear()
    with pytest.raises(MutatedDocument, match="was changed before the block"), LOGS.mutating(job):
        pass
    assert job.logs["stdout"] == []


def test_what_was_read_anew_inside_of_the_block_is_not_lost_in_silence() -> None:
    job = at(Phase.DUAL_WRITE)

    def change_and_refresh() -> None:
        with LOGS.mutating(job) as document:
            document["stdout"].clear()
            job.refresh_from_db()

    with pytest.raises(MutatedDocument, match="was read anew inside the block"):
        change_and_refresh()
    assert len(shown(job)["stdout"]) == 3


def test_another_instance_in_the_block_is_guarded_as_ever() -> None:
    job = at(Phase.DUAL_WRITE)
    other = Job.objects.get(pk=job.pk)
    other.logs["stdout"].clear()
    with LOGS.mutating(job), pytest.raises(MutatedDocument):
        other.save()


def test_it_is_refused_where_rewriting_is(monkeypatch: pytest.MonkeyPatch) -> None:
    job = at(Phase.DUAL_WRITE)
    monkeypatch.setattr(JobLogs, "rewrites", False)
    with pytest.raises(DeclarationError, match="not yet backfilled"), LOGS.mutating(job):
        pass


@pytest.mark.parametrize("phase", [Phase.ADD_TABLE, Phase.DUAL_WRITE, Phase.PROPERTY_SHIM])
def test_writers_of_json_wait_for_the_end_of_the_block(phase: Phase, connect: Connect) -> None:
    job, watcher = at(phase), connect()
    pid = []

    def work() -> None:
        try:
            connection.ensure_connection()
            pid.append(connection.connection.info.backend_pid)
            append(job, 9, "waited")
        finally:
            connection.close()

    other = threading.Thread(target=work)
    with LOGS.mutating(job) as document:
        other.start()
        wait_until(lambda: pid and blocked_by(watcher, pid[0]))
        document["stdout"].insert(0, line(4, "four"))
    other.join(10)
    assert shown(job)["stdout"][:2] == [line(9, "waited"), line(4, "four")]


@pytest.mark.parametrize("phase", EVERY)
def test_nothing_that_others_append_is_lost_beside_blocks(phase: Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_held", OwnBeliefs())
    job = at(phase)
    errors: list[BaseException] = []

    def work(writer: int) -> None:
        try:
            for number in range(12):
                append(job, writer, f"w{writer} {number:02d}")
        except BaseException as error:  # noqa: BLE001 - told at the end
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(writer,)) for writer in (10, 11)]
    for thread in threads:
        thread.start()
    for number in range(6):
        with LOGS.mutating(job) as document:
            document["stdout"] = [line(5, f"block {number}"), *(t for t in document["stdout"] if "block" not in t)]
            document["stdout"] = [text.replace("two", f"two{number}") for text in document["stdout"]]
    for thread in threads:
        thread.join(20)
    assert errors == []
    found = shown(job)["stdout"]
    for writer in (10, 11):
        own = [text for text in found if f" w{writer} " in text]
        assert own == [line(writer, f"w{writer} {number:02d}") for number in reversed(range(12))]
    assert sum("block 5" in text for text in found) == 1
    assert len(found) == 24 + 1 + 3
