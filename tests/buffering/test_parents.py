"""Entries whose parent is not there, is locked, or does not take them: nothing is lost, nothing stands in the way of others."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from django.db import connection, transaction

import cutover
from buffering.test_flush import flushed, line, listed, messages
from cutover import flush, tasks
from cutover.buffer import streams
from cutover.cli import main
from cutover.demo.redisserver import RedisServer
from cutover.mapping import Binding
from cutover.models import BufferEntry
from cutover.write import append
from databases import Database
from project.jobs.models import Job, JobLog
from stages import at_phase
from waiting import backend_pid, wait_until

LATER = 10_001
WAITING = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"


def round_of(binding: Binding) -> flush.Step:
    return next(iter(flush.run(binding)))


def command(*words: str) -> tuple[int, Any]:
    found = CliRunner().invoke(main.cutover, ["flush", "job_logs", "--json", *words])
    return found.exit_code, json.loads(found.stdout)


@pytest.mark.parametrize("phase", [2, 4])
def test_entry_waits_for_the_commit_of_its_parent(
    database: Database, buffer: RedisServer, connect: Callable[..., psycopg.Connection[Any]], phase: int
) -> None:
    binding = at_phase("job_logs", phase)
    with connect(autocommit=False) as other:
        other.execute("INSERT INTO jobs_job (id, name, progress, logs) VALUES (%s, '', 0, '{}')", [LATER])
        append(binding, LATER, line("a"))
        round_of(binding)
        append(binding, LATER, line("b"))
        assert round_of(binding).kept == 1
        other.commit()
    assert flushed(binding).entries == 2
    assert messages(Job(pk=LATER)) == ["a", "b"]


def test_parent_that_does_not_come_leaves_its_entries_to_be_decided_about(
    database: Database, buffer: RedisServer, settings: Any
) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    append(binding, LATER, line("a"))
    append(binding, job, line("other"))
    code, said = command("--once")
    assert (code, said["left_waiting"]) == (7, 1)
    assert messages(job) == ["other"]
    settings.CUTOVER_BUFFER_PATIENCE_SECONDS = 0.001
    code, said = command("--once")
    assert (code, said["left_dead"]) == (7, 1)
    (dead,) = command("--dead")[1]
    assert (dead["parent"], dead["reason"]) == (str(LATER), "Its parent is not there.")
    Job.objects.create(pk=LATER)
    assert command("--retry") == (0, {"changed": 1})
    assert command("--once")[0] == 0
    assert messages(Job(pk=LATER)) == ["a"]


@pytest.mark.parametrize("phase", [2, 4])
def test_line_that_the_table_refuses_is_found_and_the_others_are_written(
    database: Database, buffer: RedisServer, phase: int
) -> None:
    binding = at_phase("job_logs", phase)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_joblog ADD CHECK (message <> 'bad')")
    job, other = Job.objects.create(), Job.objects.create()
    for message in ("a", "b", "bad", "c", "d"):
        append(binding, job, line(message))
        append(binding, other, line(message * 2))
    step = flushed(binding)
    assert (step.entries, step.dead) == (9, 1)
    assert messages(job) == ["a", "b", "c", "d"]
    assert phase == 4 or listed(job) == ["a", "b", "c", "d"]
    assert "violates check constraint" in BufferEntry.objects.get().reason
    assert command("--discard", str(BufferEntry.objects.get().pk)) == (0, {"changed": 1})


def test_document_without_a_place_for_the_list_is_told_by_its_line(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create(logs={"stdout": "no list"})
    append(binding, job, line("a"))
    assert flushed(binding).dead == 1
    assert "has no place for a list" in BufferEntry.objects.get().reason
    assert not JobLog.objects.exists()


def test_locked_parent_is_not_waited_for_and_keeps_its_order(
    database: Database, buffer: RedisServer, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    binding = at_phase("job_logs", 2)
    job, other = Job.objects.create(), Job.objects.create()
    with connect(autocommit=False) as holder:
        holder.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [job.pk])
        append(binding, job, line("a"))
        append(binding, other, line("x"))
        round_of(binding)
        append(binding, job, line("b"))
        round_of(binding)
        assert (messages(job), messages(other)) == ([], ["x"])
        holder.rollback()
    flushed(binding)
    assert messages(job) == listed(job) == ["a", "b"]


@pytest.mark.parametrize("phase", [2, 4])
def test_parent_that_is_never_free_is_had_by_standing_in_the_queue(
    database: Database, buffer: RedisServer, connect: Callable[..., psycopg.Connection[Any]], phase: int
) -> None:
    binding = at_phase("job_logs", phase)
    if phase == 4:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE jobs_joblog ADD FOREIGN KEY (job_id) REFERENCES jobs_job (id)")
    job, other = Job.objects.create(), Job.objects.create()
    over, watcher = threading.Event(), connect()
    with connect(autocommit=False) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [job.pk])
        append(binding, job, line("a"))
        service = pool.submit(lambda: flush_until(binding, over))
        try:
            append(binding, other, line("x"))
            wait_until(lambda: watcher.execute(WAITING, [backend_pid(holder)]).fetchone(), 30, "it stands in the queue")
            holder.rollback()
            wait_until(lambda: messages(job) == ["a"], 30)
        finally:
            over.set()
        assert service.result().entries == 2
    assert messages(other) == ["x"]


def test_task_waits_for_a_locked_parent_as_well(
    database: Database, buffer: RedisServer, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    binding = at_phase("job_logs", 2)
    job, watcher = Job.objects.create(), connect()
    append(binding, job, line("a"))
    with connect(autocommit=False) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [job.pk])
        calls = [tasks.flush("job_logs")]  # from here on the line waits in PostgreSQL, and no stream has anything new
        over = threading.Event()

        def beat() -> None:
            while not over.is_set():
                calls.append(tasks.flush("job_logs"))
            connection.close()

        service = pool.submit(beat)
        try:
            wait_until(lambda: watcher.execute(WAITING, [backend_pid(holder)]).fetchone(), 30, "it stands in the queue")
            holder.rollback()
            wait_until(lambda: messages(job) == ["a"], 30)
        finally:
            over.set()
        service.result()
    assert sum(call["entries"] for call in calls) == 1


def test_wait_that_a_statement_timeout_ends_is_in_vain_and_the_other_streams_go_on(
    database: Database, buffer: RedisServer, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    binding = at_phase("job_logs", 2)
    jobs = [Job.objects.create() for _ in range(8)]
    assert len({streams.shard_of(str(job.pk)) for job in jobs}) > 3
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '200ms'")
    with connect(autocommit=False) as holder:
        holder.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [jobs[0].pk])
        append(binding, jobs[0], line("a"))
        rounds = flush.run(binding, overdue=0.0)
        next(rounds)
        for job in jobs[1:]:
            append(binding, job, line("b"))
        step = next(rounds)  # it waits for the locked one
        assert (step.waiting, step.entries) == ("", 7)
        holder.rollback()
    assert flushed(binding).entries == 1


def test_rewrite_leaves_the_lock_timeout_of_its_transaction_as_it_was(database: Database, buffer: RedisServer) -> None:
    at_phase("job_logs", 1)
    logs, job = cutover.use("job_logs"), Job.objects.create()
    logs.append(job, **line("a"))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '7s'")
        logs.clear(job)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("7s",)


def flush_until(binding: Binding, over: threading.Event) -> flush.Step:
    try:
        *_, last = flush.run(binding, stop=over.is_set)
        return last
    finally:
        connection.close()


def test_foreign_key_in_the_database_makes_no_flusher_wait_for_a_holder(
    database: Database, buffer: RedisServer, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    binding = at_phase("job_logs", 4)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_joblog ADD FOREIGN KEY (job_id) REFERENCES jobs_job (id)")
    job, other = Job.objects.create(), Job.objects.create()
    with connect(autocommit=False) as holder:
        holder.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [job.pk])
        for message in ("a", "b"):
            append(binding, job, line(message))
            append(binding, other, line(message))
        round_of(binding)
        assert (messages(job), messages(other)) == ([], ["a", "b"])
        holder.rollback()
    flushed(binding)
    assert messages(job) == ["a", "b"]


@pytest.mark.parametrize("phase", [2, 3, 4, 5])
def test_reader_can_ask_for_what_waits(database: Database, buffer: RedisServer, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    logs, job = cutover.use("job_logs"), Job.objects.create()
    logs.append(job, **line("a"))
    flushed(binding)
    for message in ("b", "a", "c"):  # the streams are distinct
        logs.append(job, **line(message, "ERROR" if message == "c" else "INFO"))
    before = logs.read(job.pk)
    seen = logs.read(job.pk, unflushed=True)
    assert [each.rpartition(" ")[2] for each in before["stdout"]] == ["a"]
    assert seen["stderr"] == ["c"]
    flushed(binding)
    assert logs.read(job.pk) == seen == logs.read(job.pk, unflushed=True)


@pytest.mark.parametrize("inside", [False, True])
def test_rewrite_comes_after_what_waits(database: Database, buffer: RedisServer, inside: bool) -> None:
    at_phase("job_logs", 1)
    logs, job = cutover.use("job_logs"), Job.objects.create()
    logs.append(job, **line("a"))
    if inside:
        with transaction.atomic():
            logs.clear(job)
            logs.append(job, **line("b"))
    else:
        logs.clear(job)
        logs.append(job, **line("b"))
    flushed(logs.binding)
    assert listed(job) == ["b"]
