"""Each entry becomes a row once, whatever happens to the flusher, to Redis and to the answer."""

import logging
import os
import random
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from redis import Redis

from buffering.test_flush import flushed, line, listed, messages
from cutover import flush
from cutover.buffer import outage, streams, writers
from cutover.demo.redisserver import RedisServer
from cutover.flush import batch, store
from cutover.flush.run import permit
from cutover.mapping import Binding
from cutover.models import BufferEntry, BufferShard
from cutover.write import LogHandler, Outcome, append
from databases import Database
from project.jobs.models import Job, JobLog
from stages import at_phase

STREAMS = [f"cutover:job_logs:{shard}" for shard in range(8)]


def killed_flusher(binding: Binding, seconds: float) -> None:
    """A flusher in a process of its own, killed after so long."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            connections["default"].connection = None  # the parent's; it is not ours to close
            permit(binding)
            os.write(tell, b"!")
            deque(flush.run(binding), maxlen=0)
        finally:
            os._exit(1)
    os.read(ready, 1)
    os.close(ready)
    os.close(tell)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.slow
@pytest.mark.parametrize("phase", [2, 4])
def test_flusher_killed_at_random_loses_and_doubles_nothing(
    database: Database, buffer: RedisServer, phase: int
) -> None:
    binding = at_phase("job_logs", phase)
    jobs = [Job.objects.create() for _ in range(4)]
    chance = random.Random(phase)  # noqa: S311 - the same in every run
    expected: dict[int, list[str]] = {job.pk: [] for job in jobs}
    append(binding, jobs[0], line("warm"))
    expected[jobs[0].pk].append("warm")
    flushed(binding)  # what a flusher composes once, its children need not
    started = time.monotonic()
    flushed(binding)
    longest = 5 * (time.monotonic() - started)  # of a round that has little to do
    for number in range(20):
        for more in range(50):
            job = chance.choice(jobs)
            expected[job.pk].append(f"{number}.{more}")
            append(binding, job, line(f"{number}.{more}"))
        there = JobLog.objects.count()
        killed_flusher(binding, chance.uniform(0.0, longest))
        if JobLog.objects.count() == there:
            longest *= 1.5  # it was killed before it had begun
    moved_before_the_end = JobLog.objects.count()
    flushed(binding)
    assert {job.pk: messages(job) for job in jobs} == expected
    assert phase > 2 or {job.pk: listed(job) for job in jobs} == {pk: each[-1000:] for pk, each in expected.items()}
    assert moved_before_the_end > 50  # it was killed at work, not before it


def stopped_at(monkeypatch: pytest.MonkeyPatch, where: Any, what: str) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, what, gone)


@pytest.mark.parametrize(
    ("where", "what", "rows"),
    [(store, "advance", 0), (store, "done", 0), (streams, "forget", 2), (batch.rows, "put", 0)],
    ids=lambda each: str(getattr(each, "__name__", each)),
)
def test_flusher_that_ends_on_a_line_has_done_all_or_nothing(
    database: Database, buffer: RedisServer, monkeypatch: pytest.MonkeyPatch, where: Any, what: str, rows: int
) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    append(binding, job, line("a"))
    append(binding, job, line("b"))
    with monkeypatch.context() as patched:
        stopped_at(patched, where, what)
        with pytest.raises(KeyboardInterrupt):
            flushed(binding)
    assert JobLog.objects.count() == len(listed(job)) == rows
    flushed(binding)
    assert messages(job) == listed(job) == ["a", "b"]


def test_two_flushers_are_kept_apart(
    database: Database, buffer: RedisServer, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    append(binding, job, line("a"))
    shard = streams.shard_of(str(job.pk))
    store.ensure(binding, shard)
    with connect(autocommit=False) as other:
        other.execute("SELECT FROM cutover_buffershard FOR UPDATE")
        assert batch.move(binding, shard) is None
        assert messages(job) == []
        other.rollback()
    flushed(binding)
    assert messages(job) == ["a"]


def test_entries_that_redis_brings_back_are_not_written_again(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    for number in range(10):
        append(binding, job, line(f"{number}"))
    with Redis.from_url(buffer.uri) as client:
        copies = {name: client.dump(name) for name in STREAMS if client.exists(name)}
        flushed(binding)
        for name, copy in copies.items():  # as a server that was restored from an older copy has them
            client.restore(name, 0, copy, replace=True)
    append(binding, job, line("10"))
    assert flushed(binding).entries == 1
    assert messages(job) == listed(job) == [f"{number}" for number in range(11)]


def test_ids_that_go_back_swallow_nothing(
    database: Database, buffer: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    append(binding, job, line("a"))
    flushed(binding)
    last = BufferShard.objects.exclude(flushed_id="").get().flushed_id
    with Redis.from_url(buffer.uri) as client:
        client.flushall()
        stream = streams.stream_name("job_logs", streams.shard_of(str(job.pk)))
        payload = '[{"level": "INFO", "message": "b", "created_at": null}]'
        client.xadd(stream, {"k": str(job.pk), "w": "other:1", "v": payload}, id="5-0")
    assert int(last.partition("-")[0]) > 5
    flushed(binding)
    assert messages(job) == ["a", "b"]


def test_redis_that_has_forgotten_is_told_with_what_was_lost(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    append(binding, job, line("a"))
    flushed(binding)
    append(binding, job, line("b"))
    append(binding, job, line("c"))
    with Redis.from_url(buffer.uri) as client:
        client.flushall()
    append(binding, job, line("d"))
    flushed(binding)
    assert messages(job) == ["a", "d"]
    found = flush.status(binding)
    assert found is not None
    assert (found.lost, found.forgotten) == (2, 1)


def test_entry_that_redis_takes_too_late_is_written_once(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    append(binding, job, line("a"))
    buffer.freeze()
    assert append(binding, job, line("b")) == Outcome(0, 0, 1)  # nobody answers: nobody knows
    assert append(binding, job, line("c")) == Outcome(1, 0, 0)  # known to be gone
    assert BufferEntry.objects.get().doubtful
    buffer.thaw()  # and now it reads what waits in its sockets
    flushed(binding)
    assert messages(job) == listed(job) == ["c", "a", "b"]


def test_entry_in_doubt_that_was_flushed_before_is_not_written_again(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    append(binding, job, line("a"))
    (writer,) = writers._resting
    flushed(binding)
    doubt(binding, job, writers.Doubtful("no answer", writer.name, 1))
    assert flushed(binding).entries == 0
    assert messages(job) == ["a"]
    assert not BufferEntry.objects.exists()


def test_entry_in_doubt_that_comes_after_it_was_written_is_passed_over(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    doubt(binding, job, writers.Doubtful("no answer", "w", 1))
    flushed(binding)
    assert messages(job) == ["b"]
    with Redis.from_url(buffer.uri) as client:
        stream = streams.stream_name("job_logs", streams.shard_of(str(job.pk)))
        client.xadd(stream, {"k": str(job.pk), "w": "w:1", "v": PAYLOAD})
    flushed(binding)
    assert messages(job) == ["b"]


def test_entry_in_doubt_that_waits_and_comes_as_well_is_written_once(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 4)
    job = Job(pk=77)
    doubt(binding, job, writers.Doubtful("no answer", "w", 1))
    flush_round(binding)  # no parent yet
    with Redis.from_url(buffer.uri) as client:
        stream = streams.stream_name("job_logs", streams.shard_of("77"))
        client.xadd(stream, {"k": "77", "w": "w:1", "v": PAYLOAD})
    flush_round(binding)
    job.save()
    flush_round(binding)
    flush_round(binding)
    assert messages(job) == ["b"]


@pytest.mark.parametrize("count", [500, 2])
def test_entry_in_doubt_comes_after_what_its_writer_had_put_in_before(
    database: Database, buffer: RedisServer, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    for message in ("1", "2"):
        append(binding, job, line(message))
    take = streams.take

    def taken(*args: Any, **kwargs: Any) -> Any:
        """The stream as it is; and then, before anything is written, its writer goes on and gets no answer."""
        found = take(*args, **kwargs)
        if not BufferEntry.objects.exists() and not messages(job):
            for message in ("3", "4", "5"):
                append(binding, job, line(message))
            doubt(binding, job, writers.Doubtful("no answer", "w", 1))
        return found

    monkeypatch.setattr(batch, "COUNT", count)
    monkeypatch.setattr(streams, "take", taken)
    flushed(binding)
    assert messages(job) == ["1", "2", "3", "4", "5", "b"]


def test_what_is_committed_is_counted_though_the_round_fails_behind_it(
    database: Database, buffer: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("job_logs", 4)
    jobs = [Job.objects.create() for _ in range(8)]
    for job in jobs:
        append(binding, job, line("a"))
    move, last = batch.move, max(streams.shard_of(str(job.pk)) for job in jobs)

    def gone(binding: Binding, shard: int, **kwargs: Any) -> Any:
        if shard == last:
            raise streams.RedisGone("It is gone.")
        return move(binding, shard, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(batch, "move", gone)
        step = next(iter(flush.run(binding)))
    assert step.waiting == "It is gone."
    assert step.entries == sum(len(messages(job)) for job in jobs) > 0


PAYLOAD = '[{"level": "INFO", "message": "b", "created_at": null}]'


def doubt(binding: Binding, job: Job, error: writers.Doubtful) -> None:
    from cutover.write import route

    route.keep(binding, str(job.pk), PAYLOAD, error)


def flush_round(binding: Binding) -> None:
    next(iter(flush.run(binding)))


def test_child_of_a_fork_is_another_writer(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    append(binding, job, line("parent"))
    pid = os.fork()
    if pid == 0:
        append(binding, job, line("child"))
        os._exit(0)
    os.waitpid(pid, 0)
    append(binding, job, line("parent again"))
    flushed(binding)
    assert messages(job) == ["parent", "child", "parent again"]


def test_outage_is_said_once(
    database: Database, buffer: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    append(binding, job, line("a"))
    buffer.kill()
    for number in range(5):
        assert append(binding, job, line(f"{number}")) == Outcome(1, 0, 0)
    assert [record.name for record in caplog.records] == ["cutover.buffer"]
    monkeypatch.setattr(outage, "RETRY_SECONDS", 0.0)
    buffer.start()
    assert append(binding, job, line("b")).buffered == 1
    assert len(caplog.records) == 2
    found = flush.status(binding)
    assert found is not None
    assert found.past >= 1


class LimitExceeded(Exception):
    """As Celery raises it from a signal."""


@pytest.mark.parametrize("taken", [True, False])
def test_append_that_a_signal_interrupts_is_written_once_when_it_is_tried_again(
    database: Database, buffer: RedisServer, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    append(binding, job, line("a"))
    (writer,) = writers._resting

    def limit(*_: Any, **__: Any) -> None:
        raise LimitExceeded

    with monkeypatch.context() as patched:
        patched.setattr(writer.connection, "read_response" if taken else "send_packed_command", limit)
        with pytest.raises(LimitExceeded):
            append(binding, job, line("b"))
    append(binding, job, line("b"))
    append(binding, job, line("c"))
    flushed(binding)
    flushed(binding)
    assert sorted(messages(job)) == sorted(listed(job)) == ["a", "b", "c"]


def test_full_redis_is_written_past_and_takes_again_what_fits(
    database: Database, buffer: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    with Redis.from_url(buffer.uri) as client:
        client.config_set("maxmemory", "1")
        assert append(binding, job, line("a")) == Outcome(1, 0, 0)
        client.config_set("maxmemory", "0")
        monkeypatch.setattr(outage, "RETRY_SECONDS", 0.0)
        assert append(binding, job, line("b")) == Outcome(0, 0, 1)
        client.config_set("maxmemory-policy", "allkeys-lru")
    found = flush.status(binding)
    assert found is not None
    assert (found.entries, found.past) == (1, 1)
    assert "maxmemory" in found.past_reason
    assert "allkeys-lru" in found.problem


def test_handler_puts_lines_into_the_buffer_inside_a_transaction(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    logger = logging.Logger("buffered")
    handler = LogHandler("job_logs", job)
    logger.addHandler(handler)
    logger.error("warm")
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        logger.error("inside")
        assert not [query for query in captured.captured_queries if "joblog" in query["sql"].lower()]
    flushed(binding)
    assert messages(job) == ["warm", "inside"]
    handler.close()
