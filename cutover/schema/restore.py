"""The way back over the drop: the column is filled from the rows, chunk by chunk.

Each chunk is one transaction: its parents are locked, their documents written, and the rows that are in them now are stamped
as standing for JSON. It can be killed and run again. The column is there already; who asks for it knows when.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from psycopg import sql

from cutover import db, marks, snapshot
from cutover.chunk import Pace
from cutover.mapping import Binding
from cutover.schema import archive, locks
from cutover.schema.locks import Mode, Wanted
from cutover.schema.rebuild import Rebuilt, rebuild
from cutover.sql import query


def fill(binding: Binding, default: str | None, *, archived: bool) -> Iterator[int]:
    """Fill the column; yields the number of parents after each chunk.

    Args:
        default: the document of a parent that the archive does not know, as JSON text: it was made after the drop, or the
            archive was waived.
        archived: whether there is an archive to read.
    """
    pace, after = Pace(), None
    while keys := next_keys(binding, after, pace.size):
        started = time.monotonic()
        elements = locks.short_lock(
            binding.alias, partial(fill_chunk, binding, keys, default, archived), rows_of(binding)
        )
        pace.learn(
            parents=len(keys),
            elements=elements,
            size_bytes=0,
            took=timedelta(seconds=time.monotonic() - started),
        )
        after = keys[-1]
        yield len(keys)


def fill_chunk(binding: Binding, keys: Sequence[Any], default: str | None, archived: bool) -> int:
    """Write the documents of these parents; the number of rows that are in them."""
    snapshot.lock(binding, keys)
    skeletons = archive.documents(binding.alias, binding.name, keys, binding.parent.pk_type) if archived else {}
    sides = snapshot.take(binding, keys, documents=False)
    made = {key: rebuild(binding, sides[key], skeletons.get(key, default)) for key in keys}
    write(binding, made)
    return sum(len(each.rows) for each in made.values())


def refill(binding: Binding) -> Iterator[int]:
    """Put the lists back into the documents that the column holds, where they were stripped."""
    pace, after = Pace(), None
    while keys := next_keys(binding, after, pace.size):
        locks.short_lock(binding.alias, partial(refill_chunk, binding, keys), rows_of(binding))
        after = keys[-1]
        yield len(keys)


def refill_chunk(binding: Binding, keys: Sequence[Any]) -> None:
    snapshot.lock(binding, keys)
    skeletons = column_documents(binding, keys)
    sides = snapshot.take(binding, keys, documents=False)
    write(binding, {key: rebuild(binding, sides[key], skeletons[key]) for key in keys if key in skeletons})


def rows_of(binding: Binding) -> list[Wanted]:
    """Rows of the parents, waited for as briefly as a table: who holds one is told of, and nobody queues behind us for long."""
    return [Wanted(binding.parent.identifier, Mode.ROW_EXCLUSIVE, rows=True)]


def next_keys(binding: Binding, after: Any, limit: int) -> list[Any]:
    statement = query("restore", "keys", **parts(binding))
    return [key for (key,) in db.rows(binding.alias, statement, {"after": after, "limit": limit})]


def column_documents(binding: Binding, keys: Sequence[Any]) -> dict[Any, str | None]:
    statement = query("restore", "column_documents", **parts(binding), column=binding.parent.column(binding.column))
    return dict(db.rows(binding.alias, statement, {"keys": list(keys)}))


def write(binding: Binding, made: dict[Any, Rebuilt]) -> None:
    """The documents, and the stamps of their rows."""
    column = sql.Identifier(binding.column)
    written = query(
        "restore", "write", **parts(binding), own=marks.OWN, column=column, storage=sql.SQL(binding.storage)
    )
    values = {"keys": list(made), "documents": [each.text for each in made.values()]}
    db.run(binding.alias, written, values)
    rows = [row for each in made.values() for row in each.rows]
    if binding.position is not None and rows:
        child = binding.child
        stamped = query(
            "restore",
            "stamp",
            child=child.identifier,
            child_key=sql.Identifier(child.pk),
            child_type=child.type,
            position=sql.Identifier(binding.position),
        )
        db.run(binding.alias, stamped, {"keys": rows})


def parts(binding: Binding) -> dict[str, sql.Composable]:
    return {"table": binding.parent.identifier, "key": binding.parent.key, "type": binding.parent.type}
