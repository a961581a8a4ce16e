"""What the tests of the logging handler share: a handler on a logger, what has been written, and a table that refuses lines."""

import logging
from typing import Any

import psycopg

from cutover.write import LogHandler
from project.jobs.models import Job, JobLog

CONSTRAINT = "ALTER TABLE jobs_joblog ADD CONSTRAINT tie FOREIGN KEY (job_id) REFERENCES jobs_job (id)"


def handle(log: logging.Logger, job: Job | int | None, **options: Any) -> LogHandler:
    made = LogHandler("job_logs", job, **options)
    log.addHandler(made)
    return made


def messages() -> list[str]:
    return list(JobLog.objects.order_by("position").values_list("message", flat=True))


def refuse_lines(connection: psycopg.Connection[Any]) -> None:
    """Let every insert fail for a reason that is not the line's."""
    connection.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE insufficient_resources USING MESSAGE = 'full'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON jobs_joblog FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


def accept_lines(connection: psycopg.Connection[Any]) -> None:
    connection.execute("DROP TRIGGER refuse ON jobs_joblog")
