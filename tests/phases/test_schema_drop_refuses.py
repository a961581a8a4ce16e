"""The drop refuses for every reason, with the whole message, and nothing is changed then."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection, models

import project.jobs.models
from cutover import db, fleet, ledger
from cutover.errors import Refused
from cutover.mapping import Binding, bind
from cutover.operations import ArchiveColumn, DropColumn
from cutover.phase import Phase
from cutover.schema import introspect, watch
from databases import Database
from migrating import documents, droppable, forwards
from project.jobs.models import Job, JobLog
from stages import at_phase

Connect = Callable[..., psycopg.Connection[Any]]


def loose(value: Any) -> Any:
    """The field takes a document; its stub knows text only."""
    return value


LOGS = models.JSONField(null=True, default=project.jobs.models.empty_logs)
ARCHIVE = ArchiveColumn("job_logs", model="jobs.Job", column="logs")
DROP = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=LOGS)
WAIVED = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=LOGS, archive="waived by Ada")

LINE = "[2026-01-02 03:04:{:02}] INFO line {}"
DOCUMENTS: list[Any] = [
    {"stdout": [LINE.format(n, n) for n in range(5)], "stderr": []},
    {"stdout": ["[2026-01-02 03:04:05] ERROR boom"], "stderr": ["boom", "alone 50%"]},
    {"stdout": []},
    {"stderr": None},
    {},
    None,
]


@pytest.fixture
def jobs(database: Database) -> list[Job]:
    made = [Job.objects.create(name=str(n), logs=logs) for n, logs in enumerate(DOCUMENTS)]
    db.run("default", "DELETE FROM cutover_process")
    return made


def column_exists() -> bool:
    return introspect.column_exists(bind("job_logs"))


def refusal(*operations: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as told:
        forwards(*operations)
    assert column_exists()
    assert watch.state(bind("job_logs")) == "current"
    return str(told.value), told.value.hint


def test_too_early_is_refused_with_the_phase(jobs: list[Job]) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    assert refusal(ARCHIVE) == (
        "jobs_job.logs stays as it is: job_logs is at DUAL_WRITE.",
        "move on with `cutover advance job_logs BACKFILL_AND_DROP`; then run the same again.",
    )
    assert refusal(DROP)[0] == (
        "jobs_job.logs stays as it is: job_logs is at DUAL_WRITE; the documents are not archived."
    )


def test_unsettled_move_is_refused(jobs: list[Job]) -> None:
    droppable("job_logs")
    db.run("default", "UPDATE cutover_ledger SET settled_at = NULL")
    assert refusal(WAIVED)[0] == ("jobs_job.logs stays as it is: the move to BACKFILL_AND_DROP is not settled.")


def test_backfill_that_never_ran_is_refused(jobs: list[Job]) -> None:
    at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    assert refusal(WAIVED) == (
        "jobs_job.logs stays as it is: the backfill of job_logs has not begun; no verification has been finished.",
        "run `cutover backfill job_logs`; run `cutover verify job_logs`; then run the same again.",
    )


def test_element_without_a_row_is_refused(jobs: list[Job]) -> None:
    droppable("job_logs")
    JobLog.objects.filter(message="line 3").delete()
    fact, hint = refusal(WAIVED)
    assert "stdout" in fact
    assert "run `cutover backfill job_logs`" in hint


def test_verification_from_before_the_end_of_json_writes_is_refused(jobs: list[Job]) -> None:
    droppable("job_logs")
    db.run("default", "UPDATE cutover_verification SET started_at = started_at - interval '1 hour'")
    assert refusal(WAIVED) == (
        "jobs_job.logs stays as it is: the last verification is older than the end of JSON writes.",
        "run `cutover verify job_logs`; then run the same again.",
    )


def test_verification_that_found_a_loss_is_refused(jobs: list[Job]) -> None:
    droppable("job_logs")
    db.run("default", """UPDATE cutover_verification SET found = '{"missing_in_table": 2}'""")
    assert refusal(WAIVED)[0] == "jobs_job.logs stays as it is: the last verification found missing_in_table."


def test_quarantine_is_refused_until_it_is_waived(database: Database) -> None:
    Job.objects.create(logs={"stdout": ["no time stamp"], "stderr": []})
    droppable("job_logs")
    db.run("default", "UPDATE cutover_verification SET found = '{}'")
    fact, hint = refusal(WAIVED)
    assert fact == "jobs_job.logs stays as it is: 1 elements are in quarantine."
    assert "waive them by name" in hint
    db.run("default", "UPDATE cutover_quarantine SET waived_by = 'Ada', waived_at = now()")
    forwards(WAIVED)
    assert not column_exists()


def test_foreign_write_after_the_verification_is_refused(jobs: list[Job], connect: Connect) -> None:
    droppable("job_logs")
    connect(application_name="old cron").execute(
        "INSERT INTO cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at, visited_at)"
        " VALUES ('job_logs', '1', 'UPDATE', 'old cron', 'app', 4, clock_timestamp(), clock_timestamp())"
    )
    fact, _ = refusal(WAIVED)
    assert fact.startswith("jobs_job.logs stays as it is: foreign writes came after the last verification, by old cron")


def test_foreign_write_that_was_not_visited_is_refused(jobs: list[Job], connect: Connect) -> None:
    droppable("job_logs")
    connect().execute(
        "INSERT INTO cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at)"
        " VALUES ('job_logs', '1', 'UPDATE', 'old cron', 'app', 4, clock_timestamp() - interval '1 hour')"
    )
    assert refusal(WAIVED)[0] == (
        "jobs_job.logs stays as it is: 1 foreign writes to job_logs wait for a visit of their parents."
    )


@pytest.mark.parametrize("waiver", ["", "waived by ", "waived", "yes"])
def test_missing_archive_is_refused_unless_somebody_waived_it_by_name(jobs: list[Job], waiver: str) -> None:
    droppable("job_logs")
    drop = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=LOGS, archive=waiver)
    assert refusal(drop) == (
        "jobs_job.logs stays as it is: the documents are not archived.",
        'put ArchiveColumn before it, or write archive="waived by NAME"; then run the same again.',
    )


def test_archive_of_an_earlier_epoch_counts_for_nothing_and_is_taken_anew(jobs: list[Job]) -> None:
    binding = droppable("job_logs")
    forwards(ARCHIVE)
    at_phase("job_logs", Phase.STOP_JSON_WRITES)
    at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    assert "the documents are not archived" in refusal(DROP)[0]
    connection.cursor().execute("""UPDATE jobs_job SET logs = '{}' WHERE logs = '{"stderr": null}'""")
    before = documents(binding)
    forwards(ARCHIVE)
    kept = db.rows("default", "SELECT key, document::text FROM cutover_archive_job_logs_v1 ORDER BY key")
    assert kept == before


def test_live_process_with_the_field_is_refused(jobs: list[Job]) -> None:
    binding = droppable("job_logs")
    flags = dict.fromkeys([phase for phase in Phase if phase], True)
    fleet.seen(binding.alias, "job_logs", flags, Phase.BACKFILL_AND_DROP, has_field=True)
    (process,) = fleet.live(binding.alias, "job_logs")
    assert refusal(WAIVED) == (
        f"jobs_job.logs stays as it is: 1 live processes still have the field in their model ({process}).",
        "deploy the release without the field, and wait until they are gone; then run the same again.",
    )
    fleet.seen(binding.alias, "job_logs", flags, Phase.BACKFILL_AND_DROP, has_field=False)
    forwards(WAIVED)
    assert not column_exists()


def test_residue_in_the_column_is_refused(database: Database) -> None:
    Job.objects.create(logs={"stdout": [], "host": "a"})
    droppable("job_logs")
    key = Job.objects.get().pk
    assert refusal(WAIVED) == (
        f"jobs_job.logs stays as it is: logs of {key} holds something that no stream claims.",
        "use StripClaimed('job_logs') instead, and keep the column; or remove it yourself; then run the same again.",
    )


def test_foreign_write_between_the_questions_and_the_lock_is_seen_under_the_lock(
    jobs: list[Job], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    droppable("job_logs")
    from cutover.operations import conditions

    asked = conditions.for_drop

    def and_then_somebody_writes(binding: Binding, waiver: str) -> Any:
        reasons = asked(binding, waiver)
        connect().execute(
            "INSERT INTO cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at)"
            " VALUES ('job_logs', '1', 'UPDATE', 'old cron', 'app', 4, clock_timestamp())"
        )
        return reasons

    monkeypatch.setattr(conditions, "for_drop", and_then_somebody_writes)
    assert refusal(WAIVED)[0] == "jobs_job.logs stays as it is: 1 foreign writes came in the meantime."


def test_move_between_the_questions_and_the_lock_is_seen_under_the_lock(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    droppable("job_logs")
    from cutover.operations import conditions

    asked = conditions.for_drop

    def and_then_somebody_goes_back(binding: Binding, waiver: str) -> Any:
        reasons = asked(binding, waiver)
        db.run("default", "UPDATE cutover_ledger SET phase = 4, epoch = epoch + 1")
        return reasons

    monkeypatch.setattr(conditions, "for_drop", and_then_somebody_goes_back)
    monkeypatch.setattr(ledger, "read", frozen(ledger.read("default", "job_logs")))
    assert refusal(WAIVED)[0] == "jobs_job.logs stays as it is: job_logs was moved in the meantime."


def frozen(entry: ledger.Entry) -> Callable[..., ledger.Entry]:
    return lambda *_: entry
