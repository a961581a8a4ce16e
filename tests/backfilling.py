"""What the tests of the backfill share: parents with documents, their rows as elements, a run to its end."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection

from cutover import backfill
from cutover.backfill import Progress
from cutover.mapping import Binding

EXAMPLES = {
    "job_logs": {"stdout": ["[2024-01-02 03:04:06] ERROR b", "[2024-01-02 03:04:05] INFO a"], "stderr": ["b"]},
    "device_events": [{"kind": "on", "count": 1}, {"kind": "off", "at": "2024-01-02T03:04:05Z", "by": "me"}],
    "account_tags": {"tags": {"color": ["red", "blue", "red"], "size": ["xl"]}, "theme": "dark"},
    "ticket_history": {"changes": {"items": [["state", 1], ["state", None], ["owner", 3]]}},
}


def key(binding: Binding, number: int) -> Any:
    """A parent key; those of ascending numbers ascend."""
    if binding.parent.pk_type == "uuid":
        return uuid.UUID(int=number)
    return f"code-{number:05}" if "char" in binding.parent.pk_type else number


def parent(binding: Binding, number: int, document: Any, *, text: bool = False) -> Any:
    """A parent with a document, past the ORM; with `text` the document is the text of the column as it is."""
    made = key(binding, number)
    value = document if text else (None if document is None else json.dumps(document))
    names = {"job_logs": "name, progress, "}.get(binding.name, "")
    values = {"job_logs": "'', 0, "}.get(binding.name, "")
    statement = (
        f"INSERT INTO {binding.parent.name} ({binding.parent.pk}, {names}{binding.column})"  # noqa: S608 - names of tests
        f" VALUES (%s, {values}%s::{binding.storage})"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [made, value])
    return made


def elements(binding: Binding, of: Any, stream: int = 0, where: str = "TRUE") -> list[Any]:
    """The rows of a parent as elements of a stream, oldest first."""
    bound = binding.streams[stream]
    fields = [(name, bound.column(name), binding.kinds[name].family) for name in bound.fields]
    select = ", ".join(column for _, column, _ in fields)
    statement = (
        f"SELECT {select} FROM {binding.child.name} WHERE {binding.fk} = %s AND {where}"  # noqa: S608 - names of tests
        f" ORDER BY {', '.join(binding.ordering)}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [of])
        found = cursor.fetchall()
    return [bound.codec.encode(row_values(fields, row)) for row in found]


def row_values(fields: Sequence[tuple[str, str, str]], row: Sequence[Any]) -> dict[str, Any]:
    return {
        name: json.loads(value) if family == "json" and isinstance(value, str) else value
        for (name, _, family), value in zip(fields, row, strict=True)
    }


def to_the_end(binding: Binding, **options: Any) -> Progress:
    """Run the backfill; its last word."""
    last = None
    for last in backfill.run(binding, **options):
        assert not last.waiting, last.waiting
    assert last is not None
    assert last.finished
    return last


def all_rows(binding: Binding) -> list[tuple[Any, ...]]:
    """Every row of the child, without its key, in the order of its key."""
    columns = [kind.column for name, kind in binding.kinds.items() if kind.column != binding.child.pk]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM {binding.child.name} ORDER BY {binding.child.pk}"  # noqa: S608
        )
        return list(cursor.fetchall())


def execute(server: "psycopg.Connection[Any] | None", statement: str, *params: Any) -> list[tuple[Any, ...]]:
    """Run any SQL, on Django's connection or another."""
    if server is not None:
        result = server.execute(statement, params)
        return result.fetchall() if result.description else []
    with connection.cursor() as cursor:
        cursor.execute(statement, params or None)
        return list(cursor.fetchall()) if cursor.description else []
