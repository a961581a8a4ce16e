"""What no stream claims: whether a column holds any, and the column without what the streams claim."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from psycopg import sql

from cutover import db, marks
from cutover.chunk import Pace
from cutover.codecs.quote import literal
from cutover.mapping import Binding, document
from cutover.schema import locks
from cutover.schema.locks import Mode, Wanted
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


def anywhere(binding: Binding) -> sql.Composed:
    """The same as a condition, over the whole table at once."""
    return query(
        "restore", "any_residue", **parts(binding), stripped=stripped(binding, document.stored_document(binding))
    )


def strip(binding: Binding, epoch: int, wait: Callable[[], None]) -> Iterator[int]:
    """Remove the claimed lists, chunk by chunk; yields the number of parents looked at. It can be killed and run again.

    The documents of a chunk and its cursor commit together. In another epoch of the ledger it begins anew.

    Args:
        wait: called before each chunk, outside of any transaction; it returns when the chunk may be done.

    Raises:
        Busy: the rows of a chunk were held by somebody else for too long.
    """
    pace, after = Pace(), cursor(binding, epoch)
    wanted = [Wanted(binding.parent.identifier, Mode.ROW_EXCLUSIVE, rows=True)]
    while True:
        wait()
        started = time.monotonic()
        work = partial(strip_chunk, binding, epoch, after, pace.size)
        parents, size_bytes, last = locks.short_lock(binding.alias, work, wanted)
        if not parents:
            forget(binding)
            return
        after, took = last, timedelta(seconds=time.monotonic() - started)
        pace.learn(parents=parents, elements=0, size_bytes=size_bytes, took=took)
        yield parents


def strip_chunk(binding: Binding, epoch: int, after: str | None, limit: int) -> tuple[int, int, str | None]:
    """The next parents, in the caller's transaction: how many, how large they were, the last key as text."""
    statement = query(
        "restore",
        "strip",
        **parts(binding),
        own=marks.OWN,
        column=sql.Identifier(binding.column),
        document=document.stored_document(binding),
        stripped=stripped(binding, sql.SQL("document")),
        rest=document.to_storage(binding, sql.SQL("s.rest")),
    )
    parents, size_bytes, last = db.rows(binding.alias, statement, {"after": after, "limit": limit})[0]
    if parents:
        values = {"name": binding.name, "epoch": epoch, "cursor": last, "parents": parents}
        db.run(binding.alias, query("restore", "strip_reached"), values)
    return parents, size_bytes, last


def cursor(binding: Binding, epoch: int) -> str | None:
    """The last key that was stripped in this epoch, as text."""
    found = db.scalar(binding.alias, query("restore", "strip_cursor"), {"name": binding.name, "epoch": epoch})
    return None if found is None else str(found)


def forget(binding: Binding) -> None:
    """The next one begins at the first parent."""
    db.run(binding.alias, query("restore", "strip_forget"), {"name": binding.name})


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
