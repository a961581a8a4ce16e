"""A log call while the caller's transaction has the parent's row locked: found where it happens, and said once per place."""

import logging
from typing import Any

import pytest
from django.db import transaction

from cutover.write.handler import aside, held
from databases import Database
from handling import CONSTRAINT, handle, messages
from project.jobs.models import Job
from stages import at_phase


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    held._places.clear()
    aside._constrained.clear()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == "cutover.handler"]


@pytest.mark.parametrize("no_key", [False, True])
@pytest.mark.parametrize("phase", [1, 2])
def test_place_is_named_once_with_its_line(
    database: Database, log: logging.Logger, caplog: pytest.LogCaptureFixture, phase: int, no_key: bool
) -> None:
    at_phase("job_logs", phase)
    job = Job.objects.create()
    handle(log, job)
    for _ in range(3):
        with transaction.atomic():
            Job.objects.select_for_update(no_key=no_key).get(pk=job.pk)
            line = log.findCaller()[1] + 1
            log.info("inside")
    assert warnings(caplog) == [
        f"{__file__}:{line} logs while its transaction has the row of jobs.Job {job.pk} locked: other writers wait for the "
        f"line too. Log after the transaction."
    ]


def test_line_is_written_all_the_same_and_the_transaction_stays(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 2)
    job = Job.objects.create()
    handle(log, job)
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        log.info("inside")
        Job.objects.filter(pk=job.pk).update(progress=7)
    job.refresh_from_db()
    assert (messages(), job.progress) == (["inside"], 7)


def without_a_transaction(log: logging.Logger, job: Job) -> None:
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
    log.info("after the lock")


def without_a_lock(log: logging.Logger, job: Job) -> None:
    with transaction.atomic():
        Job.objects.get(pk=job.pk)
        log.info("inside, without a lock")


def under_another_lock(log: logging.Logger, job: Job) -> None:
    other = Job.objects.create()
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=other.pk)
        log.info("another row is locked")


def after_the_rows_foreign_key_shared_it(log: logging.Logger, job: Job) -> None:
    with transaction.atomic(), held.connections["default"].cursor() as cursor:
        cursor.execute("CREATE TABLE child (job_id bigint REFERENCES jobs_job (id))")
        cursor.execute("INSERT INTO child VALUES (%s)", [job.pk])
        log.info("FOR KEY SHARE stops no writer")


@pytest.mark.parametrize(
    "work", [without_a_transaction, without_a_lock, under_another_lock, after_the_rows_foreign_key_shared_it]
)
def test_what_holds_no_lock_on_the_row_is_not_accused(
    database: Database, log: logging.Logger, caplog: pytest.LogCaptureFixture, work: Any
) -> None:
    at_phase("job_logs", 2)
    job = Job.objects.create()
    handle(log, job)
    work(log, job)
    assert warnings(caplog) == []
    assert len(messages()) == 1


@pytest.mark.parametrize(("tied", "told"), [(False, 0), (True, 1)])
def test_from_phase_4_on_only_a_foreign_key_makes_it_matter(
    database: Database, log: logging.Logger, caplog: pytest.LogCaptureFixture, connect: Any, tied: bool, told: int
) -> None:
    at_phase("job_logs", 4)
    job = Job.objects.create()
    handle(log, job)
    if tied:
        connect().execute(CONSTRAINT)
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        log.info("inside")
    assert len(warnings(caplog)) == told


def test_place_that_was_innocent_is_looked_at_again_later(
    database: Database, log: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_phase("job_logs", 2)
    job, other = Job.objects.create(), Job.objects.create()
    handle(log, job)
    monkeypatch.setattr(held, "AGAIN", 0.0)
    for locked in (other, job):
        with transaction.atomic():
            Job.objects.select_for_update().get(pk=locked.pk)
            log.info("inside")
    assert len(warnings(caplog)) == 1
