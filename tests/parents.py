"""Parents with documents, and rows with positions of their own choice, for tests of reading and saving."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from django.db import connection
from django.test.utils import CaptureQueriesContext
from psycopg import sql

from cutover import marks
from project.jobs.models import Job, JobLog

NOON = datetime(2025, 3, 1, 12, 0, 0, tzinfo=UTC)


def line(minute: int, message: str, level: str = "INFO") -> str:
    """An element of `stdout`."""
    return f"[{NOON + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S}] {level} {message}"


def row(job: Job, minute: int, message: str, level: str = "INFO", *, position: int) -> JobLog:
    """A row that shows as `line(minute, message, level)`; an odd or negative position stands for an element."""
    when = NOON + timedelta(minutes=minute)
    return JobLog.objects.create(job=job, created_at=when, level=level, message=message, position=position)


def stored(parent: Any) -> Any:
    """The document in the JSON column, past every descriptor."""
    field = {"Job": "logs", "Device": "events", "Account": "profile", "Ticket": "history"}[type(parent).__name__]
    meta = parent._meta
    text = f'SELECT "{field}"::text FROM "{meta.db_table}" WHERE "{meta.pk.column}" = %s'  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(text, [parent.pk])
        found = cursor.fetchone()[0]
    return None if found is None else json.loads(found)


def rewrite(other: psycopg.Connection[Any], job: Job, document: Any) -> None:
    """Another process, on a connection of its own, writes the column as the toolkit does."""
    statement = sql.SQL(
        "WITH mark AS MATERIALIZED (SELECT {own} AS m) UPDATE jobs_job SET logs = %(document)s::text::jsonb"
        " FROM mark WHERE id = %(key)s AND mark.m IS NOT NULL"
    ).format(own=marks.OWN)
    other.execute(statement, {"document": json.dumps(document), "key": job.pk})


@contextmanager
def queries(number: int) -> Iterator[None]:
    """Exactly so many queries on the default connection, without those of the lease."""
    with CaptureQueriesContext(connection) as captured:
        yield
    asked = [each["sql"] for each in captured if "cutover_" not in each["sql"]]
    assert len(asked) == number, "\n".join(asked)
