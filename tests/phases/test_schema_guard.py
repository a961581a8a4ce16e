"""The drop as `sqlmigrate` prints it: piped into psql it asks the ledger, and refuses by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, models

import operationcases
import project.jobs.models
from cutover import db, fleet, ledger
from cutover.demo.server import Server
from cutover.mapping import bind
from cutover.operations import ArchiveColumn, DropColumn
from cutover.phase import Phase
from cutover.schema import introspect, watch
from databases import Database
from migrating import backwards, documents, droppable, forwards
from project.jobs.models import Job
from stages import at_phase

Connect = Callable[..., psycopg.Connection[Any]]

LOGS = models.JSONField(null=True, default=project.jobs.models.empty_logs)
ARCHIVE = ArchiveColumn("job_logs", model="jobs.Job", column="logs")
DROP = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=LOGS)
LINE = "[2026-01-02 03:04:05] INFO line"


def printed(drop: DropColumn = DROP) -> str:
    """What `sqlmigrate` prints for it."""
    before, after = operationcases.states(operationcases.Case(drop, operationcases.nothing))
    with connection.schema_editor(collect_sql=True) as editor:
        drop.database_forwards("jobs", editor, before, after)
    return "\n".join(editor.collected_sql)


def refusal(connect: Connect) -> str:
    """The statement, run as psql runs it; its error, and the column is as it was."""
    with pytest.raises(psycopg.errors.RestrictViolation) as told:
        connect().execute(printed())
    assert introspect.column_exists(bind("job_logs"))
    assert watch.state(bind("job_logs")) == "current"
    return str(told.value.diag.message_primary)


@pytest.fixture
def jobs(database: Database) -> None:
    Job.objects.create(logs={"stdout": [LINE], "stderr": []})
    db.run("default", "DELETE FROM cutover_process")


def test_printed_drop_refuses_in_psql_and_drops_once_it_may(
    jobs: None, server: Server, database: Database, tmp_path: Path
) -> None:
    script = tmp_path / "drop.sql"
    script.write_text(printed())
    at_phase("job_logs", Phase.DUAL_WRITE)
    server.run("psql", "-q", "-f", str(script), database.name)  # psql goes on after an error, and nothing happens
    assert introspect.column_exists(bind("job_logs"))
    binding = droppable("job_logs")
    before = documents(binding)
    forwards(ARCHIVE)
    server.run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script), database.name)
    assert not introspect.column_exists(binding)
    assert ledger.read("default", "job_logs").dropped_at is not None
    server.run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script), database.name)
    backwards(DROP)
    assert documents(binding) == before


def test_printed_drop_names_every_reason(jobs: None, connect: Connect) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    assert refusal(connect) == "jobs_job.logs stays as it is: job_logs is at DUAL_WRITE."
    at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    assert refusal(connect) == (
        "jobs_job.logs stays as it is: the backfill is not complete; no verification has been finished since the end of JSON "
        "writes; the documents are not archived."
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE cutover_ledger SET settled_at = NULL", "the last move is not settled"),
        ("UPDATE cutover_ledger SET backfilled_at = NULL", "the backfill is not complete"),
        (
            "INSERT INTO cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at)"
            " VALUES ('job_logs', '1', 'UPDATE', 'cron', 'app', 4, now() - interval '1 hour')",
            "foreign writes wait for a visit of their parents",
        ),
        (
            "INSERT INTO cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at, visited_at)"
            " VALUES ('job_logs', '1', 'UPDATE', 'cron', 'app', 4, clock_timestamp(), clock_timestamp())",
            "foreign writes came after the last verification",
        ),
        ("""UPDATE cutover_verification SET found = '{"orphan": 2}'""", "the last verification found a loss"),
        (
            "UPDATE cutover_verification SET started_at = started_at - interval '1 hour'",
            "no verification has been finished since the end of JSON writes",
        ),
        ("COMMENT ON TABLE cutover_archive_job_logs_manifest_v1 IS NULL", "the documents are not archived"),
        ("DELETE FROM cutover_archive_job_logs_v1", "the archive is damaged"),
        (
            """UPDATE jobs_job SET logs = logs || '{"host": "a"}'""",
            "the column holds something that no stream claims",
        ),
    ],
)
def test_printed_drop_refuses_for_each_reason_alone(jobs: None, connect: Connect, change: str, reason: str) -> None:
    droppable("job_logs")
    forwards(ARCHIVE)
    db.run("default", change)
    assert refusal(connect) == f"jobs_job.logs stays as it is: {reason}."


def test_printed_drop_refuses_a_live_process_with_the_field_even_without_parents(
    database: Database, connect: Connect
) -> None:
    flags = dict.fromkeys([phase for phase in Phase if phase], True)
    fleet.seen("default", "job_logs", flags, Phase.BACKFILL_AND_DROP, has_field=True)
    assert refusal(connect) == "jobs_job.logs stays as it is: live processes still have the field or read the column."
    db.run("default", "DELETE FROM cutover_process")
    connect().execute(printed())
    assert not introspect.column_exists(bind("job_logs"))


def test_printed_drop_looks_again_once_it_has_the_lock(jobs: None, connect: Connect) -> None:
    droppable("job_logs")
    forwards(ARCHIVE)
    writer = connect(autocommit=False)
    writer.execute(
        "INSERT INTO cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at)"
        " VALUES ('job_logs', '1', 'UPDATE', 'cron', 'app', 4, clock_timestamp())"
    )
    writer.execute("UPDATE jobs_job SET progress = 1")
    script = printed().replace("'500ms'", "'20s'")
    from threading import Thread

    from waiting import backend_pid, blocked_by, wait_until

    said: list[str] = []
    dropper, look = connect(), connect()

    def drop() -> None:
        try:
            dropper.execute(script)
        except psycopg.errors.RestrictViolation as error:
            said.append(str(error.diag.message_primary))

    thread = Thread(target=drop)
    thread.start()
    wait_until(lambda: blocked_by(look, backend_pid(dropper)) == [backend_pid(writer)])
    writer.commit()
    thread.join(20)
    assert len(said) == 1
    assert "foreign writes" in said[0]
