"""The archive: the documents of a column as they were before it was dropped, in a table beside it.

The rows hold the elements; only the archive knows which documents were NULL, null, empty or without a key, and what no stream
claims. It is filled in chunks, in the order of the keys, each in a transaction of its own; killed, it goes on where it was.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from psycopg import sql

from cutover import db
from cutover.chunk import Pace
from cutover.codecs.quote import literal
from cutover.schema import introspect, names
from cutover.schema.column import Place
from cutover.sql import query


def complete(alias: str, name: str, epoch: int) -> bool:
    """Whether the archive holds every document as it was in this epoch of the ledger."""
    return introspect.comment(alias, table(name)) == stamp(epoch, whole=True)


def take(place: Place, name: str, *, pk: str, pk_type: str, epoch: int) -> Iterator[int]:
    """Fill the archive; yields the number of parents after each chunk. One of another epoch is begun anew."""
    if complete(place.alias, name, epoch):
        return
    if introspect.comment(place.alias, table(name)) != stamp(epoch, whole=False):
        begin(place, name, pk, epoch)
    parts = {**place.parts, "archive": table(name), "pk": sql.Identifier(pk), "type": sql.SQL(pk_type)}
    fill, pace = db.render(query("archive", "fill", **parts)), Pace()
    after = db.scalar(place.alias, query("archive", "last", archive=table(name)))
    while True:
        started = time.monotonic()
        found = db.rows(place.alias, fill, {"after": after, "limit": pace.size})
        parents, size_bytes, last = found[0]
        if not parents:
            break
        after = last
        took = timedelta(seconds=time.monotonic() - started)
        pace.learn(parents=parents, elements=0, size_bytes=size_bytes, took=took)
        yield parents
    say(place.alias, name, stamp(epoch, whole=True))


def begin(place: Place, name: str, pk: str, epoch: int) -> None:
    """An empty archive of this epoch; an older one is dropped."""
    with db.read_committed(place.alias):
        drop(place.alias, name)
        parts = {**place.parts, "archive": table(name), "pk": sql.Identifier(pk)}
        db.run(place.alias, query("archive", "create", **parts))
        db.run(place.alias, query("archive", "add_key", archive=table(name)))
        say(place.alias, name, stamp(epoch, whole=False))


def drop(alias: str, name: str) -> None:
    """Remove the archive, where it is."""
    db.run(alias, query("archive", "drop", archive=table(name)))


def documents(alias: str, name: str, keys: Sequence[Any], pk_type: str) -> dict[Any, str | None]:
    """The archived documents of some parents as JSON text; a parent that came later is not among them."""
    if not introspect.exists(alias, table(name)):
        return {}
    statement = query("archive", "documents", archive=table(name), type=sql.SQL(pk_type))
    return dict(db.rows(alias, statement, {"keys": list(keys)}))


def say(alias: str, name: str, text: str) -> None:
    db.run(alias, query("archive", "comment", archive=table(name), text=literal(text)))


def stamp(epoch: int, *, whole: bool) -> str:
    """The comment: JSON is not written from STOP_JSON_WRITES on, so the epoch of the drop says what was archived."""
    return f"cutover archive of epoch {epoch}, {'complete' if whole else 'not complete'}"


def table(name: str) -> sql.Identifier:
    return sql.Identifier(names.archive(name))
