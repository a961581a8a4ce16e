"""What lists have beside their newest elements, which have rows: in slices of a few megabytes, oldest first. It only reads.

For the first stream of a chunk a second connection reads them, while the first one takes rows (Note [One snapshot, two
connections] in `piped`); for the others, and where there is none, a cursor of the chunk's own connection does.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from psycopg import sql

from cutover import beside, db
from cutover.backfill import direct
from cutover.backfill.decoding import Line
from cutover.mapping import Binding, BoundStream
from cutover.sql import query

SLICE_BYTES = 1024 * 1024
MOST = 1_000  # elements of a slice, lines of a batch
UNIT_BYTES = 16 * 1024  # some hundred lines of a log, some milliseconds of a codec in Python


@contextmanager
def read(
    binding: Binding, stream: BoundStream, keys: Sequence[str], *, aside: bool
) -> Iterator[Iterator[Iterator[list[Line]]]]:
    """The slices of some parents' lists, batch by batch, each in units: during a batch the chunk's connection is free.

    Raises:
        Unavailable: they were to be read `aside` and cannot be.
    """
    values: dict[str, Any] = {"keys": list(keys), "most": MOST, "bytes": SLICE_BYTES, "transaction": None}
    if not aside:
        with db.server_cursor(binding.alias, "cutover_pour", statement(binding, stream), values) as opened:
            opened.itersize = 1
            yield (batches(batch, UNIT_BYTES) for batch in batches(opened, SLICE_BYTES))
        return
    values["transaction"] = db.scalar(binding.alias, query("backfill", "transaction"))
    settings = {"datestyle": "ISO, YMD", "enable_seqscan": "off", "enable_nestloop": "off"}
    copy = f"COPY ({statement(binding, stream)}) TO STDOUT"
    with beside.copied(binding.alias, copy, values, settings) as blocks:
        yield iter([batches(lines(blocks), UNIT_BYTES)])


def batches(found: Iterable[Line], size: int) -> Iterator[list[Line]]:
    """As many as have so many characters together, or are a thousand."""
    batch: list[Line] = []
    weight = 0
    for each in found:
        batch.append(each)
        weight += len(each[-1] or "")
        if len(batch) >= MOST or weight >= size:
            yield batch
            batch, weight = [], 0
    yield batch


def lines(blocks: Iterator[bytes]) -> Iterator[Line]:
    """The lines of a COPY whose values are JSON: of what COPY would spell otherwise they hold backslashes alone."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield [
                None if each == b"\\N" else each.replace(b"\\\\", b"\\").decode("utf-8") for each in line.split(b"\t")
            ]


@cache
def statement(binding: Binding, stream: BoundStream) -> str:
    """The query; its parameters are the keys, the two bounds of a slice, and the transaction that has to be running."""
    newest_first = stream.newest_first
    parts = {
        "whole": direct.whole(binding, stream),
        # Of a slice its oldest element: the last one of it where the newest come first.
        "place": sql.SQL("l.floor + l.have - s.behind" if newest_first else "l.floor + l.have - l.length + s.first"),
        "begin": sql.SQL("l.have" if newest_first else "0"),
        "end": sql.SQL("l.length" if newest_first else "(l.length - l.have)"),
        "oldest_first": sql.SQL("DESC" if newest_first else "ASC"),
    }
    return db.render(query("backfill", "pour", **parts))
