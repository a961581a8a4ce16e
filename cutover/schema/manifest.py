"""The manifest of an archive: a line for each chunk with its checksum, and what is known of the whole. It stores and reads.

It is a table beside the archive. The whole (which epoch of the ledger, complete or not, in which file) is its comment.
"""

import json
from dataclasses import asdict, dataclass, replace

from psycopg import sql

from cutover import db
from cutover.codecs.quote import literal
from cutover.schema import introspect, names
from cutover.schema.archivefile import Part
from cutover.sql import query


@dataclass(frozen=True)
class Whole:
    """What is known of the whole archive.

    Attributes:
        epoch: JSON is not written from STOP_JSON_WRITES on, so the epoch of the drop says what was archived.
        file: the name of its file; empty where it is a table.
    """

    epoch: int
    complete: bool = False
    file: str = ""


@dataclass(frozen=True)
class Chunk:
    """A line: the chunk's number, its last key as text, and where it is in the file."""

    number: int
    last_key: str
    parents: int
    file_from: int | None
    file_bytes: int | None
    file_checksum: str | None

    @property
    def part(self) -> Part:
        return Part(self.file_from or 0, self.file_bytes or 0, self.file_checksum or "")


def whole(alias: str, name: str) -> Whole | None:
    """What is known of it, or None where there is none."""
    text = introspect.comment(alias, table(name))
    return Whole(**json.loads(text)) if text else None


def chunks(alias: str, name: str) -> list[Chunk]:
    """All lines, in their order."""
    return [Chunk(*row) for row in db.rows(alias, query("archive", "chunks", manifest=table(name)))]


def begin(alias: str, name: str, made: Whole) -> None:
    """An empty one, in the caller's transaction."""
    drop(alias, name)
    db.run(alias, query("archive", "create_manifest", manifest=table(name)))
    say(alias, name, made)


def finish(alias: str, name: str, made: Whole) -> None:
    say(alias, name, replace(made, complete=True))


def drop(alias: str, name: str) -> None:
    db.run(alias, query("archive", "drop", archive=table(name)))


def say(alias: str, name: str, made: Whole) -> None:
    text = literal(json.dumps(asdict(made)))
    db.run(alias, query("archive", "comment", manifest=table(name), text=text))


def table(name: str) -> sql.Identifier:
    return sql.Identifier(names.archive_manifest(name))
