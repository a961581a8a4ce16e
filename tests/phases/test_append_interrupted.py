"""A soft time limit in the middle of an append: it passes through, the connection is at rest, a line is written once."""

import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from cutover import use
from cutover.write import LogHandler
from cutover.write.handler.kept import Line
from databases import Database
from project.jobs.models import Job, JobLog
from stages import at_phase

MOMENTS = 200
TRIAL = 20


class SoftTimeLimitExceeded(Exception):
    """What a task queue raises from a signal, inside whatever runs."""


class Limit:
    """SIGALRM raises in the main thread, once, at a random moment after `armed`."""

    def __init__(self) -> None:
        self.random = random.Random(7)  # noqa: S311 - moments, no secrets
        self.on = False
        self.struck = 0

    def strike(self, *args: object) -> None:
        if self.on:
            self.on = False
            self.struck += 1
            raise SoftTimeLimitExceeded

    @contextmanager
    def armed(self, longest: float) -> Iterator[None]:
        self.on = True
        signal.setitimer(signal.ITIMER_REAL, self.random.uniform(0.00005, longest))
        try:
            yield
        finally:
            self.on = False


@pytest.fixture
def limit() -> Iterator[Limit]:
    made = Limit()
    before = signal.signal(signal.SIGALRM, made.strike)
    yield made
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@contextmanager
def holder(connect: Callable[..., psycopg.Connection[Any]]) -> Iterator[None]:
    """Somebody holds the row of the job: mostly, and lets others in between."""
    stop, other = threading.Event(), connect(autocommit=False)

    def hold() -> None:
        while not stop.is_set():
            other.execute("SELECT FROM jobs_job FOR UPDATE")
            stop.wait(0.003)
            other.rollback()
            stop.wait(0.001)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield repr(error)
        error = error.__cause__ or error.__context__


def written(job: Job, phase: int) -> dict[str, int]:
    """How often each message is there, in the rows and, while that is written, in the list."""
    found: dict[str, int] = {}
    for message in JobLog.objects.values_list("message", flat=True):
        found[message] = found.get(message, 0) + 1
    if phase < 4:
        job.refresh_from_db()
        assert sorted(line.rpartition(" ")[2] for line in job.logs["stdout"]) == sorted(found)
    return found


def check_connection(job: Job) -> None:
    """What every application does next."""
    assert Job.objects.filter(pk=job.pk).update(progress=1) == 1
    assert not connection.in_atomic_block
    assert connection.get_autocommit()


Append = Callable[[str], None]


def interrupt(
    job: Job, limit: Limit, connect: Any, append: Append, undone: Callable[[str], None] = lambda _: None
) -> set[str]:
    """Append at 200 random moments, every other time inside `atomic`, the second half under a holder; what went undisturbed.

    `undone` is told whose transaction was rolled back.
    """
    errors, sure = list[BaseException](), set[str]()
    longest = usual_time(append)
    with ExitStack() as stack:
        for number in range(MOMENTS):
            if number == MOMENTS // 2:
                stack.enter_context(holder(connect))
            struck, message = limit.struck, f"line-{number}"
            try:
                with transaction.atomic() if number % 2 else nullcontext(), limit.armed(longest):
                    append(message)
                check_connection(job)
            except SoftTimeLimitExceeded:
                if number % 2:
                    undone(message)
                check_connection(job)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test names it
                errors.append(error)
            sure |= {message} if limit.struck == struck else set()
    assert limit.struck > MOMENTS / 10
    told = [each for error in errors for each in chain(error)]
    assert not [each for each in told if "another command is already in progress" in each]
    assert not told
    return sure


def usual_time(append: Append) -> float:
    started = time.monotonic()
    for number in range(TRIAL):
        append(f"trial-{number}")
    return 1.2 * (time.monotonic() - started) / TRIAL


@pytest.mark.parametrize("phase", [2, 4])
def test_handler_writes_each_line_once_and_the_next_query_works(
    database: Database, connect: Any, limit: Limit, caplog: pytest.LogCaptureFixture, phase: int
) -> None:
    at_phase("job_logs", phase)
    job = Job.objects.create()
    handler, taken, rolled_back = LogHandler("job_logs", job), dict[str, Line](), set[str]()
    put = handler._kept.put

    def noted(line: Line) -> None:
        put(line)
        taken[line.fields["message"]] = line

    def append(message: str) -> None:
        handler.handle(logging.makeLogRecord({"name": "app", "msg": message, "levelname": "INFO"}))

    def undone(message: str) -> None:  # where the line had been written already, it goes with the caller's transaction
        rolled_back.update({message} if message in taken and taken[message].done else ())

    handler._kept.put = noted  # type: ignore[method-assign]
    sure = interrupt(job, limit, connect, append, undone)
    handler.flush()
    found = written(job, phase)
    assert (handler.pending, handler.dropped, set(found.values())) == (0, 0, {1})
    assert sure <= set(found)
    assert set(taken) - rolled_back <= set(found)
    assert len(rolled_back) < limit.struck / 2
    assert "already in progress" not in caplog.text


@pytest.mark.parametrize("phase", [2, 4])
def test_plain_append_is_whole_or_nothing_and_the_next_query_works(
    database: Database, connect: Any, limit: Limit, caplog: pytest.LogCaptureFixture, phase: int
) -> None:
    at_phase("job_logs", phase)
    job = Job.objects.create()

    def append(message: str) -> None:
        use("job_logs").append(job.pk, level="INFO", message=message, created_at=timezone.now())

    sure = interrupt(job, limit, connect, append)
    found = written(job, phase)
    assert set(found.values()) == {1}
    assert sure <= set(found)
    assert "already in progress" not in caplog.text
