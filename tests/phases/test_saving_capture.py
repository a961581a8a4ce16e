"""`on_mutation = "capture"`: the difference that the application made is saved, and what others appended stays."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import models

from cutover import read
from cutover.errors import MutatedDocument
from cutover.mapping import bind
from cutover.phase import Phase
from cutover.write import append
from cutover.write.merging import merge
from databases import Database
from parents import line, rewrite, row, stored
from project.jobs.cutovers import JobLogs
from project.jobs.models import Job, JobLog
from project.shapes.cutovers import AccountTags, DeviceEvents, TicketHistory
from project.shapes.models import Account, Device, Ticket
from stages import at_phase

PHASES = [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP]
JSON_PHASES, ROW_PHASES = PHASES[:2], PHASES[2:]


@pytest.fixture
def job(database: Database, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job whose document and rows hold the same two lines."""
    for cutover in (JobLogs, DeviceEvents, AccountTags, TicketHistory):
        monkeypatch.setattr(cutover, "on_mutation", "capture")
        monkeypatch.setattr(cutover, "rewrites", True)
    made = Job.objects.create(logs={"stdout": [line(2, "two"), line(1, "one")], "stderr": [], "kept": 1})
    row(made, 1, "one", position=-2)
    row(made, 2, "two", position=-1)
    return Job.objects.get(pk=made.pk)


def shown(job: Job) -> Any:
    return read.read(bind("job_logs"), job.pk)


@pytest.mark.parametrize("phase", PHASES)
def test_an_insertion_is_saved(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    job.logs["stdout"].insert(0, line(3, "three"))
    job.name = "renamed"
    job.save()
    expected = [line(3, "three"), line(2, "two"), line(1, "one")]
    assert shown(job) == {"stdout": expected, "stderr": [], "kept": 1}
    assert JobLog.objects.count() == 3
    assert (stored(job)["stdout"] == expected) is phase.writes_json
    assert Job.objects.get(pk=job.pk).name == "renamed"


@pytest.mark.parametrize("phase", PHASES)
def test_what_others_appended_meanwhile_stays(job: Job, phase: Phase) -> None:
    binding = at_phase("job_logs", phase)
    job.logs["stdout"].insert(0, line(3, "mine"))
    append(binding, job.pk, {"level": "INFO", "message": "theirs", "created_at": "2025-03-01T12:04:00Z"})
    job.save(update_fields=["logs"])
    assert shown(job)["stdout"] == [line(3, "mine"), line(4, "theirs"), line(2, "two"), line(1, "one")]


@pytest.mark.parametrize("phase", PHASES)
def test_a_removal_is_saved_once(job: Job, phase: Phase) -> None:
    binding = at_phase("job_logs", phase)
    job.logs["stdout"].remove(line(1, "one"))
    job.logs["kept"] = 2
    job.save()
    assert shown(job) == {"stdout": [line(2, "two")], "stderr": [], "kept": 2}
    append(binding, job.pk, {"level": "INFO", "message": "one", "created_at": "2025-03-01T12:01:00Z"})
    job.save()
    assert shown(job)["stdout"] == [line(1, "one"), line(2, "two")]


@pytest.mark.parametrize("phase", PHASES)
def test_two_streams_that_show_one_row(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    job.logs["stdout"].insert(0, line(3, "bad", "ERROR"))
    job.logs["stderr"].insert(0, "bad")
    job.save()
    assert shown(job)["stderr"] == ["bad"]
    assert shown(job)["stdout"][0] == line(3, "bad", "ERROR")
    assert JobLog.objects.count() == 3


@pytest.mark.parametrize("phase", PHASES)
def test_a_document_that_replaces_all(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    Job.objects.update_or_create(pk=job.pk, defaults={"logs": {"stdout": [line(9, "only")]}})
    assert shown(job) == {"stdout": [line(9, "only")], "stderr": []}


@pytest.mark.parametrize("phase", PHASES)
def test_a_new_instance_over_an_old_one_replaces_its_document(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    Job(pk=job.pk, name="again", logs={"stderr": [], "stdout": [line(9, "only")]}).save()
    assert shown(job) == {"stdout": [line(9, "only")], "stderr": []}


@pytest.mark.parametrize("phase", PHASES)
def test_saving_twice_before_the_commit_saves_both(job: Job, phase: Phase) -> None:
    from django.db import transaction

    at_phase("job_logs", phase)
    with transaction.atomic():
        job.logs["stdout"].insert(0, line(3, "three"))
        job.save()
        job.logs["stdout"].insert(0, line(4, "four"))
        job.save()
    assert shown(job)["stdout"] == [line(4, "four"), line(3, "three"), line(2, "two"), line(1, "one")]


def test_an_expression_is_refused(job: Job) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    job.logs = models.Value({"stdout": []}, models.JSONField())
    with pytest.raises(MutatedDocument):
        job.save()


@pytest.mark.parametrize("phase", JSON_PHASES)
def test_other_shapes_while_json_is_written(job: Job, phase: Phase) -> None:
    for name in ("device_events", "account_tags", "ticket_history"):
        at_phase(name, phase)
    device = Device.objects.get(pk=Device.objects.create(events=[{"kind": "a", "x": 1}]).pk)
    account = Account.objects.get(pk=Account.objects.create(code="a", profile={"tags": {"k": ["1"]}}).pk)
    ticket = Ticket.objects.get(pk=Ticket.objects.create(history={"changes": {"items": [["a", 1]]}}).pk)
    device.events.append({"kind": "b"})
    account.profile["tags"]["l"] = ["2"]
    ticket.history["changes"]["items"][0] = ["b", 2]
    for each in (device, account, ticket):
        each.save()
    assert stored(device) == [{"kind": "a", "x": 1}, {"kind": "b"}]
    assert stored(account) == {"tags": {"k": ["1"], "l": ["2"]}}
    assert stored(ticket) == {"changes": {"items": [["b", 2]]}}


def test_a_stale_save_leaves_the_column_as_it_is(job: Job, connect: Callable[..., psycopg.Connection[Any]]) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    rewrite(connect(), job, {"stdout": ["x"]})
    job.save()
    assert stored(job) == {"stdout": ["x"]}


@pytest.mark.parametrize(
    ("wanted", "base", "now", "expected"),
    [
        ("ba", "a", "a", "ba"),
        ("ba", "a", "ca", "bca"),
        ("", "a", "ca", "c"),
        ("ba", "a", "aold", "baold"),
        ("a", "", "bc", "abc"),
        ("ba", "a", "ba", "ba"),
        ("cba", "a", "ba", "cba"),
        ("aa", "a", "a", "aa"),
    ],
)
def test_three_sides_of_a_list(wanted: str, base: str, now: str, expected: str) -> None:
    assert merge(now, base, wanted, own=[True] * len(now), distinct=False) == list(expected)
