"""The archive: the documents of a column as they were before it was dropped, in a table beside it or in a compressed file.

The rows hold the elements; only the archive knows which documents were NULL, null, empty or without a key, and what no stream
claims. It is filled in chunks, in the order of the keys; killed, it goes on where it was. Each chunk has a checksum in the
manifest, made of the documents of the column; nothing is dropped, and nothing restored, unless the archive still says the same.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from cutover import db
from cutover.chunk import Pace
from cutover.schema import archivefile, intact, manifest, names
from cutover.schema.column import Place
from cutover.schema.manifest import Whole
from cutover.sql import query


@dataclass(frozen=True)
class Source:
    """Whose documents are kept: a column, and the key of its table."""

    place: Place
    name: str
    pk: str
    pk_type: str

    @property
    def alias(self) -> str:
        return self.place.alias

    @property
    def parts(self) -> dict[str, sql.Composable]:
        key = {"pk": sql.Identifier(self.pk), "type": sql.SQL(self.pk_type), "checksum": checksum()}
        return {
            **self.place.parts,
            **key,
            "archive": names.archive_table(self.name),
            "manifest": manifest.table(self.name),
        }


@dataclass(frozen=True)
class Stored:
    """One chunk that is in the archive now; `end` is that of the file."""

    parents: int
    size_bytes: int
    last_key: str
    end: int = 0


@dataclass(frozen=True)
class Cursor:
    """How far the archive is: the last chunk, its last key as text, the end of what counts of the file."""

    number: int = 0
    after: str | None = None
    end: int = 0

    def behind(self, stored: Stored) -> "Cursor":
        return Cursor(self.number + 1, stored.last_key, stored.end)


def complete(alias: str, name: str, epoch: int) -> bool:
    """Whether the archive holds every document as it was in this epoch of the ledger."""
    known = manifest.whole(alias, name)
    return known is not None and known.epoch == epoch and known.complete


def take(source: Source, epoch: int, *, to_file: bool = False) -> Iterator[int]:
    """Fill the archive; yields the number of parents after each chunk. One of another epoch, or that is damaged, is begun anew.

    Raises:
        CutoverError: the file cannot be written.
    """
    known = usable(source, epoch, to_file) or begin(source, epoch, to_file)
    if known.complete:
        return
    pace, cursor = Pace(), reached(source)
    while True:
        started = time.monotonic()
        stored = (next_in_file if to_file else next_in_table)(source, known, cursor, pace.size)
        if stored is None:
            break
        cursor, took = cursor.behind(stored), timedelta(seconds=time.monotonic() - started)
        pace.learn(parents=stored.parents, elements=0, size_bytes=stored.size_bytes, took=took)
        yield stored.parents
    manifest.finish(source.alias, source.name, known)


def usable(source: Source, epoch: int, to_file: bool) -> Whole | None:
    """What was begun or finished already, in this epoch and this way, and is not damaged."""
    known = manifest.whole(source.alias, source.name)
    if known is None or known.epoch != epoch or bool(known.file) != to_file:
        return None
    return None if intact.damage(source.alias, source.name, known) else known


def reached(source: Source) -> Cursor:
    """Where it goes on."""
    chunks = manifest.chunks(source.alias, source.name)
    if not chunks:
        return Cursor()
    last = chunks[-1]
    return Cursor(last.number, last.last_key, last.part.file_from + last.part.file_bytes)


def begin(source: Source, epoch: int, to_file: bool) -> Whole:
    """An empty archive of this epoch; an older table is dropped, an older file is left to whoever keeps files."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    made = Whole(epoch, file=f"{source.name}-epoch{epoch}-{stamp}.copy.gz" if to_file else "")
    with db.read_committed(source.alias):
        drop_table(source.alias, source.name)
        if not to_file:
            db.run(source.alias, query("archive", "create", **source.parts))
            db.run(source.alias, query("archive", "add_key", **source.parts))
        manifest.begin(source.alias, source.name, made)
    return made


def next_in_table(source: Source, known: Whole, cursor: Cursor, limit: int) -> Stored | None:  # noqa: ARG001 - as the other
    """Documents and their line in the manifest, in one statement."""
    values = {"number": cursor.number + 1, "after": cursor.after, "limit": limit}
    found = db.one(source.alias, query("archive", "fill", **source.parts), values)
    return None if found is None else Stored(*found)


def next_in_file(source: Source, known: Whole, cursor: Cursor, limit: int) -> Stored | None:
    """The documents first, then their line in the manifest; both are read in one snapshot."""
    file = intact.path(known.file)
    values = {"number": cursor.number + 1, "after": cursor.after, "limit": limit}
    with db.one_snapshot(source.alias), intact.told(file):
        parents, size, last, checked = db.rows(source.alias, query("archive", "next", **source.parts), values)[0]
        if not parents:
            return None
        copied = query("archive", "copy_out", **source.parts)
        with db.copying(source.alias, copied, {**values, "last": last}) as copy:
            part = archivefile.append(file, cursor.end, copy)
    line = {"number": cursor.number + 1, "last": last, "parents": parents, "size": size, "checksum": checked}
    db.run(source.alias, query("archive", "note", manifest=manifest.table(source.name)), {**line, **vars(part)})
    return Stored(parents, size, last, part.file_from + part.file_bytes)


def drop(alias: str, name: str) -> None:
    """Remove the archive, where it is; a file is left to whoever keeps files."""
    drop_table(alias, name)
    manifest.drop(alias, name)


def drop_table(alias: str, name: str) -> None:
    db.run(alias, query("archive", "drop", archive=names.archive_table(name)))


def documents(alias: str, name: str, keys: Sequence[Any], pk_type: str) -> dict[Any, str | None]:
    """The archived documents of some parents as JSON text; a parent that came later is not among them."""
    statement = query("archive", "documents", archive=names.archive_table(name), type=sql.SQL(pk_type))
    return dict(db.rows(alias, statement, {"keys": list(keys)}))


def checksum() -> sql.Composed:
    """The checksum of a chunk, over the columns `key` and `document`."""
    key, document = sql.Identifier("key"), sql.Identifier("document")
    return query("archive", "checksum", digest=query("archive", "digest", key=key, document=document), key=key)
