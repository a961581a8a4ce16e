"""Whether an archive still says what its manifest says, and a file of it brought back into a table. It drops nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from cutover import conf, db
from cutover.errors import CutoverError
from cutover.schema import archivefile, introspect, manifest, names
from cutover.schema.archivefile import Damaged
from cutover.schema.manifest import Whole
from cutover.sql import query


def damage(alias: str, name: str, known: Whole) -> str | None:
    """What of a complete archive is not as its manifest says; None where all is."""
    if not known.complete:
        return None
    return file_damage(alias, name, known.file) if known.file else table_damage(alias, name)


def table_damage(alias: str, name: str) -> str | None:
    """The same of the table, or of what was brought back from a file."""
    if not introspect.exists(alias, names.archive_table(name)):
        return f"the table {names.archive(name)} is gone"
    count, first = db.rows(alias, damaged(name))[0]
    return f"{names.archive(name)} is damaged in {count} chunks, the first is {first}" if count else None


def damaged(name: str) -> sql.Composed:
    """The query for the chunks of the table that are not what they were: how many, and the first."""
    digest = query("archive", "digest", key=sql.Identifier("a", "key"), document=sql.Identifier("a", "document"))
    checksum = query("archive", "checksum", digest=sql.Identifier("r", "digest"), key=sql.Identifier("r", "key"))
    tables = {"archive": names.archive_table(name), "manifest": manifest.table(name)}
    return query("archive", "damaged", **tables, digest=digest, checksum=checksum)


def file_damage(alias: str, name: str, file: str) -> str | None:
    """The same of the file, as it is on the disk."""
    where = path(file)
    if not where.exists():
        return f"{where} is not there"
    with told(where):
        for each in manifest.chunks(alias, name):
            try:
                archivefile.check(where, each.part)
            except Damaged:
                return f"{where} is damaged in chunk {each.number}"
    return None


def unpack(alias: str, name: str, known: Whole, *, pk_type: str, storage: str) -> str | None:
    """Bring the file back into a table; what is damaged, or None. In one transaction: all of it is there, or nothing."""
    archive, where = names.archive_table(name), path(known.file)
    types = {"type": sql.SQL(pk_type), "storage": sql.SQL(storage)}
    try:
        with db.read_committed(alias), told(where):
            db.run(alias, query("archive", "create_typed", archive=archive, **types))
            for each in manifest.chunks(alias, name):
                with db.copying(alias, query("archive", "copy_in", archive=archive)) as copy:
                    for block in archivefile.unpacked(where, each.part):
                        copy.write(block)
            db.run(alias, query("archive", "add_key", archive=archive))
            if found := table_damage(alias, name):
                raise Damaged(found)
    except Damaged as error:
        return str(error) or f"{where} cannot be unpacked"
    return None


@contextmanager
def told(file: Path) -> Iterator[None]:
    """What the operating system says against the file, as the operator is told it."""
    try:
        yield
    except OSError as error:
        raise CutoverError(
            f"The archive {file} cannot be used: {error.strerror}.",
            hint="See to the directory of CUTOVER_ARCHIVE_DIRECTORY, then run the same again.",
        ) from error


def path(file: str) -> Path:
    """Where a file of this name is to be."""
    return conf.archive_directory() / file
