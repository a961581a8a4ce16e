"""What no stream claims: whether a column holds any, and the column without what the streams claim."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from psycopg import sql

from cutover import db, marks
from cutover.chunk import Pace
from cutover.codecs.quote import literal
from cutover.mapping import Binding, document
from cutover.spec.stream import Key, Path
from cutover.sql import query

LOOKED_AT = 2000  # parents in one statement


def first(binding: Binding) -> Any:
    """The key of a parent whose document has something that no stream claims, or None. Reads the whole table, in chunks."""
    stored = document.stored_document(binding)
    statement = db.render(query("restore", "residue", **parts(binding), stripped=stripped(binding, stored)))
    after = None
    while True:
        count, after, found = db.rows(binding.alias, statement, {"after": after, "limit": LOOKED_AT})[0]
        if found is not None or count < LOOKED_AT:
            return found


def strip(binding: Binding) -> Iterator[int]:
    """Remove the claimed lists, chunk by chunk; yields the number of parents looked at. It can be run again."""
    statement = db.render(
        query(
            "restore",
            "strip",
            **parts(binding),
            own=marks.OWN,
            column=sql.Identifier(binding.column),
            document=document.stored_document(binding),
            stripped=stripped(binding, sql.SQL("document")),
            rest=document.to_storage(binding, sql.SQL("s.rest")),
        )
    )
    pace, after = Pace(), None
    while True:
        started = time.monotonic()
        with db.read_committed(binding.alias):
            found = db.rows(binding.alias, statement, {"after": after, "limit": pace.size})
        parents, size_bytes, after, _ = found[0]
        if not parents:
            return
        took = timedelta(seconds=time.monotonic() - started)
        pace.learn(parents=parents, elements=0, size_bytes=size_bytes, took=took)
        yield parents


def parts(binding: Binding) -> dict[str, sql.Composable]:
    return {"table": binding.parent.identifier, "key": binding.parent.key, "type": binding.parent.type}


def stripped(binding: Binding, value: sql.Composable) -> sql.Composable:
    """The document without what the streams claim, and without the objects that are empty then; NULL where nothing is left."""
    for stream in binding.streams:
        value = without(value, stream.steps)
    return value


def without(value: sql.Composable, steps: Path) -> sql.Composable:
    if not steps:
        return sql.SQL("NULL::jsonb")
    step, rest = steps[0], steps[1:]
    if isinstance(step, Key):
        return sql.SQL(
            "CASE jsonb_typeof({value}) WHEN 'object' THEN (SELECT COALESCE(jsonb_object_agg(k.key, k.rest)"
            " FILTER (WHERE k.rest IS NOT NULL AND k.rest <> '{{}}'::jsonb), '{{}}'::jsonb)"
            " FROM (SELECT e.key, {rest} AS rest FROM jsonb_each(CASE jsonb_typeof({value}) WHEN 'object' THEN {value}"
            " ELSE '{{}}'::jsonb END) e) k) ELSE NULLIF({value}, 'null'::jsonb) END"
        ).format(value=value, rest=without(sql.SQL("e.value"), rest))
    key = literal(step)
    if not rest:
        return sql.SQL("CASE jsonb_typeof({value}) WHEN 'object' THEN ({value}) - {key}::text ELSE {value} END").format(
            value=value, key=key
        )
    inner = without(sql.SQL("(({}) -> {}::text)").format(value, key), rest)
    return sql.SQL(
        "CASE jsonb_typeof({value}) WHEN 'object' THEN COALESCE(jsonb_set({value}, ARRAY[{key}::text],"
        " NULLIF(NULLIF({inner}, '{{}}'::jsonb), 'null'::jsonb), false), ({value}) - {key}::text) ELSE {value} END"
    ).format(value=value, key=key, inner=inner)
