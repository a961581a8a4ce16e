"""What an append leaves in Redis, and what a flush makes of it, in every phase."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis import Redis

from cutover import flush
from cutover.buffer import entry, streams
from cutover.demo.redisserver import RedisServer
from cutover.errors import NotEncodable
from cutover.mapping import Binding
from cutover.models import BufferEntry
from cutover.write import Outcome, append, extend
from databases import Database
from project.jobs.models import Job, JobLog
from stages import at_phase

NOON = datetime(2026, 1, 2, 12, 0, 0, 5678, tzinfo=UTC)
EVERY = (0, 1, 2, 3, 4, 5)


def line(message: str, level: str = "INFO") -> dict[str, Any]:
    return {"level": level, "message": message, "created_at": NOON}


def flushed(binding: Binding) -> flush.Step:
    *_, last = flush.run(binding, once=True)
    return last


def messages(job: Job) -> list[str]:
    return list(JobLog.objects.filter(job=job).order_by("position").values_list("message", flat=True))


def listed(job: Job) -> list[str]:
    """The messages of the list in JSON, oldest first."""
    document: Any = Job.objects.filter(pk=job.pk).values_list("logs", flat=True).get()
    return [each.rpartition(" ")[2] for each in reversed(document["stdout"])]


def test_append_is_one_command_and_no_query(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    append(binding, job, line("warm"))
    with Redis.from_url(buffer.uri) as client, CaptureQueriesContext(connection) as captured:
        before = client.info("commandstats")
        assert append(binding, job, line("x")) == Outcome(0, 0, 1)
        after = client.info("commandstats")
    assert not captured.captured_queries
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert {name for name, number in calls.items() if number} == {"cmdstat_xadd", "cmdstat_info"}
    assert calls["cmdstat_xadd"] == 1


@pytest.mark.parametrize("phase", EVERY)
def test_flush_writes_what_the_phase_asks_in_order(database: Database, buffer: RedisServer, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    one, other = Job.objects.create(), Job.objects.create()
    for number in range(20):
        append(binding, one, line(f"a{number}"))
        append(binding, other, line(f"b{number}"))
    assert messages(one) == listed(one) == []
    assert flushed(binding).entries == 40
    for job, name in ((one, "a"), (other, "b")):
        expected = [f"{name}{number}" for number in range(20)]
        assert messages(job) == (expected if phase >= 2 else [])
        assert listed(job) == (expected if phase <= 3 else [])
    assert not streams.backlogs("job_logs")


def test_dual_write_is_one_statement_per_parent_and_batch(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 2)
    jobs = [Job.objects.create() for _ in range(3)]
    for number in range(30):
        append(binding, jobs[number % 3], line(f"{number}"))
    with CaptureQueriesContext(connection) as captured:
        flushed(binding)
    assert sum('UPDATE "jobs_job"' in query["sql"] for query in captured.captured_queries) == 3


def test_row_keeps_the_time_of_the_append(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    append(binding, job, line("x"))
    flushed(binding)
    assert JobLog.objects.get().created_at == NOON


def test_rows_of_one_call_stay_together(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    assert extend(binding, job, [line("a"), line("b"), line("c")]) == Outcome(0, 0, 3)
    assert flushed(binding).entries == 1
    assert messages(job) == ["a", "b", "c"]


def test_row_that_could_not_be_read_back_is_refused_at_once(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    with pytest.raises(NotEncodable):
        append(binding, job, line("x", level="A B"))
    with pytest.raises(NotEncodable):
        append(binding, job, line("\0"))
    assert not streams.backlogs("job_logs")


def test_flush_obeys_the_ledger_not_the_writer(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    append(binding, job, line("before"))
    at_phase("job_logs", 4)
    append(binding, job, line("after"))
    flushed(binding)
    assert (messages(job), listed(job)) == (["before", "after"], [])


VALUES: list[Any] = [
    None,
    True,
    5,
    10**30,
    1.5,
    "text",
    "ü\U0001f600",
    b"\x00\xff",
    NOON,
    NOON.date(),
    NOON.time(),
    NOON - NOON,
]
VALUES += [
    Decimal("1.10"),
    uuid.UUID(int=7),
    [1, "a"],
    {"a": {"b": [1.25, None]}},
    [NOON],
    float("inf"),
    Decimal("NaN"),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_out_of_an_entry_as_they_went_in(value: Any) -> None:
    (row,) = entry.load(entry.dump([{"field": value}]))
    assert repr(row["field"]) == repr(value) or row["field"] == value


def test_value_that_no_entry_carries_is_written_at_once(database: Database, buffer: RedisServer) -> None:
    with pytest.raises(entry.NotCarried):
        entry.dump([{"field": object()}])


def test_what_somebody_else_put_into_the_stream_is_told(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 4)
    with Redis.from_url(buffer.uri) as client:
        client.xadd("cutover:job_logs:0", {"other": "thing"})
    step = flushed(binding)
    assert (step.entries, step.dead) == (0, 1)
    assert BufferEntry.objects.get().reason == "No parent can have this key."
