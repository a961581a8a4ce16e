"""The logging handler: what it writes, what it swallows, what it lets through, and what it keeps."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from cutover import lease
from cutover.write import LogHandler
from cutover.write.handler import delivery
from databases import Database
from handling import accept_lines, handle, messages, refuse_lines
from project.jobs.models import Job, JobLog
from stages import at_phase
from waiting import backend_pid, blocked_by, wait_until


class SoftTimeLimitExceeded(Exception):
    """What a task queue raises from a signal, inside whatever runs."""


def test_record_becomes_a_row_and_a_line(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 2)
    job = Job.objects.create()
    made = handle(log, job)
    made.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    log.error("broke %s", "here")
    row = JobLog.objects.get()
    assert (row.level, row.message) == ("ERROR", "application.job: broke here")
    assert row.created_at is not None
    job.refresh_from_db()
    assert job.logs["stderr"] == ["application.job: broke here"]
    assert (made.pending, made.dropped, made.last_error) == (0, 0, None)


def test_fields_are_the_callers_to_choose(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 4)
    handle(log, Job.objects.create(), fields=lambda record: {"level": "X", "message": record.name})
    log.info("whatever")
    assert JobLog.objects.values_list("level", "message").get() == ("X", "application.job")


def test_text_that_the_database_cannot_store_is_replaced(database: Database) -> None:
    at_phase("job_logs", 2)
    made = LogHandler("job_logs", Job.objects.create())
    # Not through a logger: pytest would keep the text, and pytest-xdist cannot send it.
    made.handle(logging.makeLogRecord({"name": "application", "msg": "a\0b\ud800c", "levelname": "INFO"}))
    assert messages() == ["a\ufffdb?c"]


def test_what_writing_itself_logs_is_not_written(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())

    def fields(record: logging.LogRecord) -> dict[str, Any]:
        log.warning("from inside")
        return {"level": record.levelname, "message": record.getMessage()}

    made.fields = fields
    log.info("outside")
    assert messages() == ["outside"]


@pytest.mark.parametrize("name", ["cutover.write", "django.db.backends"])
def test_loggers_that_a_write_uses_are_ignored(database: Database, name: str) -> None:
    at_phase("job_logs", 4)
    made = LogHandler("job_logs", Job.objects.create())
    made.handle(logging.makeLogRecord({"name": name, "msg": "x", "levelname": "INFO"}))
    assert messages() == []
    assert made.pending == 0


@pytest.mark.parametrize("phase", [2, 4])
def test_error_of_the_database_is_kept_for_the_next_record(
    database: Database, log: logging.Logger, connect: Any, phase: int
) -> None:
    at_phase("job_logs", phase)
    made = handle(log, Job.objects.create())
    refuse_lines(connect())
    log.info("first")
    log.info("second")
    assert (made.pending, made.dropped) == (2, 0)
    assert "full" in str(made.last_error)
    accept_lines(connect())
    log.info("third")
    assert messages() == ["first", "second", "third"]
    assert made.pending == 0


def test_lines_beyond_the_bound_are_dropped_and_counted(database: Database, log: logging.Logger, connect: Any) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create(), keep=2)
    refuse_lines(connect())
    for number in range(5):
        log.info("line %s", number)
    assert (made.pending, made.dropped) == (2, 3)
    accept_lines(connect())
    made.close()
    assert messages() == ["line 3", "line 4"]


def test_line_that_can_never_be_written_is_dropped_counted_and_reported(
    database: Database, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    at_phase("job_logs", 2)
    made = handle(log, Job.objects.create())
    log.log(25, "level 25 has the name 'Level 25'")
    made.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    log.info("next")
    assert messages() == ["next"]
    assert (made.pending, made.dropped) == (0, 2)
    assert "NotEncodable" in capsys.readouterr().err


def test_parent_that_is_not_committed_yet_is_waited_for(database: Database, log: logging.Logger, connect: Any) -> None:
    at_phase("job_logs", 4)
    made = handle(log, 77)
    other = connect(autocommit=False)
    other.execute("INSERT INTO jobs_job (id, name, progress) VALUES (77, '', 0)")
    log.info("early")
    assert (messages(), made.pending) == ([], 1)
    other.commit()
    made.flush()
    assert messages() == ["early"]


def test_callers_transaction_survives_a_line_that_failed(database: Database, log: logging.Logger, connect: Any) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())
    refuse_lines(connect())
    with transaction.atomic():
        Job.objects.create(name="kept")
        log.info("fails")
        assert Job.objects.filter(name="kept").exists()
        accept_lines(connect_after_insert(connect))
        log.info("works")
    assert Job.objects.filter(name="kept").exists()
    assert messages() == ["works", "fails"]
    assert made.pending == 0


def connect_after_insert(connect: Any) -> psycopg.Connection[Any]:
    """A connection that waits for no table lock: the failed insert's savepoint has released its own."""
    made: psycopg.Connection[Any] = connect()
    made.execute("SET lock_timeout = '5s'")
    return made


def test_kept_lines_are_not_written_in_a_transaction_that_may_roll_back(
    database: Database, log: logging.Logger, connect: Any
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())
    refuse_lines(connect())
    log.info("kept")
    accept_lines(connect())
    with transaction.atomic():
        log.info("rolled back")
        transaction.set_rollback(True)
    assert (messages(), made.pending) == ([], 1)
    made.flush()
    assert messages() == ["kept"]


def test_killed_connection_recovers_with_the_next_record(database: Database, log: logging.Logger, connect: Any) -> None:
    at_phase("job_logs", 4)
    job = Job.objects.create()
    made = handle(log, job)
    log.info("before")
    other = connect()
    other.execute("SELECT pg_terminate_backend(%s)", [backend_pid(connection.connection)])
    log.info("killed")
    assert (made.pending, made.dropped) == (1, 0)
    assert Job.objects.get().pk == job.pk
    log.info("after")
    assert messages() == ["before", "killed", "after"]


def test_exception_that_a_signal_raises_passes_through_and_the_line_is_kept(
    database: Database, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())

    def limit(*args: object) -> None:
        raise SoftTimeLimitExceeded

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "append", limit)
        with pytest.raises(SoftTimeLimitExceeded):
            log.info("interrupted")
    assert made.pending == 1
    made.flush()
    assert messages() == ["interrupted"]


@pytest.fixture
def soft_time_limit() -> Iterator[None]:
    """SIGUSR2 raises, as the signal of a task queue does."""

    def limit(*args: object) -> None:
        raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGUSR2, limit)
    yield
    signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize("inside", [False, True])
def test_connection_left_in_the_middle_of_a_command_is_closed_first(
    database: Database, log: logging.Logger, connect: Any, soft_time_limit: None, inside: bool
) -> None:
    """The exception comes while the statement waits for the parent's lock; the next query must find a connection that works."""
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    made = handle(log, job)
    lease.current(binding)
    holder = connect(autocommit=False)
    holder.execute("SELECT FROM jobs_job FOR UPDATE")
    pid = backend_pid(connection.connection)
    asks = connect()

    def interrupt() -> None:
        wait_until(lambda: blocked_by(asks, pid), why="the append waits for the lock")
        os.kill(os.getpid(), signal.SIGUSR2)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(SoftTimeLimitExceeded), transaction.atomic() if inside else nullcontext():
        log.info("interrupted")
    thread.join()
    wait_until(lambda: not blocked_by(asks, pid), why="the server has given the command up")
    holder.rollback()
    assert Job.objects.count() == 1
    assert (messages(), made.pending) == ([], 1)
    made.flush()
    assert messages() == ["interrupted"]


def test_thread_that_waits_for_the_row_does_not_keep_out_the_thread_that_has_it(
    database: Database, log: logging.Logger, connect: Any
) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    handle(log, job)
    lease.current(binding)
    asks, pid = connect(), threading.Event()
    waiting: list[int] = []

    def other() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                waiting.append(cursor.fetchone()[0])
            pid.set()
            log.info("from the other")
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        thread.start()
        pid.wait(10)
        wait_until(lambda: blocked_by(asks, waiting[0]), why="the other thread waits for the row")
        log.info("from the owner")
    thread.join()
    assert messages() == ["from the owner", "from the other"]
