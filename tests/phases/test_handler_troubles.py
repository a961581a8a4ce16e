"""What becomes of a line and of the application: forks, threads, a database that is away, a connection that breaks in between."""

import logging
import os
import threading
from collections import Counter
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from cutover.write import append
from cutover.write.handler import delivery, log_handler
from databases import Database
from handling import accept_lines, handle, messages, refuse_lines
from project.jobs.models import Job
from stages import at_phase


def in_child(work: Any) -> int:
    """Fork, do the work in the child and end it as a worker ends; its exit code."""
    pid = os.fork()
    if not pid:
        code = 1
        with suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_child_of_a_fork_writes_its_own_lines_on_a_connection_of_its_own(
    database: Database, log: logging.Logger, connect: Any
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())
    refuse_lines(connect())
    log.info("kept by the parent")
    accept_lines(connect())
    before = connection.connection

    def work() -> None:
        assert made.pending == 0
        log.info("of the child")
        assert connection.connection is not before
        made.close()

    assert in_child(work) == 0
    assert messages() == ["of the child"]
    log.info("of the parent")
    assert messages() == ["of the child", "kept by the parent", "of the parent"]


def test_fork_in_a_transaction_leaves_it_to_the_process_that_began_it(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 4)
    job = Job.objects.create()
    made = handle(log, job)

    def work() -> None:
        log.info("of the child")
        assert (made.pending, made.dropped) == (1, 0)

    with transaction.atomic():
        log.info("before")
        assert in_child(work) == 0
        log.info("after")
    assert (messages(), made.pending) == (["before", "after"], 0)


def test_lock_that_another_thread_holds_at_the_fork_does_not_stop_the_child(
    database: Database, log: logging.Logger
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with made._kept.lock:
            held.set()
            go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    try:
        assert in_child(lambda: log.info("of the child")) == 0
    finally:
        go.set()
        thread.join()
    assert messages() == ["of the child"]


def test_threads_share_a_handler_and_every_line_is_there_once(
    database: Database, log: logging.Logger, connect: Any
) -> None:
    at_phase("job_logs", 2)
    made = handle(log, Job.objects.create())
    start = threading.Barrier(5)

    def work(name: int) -> None:
        try:
            start.wait(10)
            for number in range(10):
                log.info("%s-%s", name, number)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    refuse_lines(connect())
    start.wait(10)
    accept_lines(connect())
    for thread in threads:
        thread.join()
    made.flush()
    assert Counter(messages()) == Counter(f"{name}-{number}" for name in range(4) for number in range(10))
    assert (made.pending, made.dropped) == (0, 0)


def test_line_whose_answer_was_lost_is_looked_up_before_it_is_written_again(
    database: Database, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())

    def break_after(*args: Any) -> None:
        append(*args)
        connection.connection.close()
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "append", break_after)
        log.info("answered to nobody")
    assert made.pending == 1
    log.info("next")
    assert (messages(), made.pending) == (["answered to nobody", "next"], 0)


def test_line_that_says_no_time_is_rather_written_twice_than_lost(
    database: Database, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create(), fields=lambda record: {"level": "I", "message": record.getMessage()})

    def break_before(*args: Any) -> None:
        connection.connection.close()
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "append", break_before)
        log.info("perhaps")
    made.flush()
    assert (messages(), made.pending) == (["perhaps"], 0)


def test_application_goes_on_while_the_server_cannot_be_reached(
    database: Database, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", "1")
        log.info("while it is away")
        assert made.pending == 1
    log.info("when it is back")
    assert (messages(), made.pending) == (["while it is away", "when it is back"], 0)


def test_database_that_fails_slowly_is_left_alone_for_as_long(
    database: Database, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())
    clock, tries = [100.0], list[str]()

    def time_out(binding: Any, line: Any, **_: Any) -> None:
        tries.append(line.fields["message"])
        clock[0] += 5
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(log_handler, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "deliver", time_out)
        for _ in range(10):
            log.info("slow")
        assert tries == ["slow"]
        clock[0] += 6
        log.info("again")
        assert tries == ["slow", "slow"]
    made.flush()
    assert (len(messages()), made.pending) == (11, 0)


def test_first_line_that_has_to_go_is_reported_and_so_is_what_is_left_at_the_end(
    database: Database, log: logging.Logger, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create(), keep=1)
    refuse_lines(connect())
    for _ in range(4):
        log.info("x")
    reports = [each.getMessage() for each in caplog.records if each.name == "cutover.handler"]
    assert len(reports) == 1
    assert reports[0].startswith(
        "job_logs: more than 1 lines wait to be written, the oldest are given up; the last error"
    )
    assert made.dropped == 3
    made.close()
    assert "job_logs: 1 lines were not written: full" in caplog.text
    assert (made.pending, made.dropped) == (0, 4)


def test_transaction_that_was_broken_before_is_not_mended_by_a_line(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 4)
    made = handle(log, Job.objects.create())
    with transaction.atomic():
        Job.objects.create(name="rolled back")
        transaction.set_rollback(True)
        log.info("in a broken transaction")
        assert made.pending == 1
        assert connection.needs_rollback
    made.flush()
    assert messages() == ["in a broken transaction"]
    assert not Job.objects.filter(name="rolled back").exists()
