"""A connection of the handler's own: a line survives the caller's rollback, where that needs no lock of the caller's."""

import logging
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection, connections, transaction

from cutover.mapping import bind
from cutover.write.handler import aside, kept
from databases import Database
from handling import CONSTRAINT, handle, messages
from project.jobs.models import Job
from stages import at_phase
from waiting import backend_pid


class Broken(Exception):
    """The application's own trouble."""


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    aside._constrained.clear()


def log_and_roll_back(log: logging.Logger, job: Job) -> None:
    """Log in the middle of a transaction that has locked the parent, and roll it back."""
    with suppress(Broken), transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        log.info("in between")
        raise Broken


@pytest.mark.parametrize(("own", "left"), [(True, ["in between"]), (False, [])])
def test_line_survives_the_rollback_where_the_declaration_says_so(
    database: Database, log: logging.Logger, own: bool, left: list[str]
) -> None:
    at_phase("job_logs", 4)
    job = Job.objects.create()
    made = handle(log, job, own_connection=own)
    log_and_roll_back(log, job)
    assert (messages(), made.pending) == (left, 0)


def test_line_joins_the_transaction_while_json_is_written(database: Database, log: logging.Logger) -> None:
    """A second connection would wait for the lock of the first, and the first for the second."""
    at_phase("job_logs", 3)
    job = Job.objects.create()
    made = handle(log, job, own_connection=True)
    log_and_roll_back(log, job)
    assert (messages(), made.pending) == ([], 0)


def test_line_joins_the_transaction_where_the_rows_have_a_foreign_key(
    database: Database, log: logging.Logger, connect: Any
) -> None:
    at_phase("job_logs", 4)
    job = Job.objects.create()
    connect().execute(CONSTRAINT)
    made = handle(log, job, own_connection=True)
    log_and_roll_back(log, job)
    assert (messages(), made.pending) == ([], 0)


def test_foreign_key_that_came_after_the_question_ends_in_a_line_that_waits(
    database: Database, log: logging.Logger, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_phase("job_logs", 4)
    job = Job.objects.create()
    made = handle(log, job, own_connection=True)
    monkeypatch.setattr(aside, "constrained", lambda binding: False)
    monkeypatch.setattr(aside, "LOCK_TIMEOUT", "50ms")
    connect().execute(CONSTRAINT)
    log_and_roll_back(log, job)
    assert (messages(), made.pending) == ([], 1)
    made.flush()
    assert (messages(), made.pending) == (["in between"], 0)


def test_ledger_that_went_back_is_asked_on_the_own_connection(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 4)
    job = Job.objects.create()
    made = handle(log, job, own_connection=True)
    log.info("at 4")
    at_phase("job_logs", 3)
    log_and_roll_back(log, job)
    assert (messages(), made.pending) == (["at 4"], 0)


def test_line_of_a_parent_that_is_not_committed_is_written_after_the_commit(
    database: Database, log: logging.Logger
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, None, find="job", own_connection=True)
    with transaction.atomic():
        job = Job.objects.create()
        log.info("first", extra={"job": job})
        log.info("second", extra={"job": job})
        assert (messages(), made.pending) == ([], 2)
    assert (messages(), made.pending) == (["first", "second"], 0)


def test_line_of_a_parent_that_was_rolled_back_is_given_up_after_its_time(
    database: Database, log: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, None, find="job", own_connection=True, wait=30)
    with suppress(Broken), transaction.atomic():
        log.info("of a ghost", extra={"job": Job.objects.create()})
        raise Broken
    made.flush()
    assert (made.pending, made.dropped) == (1, 0)
    now = kept.time.monotonic()
    monkeypatch.setattr(kept.time, "monotonic", lambda: now + 31)
    made.flush()
    assert (made.pending, made.dropped, messages()) == (0, 1, [])
    assert "job_logs: a line is given up: jobs.Job" in caplog.text


def test_killed_own_connection_recovers_with_the_next_line(
    database: Database, log: logging.Logger, connect: Any
) -> None:
    at_phase("job_logs", 4)
    job = Job.objects.create()
    made = handle(log, job, own_connection=True)
    with transaction.atomic():
        log.info("before")
        own = connections[aside.register("default")].connection
        connect().execute("SELECT pg_terminate_backend(%s)", [backend_pid(own)])
        log.info("killed")
        assert Job.objects.filter(pk=job.pk).update(progress=1) == 1
    log.info("after")
    job.refresh_from_db()
    assert (messages(), made.pending, job.progress) == (["before", "killed", "after"], 0, 1)


def test_own_connection_is_one_of_djangos_and_wraps_no_request(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 4)
    handle(log, Job.objects.create(), own_connection=True)
    with transaction.atomic():
        log.info("x")
    name = aside.way(bind("job_logs")).alias
    assert connections[name] in connections.all(initialized_only=True)
    assert not connections.settings[name]["ATOMIC_REQUESTS"]
    assert connections[name].connection is not connection.connection
