"""A part of a list says what the attribute says, in every phase, and where one side is enough without reading the rest."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import cutover
from cutover import lease, ledger, read
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from cutover.read import lists, portion
from databases import Database
from parents import line, row
from project.jobs.models import Job, JobLog
from project.shapes.models import Account, Change, Device, Event, Tag, Ticket
from stages import at_phase

PHASES = [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP]
SLICES = [(a, b) for a in (None, 0, 1, 3, 9, -1, -3, -9) for b in (None, 0, 1, 4, 9, -1, -3, -9)]


def reach(name: str, phase: Phase | str) -> Binding:
    """A phase, or the last one with a complete backfill."""
    binding = at_phase(name, Phase.BACKFILL_AND_DROP if isinstance(phase, str) else phase)
    if isinstance(phase, str):
        ledger.set_backfilled("default", name, True)
        lease.forget()
    return binding


def each_phase(*names: str) -> Iterator[None]:
    """The cutovers at one phase after the other; no data changes."""
    for phase in [*PHASES, "complete"]:
        for name in names:
            reach(name, phase)
        yield


def job_with_lines() -> Job:
    """Lines of both sides, equal ones among them, and an error that was logged twice."""
    document = {"stdout": [line(n, f"m{n}") for n in (4, 3, 2, 1)], "stderr": ["boom", "first"], "kept": 1}
    job = Job.objects.create(logs=document)
    said = [(1, "first", "ERROR"), (2, "m2", "INFO"), (3, "m3", "INFO"), (4, "boom", "ERROR"), (3, "m3", "INFO")]
    for place, (minute, message, level) in enumerate(said):
        row(job, minute, message, level, position=2 * place + 1)
    row(job, 6, "boom", "ERROR", position=40)
    return job


def said(answer: Any, values: list[Any]) -> None:
    """The view answers every question as the list does."""
    assert len(answer) == len(values)
    assert bool(answer) == bool(values)
    assert list(answer) == values
    assert list(reversed(answer)) == values[::-1]
    assert answer == values
    assert [answer[a:b] for a, b in SLICES] == [values[a:b] for a, b in SLICES]
    assert answer[::-2] == values[::-2]
    for number in range(-len(values), len(values)):
        assert answer[number] == values[number]
        assert values[number] in answer
    for outside in (len(values), -len(values) - 1):
        with pytest.raises(IndexError):
            answer[outside]
    assert [answer.newest(n) for n in (0, 2)] == [[], values[:2] if answer.stream.newest_first else values[-2:]]


def test_lists_with_a_cap_and_distinct_ones(database: Database) -> None:
    job = job_with_lines()
    found = cutover.use("job_logs").lists(job)
    for _ in each_phase("job_logs"):
        shown = Job.objects.get(pk=job.pk).logs
        said(found.stdout, shown["stdout"])
        said(found["stderr"], shown["stderr"])


def test_a_list_at_the_root_and_one_in_a_text_column(database: Database) -> None:
    device = Device.objects.create(events=[{"kind": "a", "x": 1.5}, {"kind": "b", "count": 1}])
    for number, kind in enumerate("bcd"):
        Event.objects.create(device=device, kind=kind, count=number + 1, extra={"y": 1.10}, position=2 * number + 1)
    ticket = Ticket.objects.create(history={"changes": {"items": [["a", 1], ["b", None]]}})
    Change.objects.create(ticket=ticket, field="b", amount=None, position=1)
    Change.objects.create(ticket=ticket, field="c", amount=3, position=2)
    for _ in each_phase("device_events", "ticket_history"):
        said(cutover.use("device_events").lists(device).events, Device.objects.get(pk=device.pk).events)
        items = Ticket.objects.get(pk=ticket.pk).history["changes"]["items"]
        said(cutover.use("ticket_history").lists(ticket.pk)["items"], items)


def test_lists_under_a_key(database: Database) -> None:
    account = Account.objects.create(code="x", profile={"tags": {"old": ["1", "2"]}})
    for number, (kind, value) in enumerate([("old", "2"), ("new", "3"), ("new", "4")]):
        Tag.objects.create(account=account, kind=kind, value=value, position=2 * number + 1)
    found = cutover.use("account_tags").lists(account).tags
    for _ in each_phase("account_tags"):
        shown = Account.objects.get(pk="x").profile["tags"]
        assert sorted(found) == sorted(shown)
        for key in shown:
            said(found[key], shown[key])
        said(found["none"], [])


def test_what_is_no_list_is_empty(database: Database) -> None:
    jobs = [Job.objects.create(logs=each) for each in (None, {}, {"stdout": None}, {"stdout": "text"}, [1])]
    for _ in each_phase("job_logs"):
        for job in (*jobs, 0):
            said(cutover.use("job_logs").lists(job).stdout, [])


@pytest.fixture
def long(database: Database) -> tuple[Binding, Job]:
    """Far more rows than show, some of them equal; after the backfill."""
    job = Job.objects.create()
    said = [JobLog(job=job, level="ERROR", message=f"m{n // 2}", position=2 * n) for n in range(1, 4001)]
    JobLog.objects.bulk_create(said)
    JobLog.objects.update(created_at="2025-03-01T12:00:00Z")
    return reach("job_logs", "complete"), job


def test_parts_of_a_long_list_are_those_of_the_attribute(long: tuple[Binding, Job]) -> None:
    binding, job = long
    shown = read.read(binding, job.pk)
    found = cutover.use("job_logs").lists(job)
    for name in ("stdout", "stderr"):
        assert len(found[name]) == len(shown[name])
        for part in (slice(0, 3), slice(500, 510), slice(990, 1010), slice(-5, None), slice(-1, -3), slice(2, -2)):
            assert found[name][part] == shown[name][part]
        assert (found[name][0], found[name][-1]) == (shown[name][0], shown[name][-1])


def brought(work: Any) -> int:
    """How many rows the queries over the child brought."""
    number = 0

    def count(run: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal number
        done = run(statement, params, many, context)
        number += context["cursor"].rowcount if "jobs_joblog" in statement else 0
        return done

    with connection.execute_wrapper(count):
        work()
    return number


def test_only_what_is_asked_for_is_brought(long: tuple[Binding, Job]) -> None:
    found = cutover.use("job_logs").lists(long[1])
    assert brought(lambda: (len(found.stdout), len(found.stderr))) <= 3
    assert brought(lambda: (found.stdout[0], found.stderr[0], bool(found.stdout))) <= 9
    assert brought(lambda: found.stdout[:20]) <= 200
    assert brought(lambda: found.stderr[1000:1010]) == 10


def test_json_brings_the_part_alone(database: Database) -> None:
    job = Job.objects.create(logs={"stdout": [line(n, "x") for n in range(500)]})
    reach("job_logs", Phase.DUAL_WRITE)
    found = cutover.use("job_logs").lists(job).stdout
    with CaptureQueriesContext(connection) as captured:
        assert (len(found), found[3:5], found[-1]) == (500, [line(3, "x"), line(4, "x")], line(499, "x"))
    assert len([each for each in captured if "jobs_job" in each["sql"]]) == 3


def test_an_endless_list_is_walked_in_batches(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written meanwhile lies ahead, or is not seen; nothing comes twice."""
    device = Device.objects.create(events=[])
    for number in range(7):
        Event.objects.create(device=device, kind=str(number), position=number // 2)
    reach("device_events", "complete")
    monkeypatch.setattr(portion, "BATCH", 3)
    walk: Iterator[Any] = iter(cutover.use("device_events").lists(device).events)
    first = [next(walk)["kind"] for _ in range(4)]
    Event.objects.create(device=device, kind="late", position=9)
    assert first + [each["kind"] for each in walk] == ["0", "1", "2", "3", "4", "5", "6", "late"]


def test_a_row_that_can_be_no_element_is_named(database: Database) -> None:
    job = job_with_lines()
    reach("job_logs", "complete")
    broken = JobLog.objects.latest("position")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_joblog SET created_at = 'infinity' WHERE id = %s", [broken.pk])
    with pytest.raises(ValueError, match=f"Row {broken.pk} can be no element of stdout"):
        cutover.use("job_logs").lists(job).stdout[0]


def test_a_list_that_is_not_declared_is_no_attribute(database: Database) -> None:
    found = lists.Lists(bind("job_logs"), 1)
    assert not hasattr(found, "nothing")
    with pytest.raises(KeyError):
        found["nothing"]
    assert repr(found.stdout) == "<stdout of Job 1>"
