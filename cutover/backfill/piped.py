"""The fastest way of a chunk: whole lists are taken apart on a second connection while the first one puts the rows in.

The server does both at once, on two of its cores, and COPY writes pages where INSERT writes rows. It is for the first stream
of a chunk alone, since the second connection sees nothing of what the chunk has written. Whatever is unusual, a bad element, a
parent with rows, a second connection that is not to be had, is left to the statement of `direct`.

Note [One snapshot, two connections]
    What a list lacks has to be read in one snapshot, from after the lock on the segment: then every dual write is whole in it,
    and what a former holder has committed is seen. The second connection reads lists and rows in one statement, which begins
    after the lock, and raises on a server where the chunk's transaction is not running: a standby that a pooler or a list of
    hosts has led to. What comes to a list afterwards brings its row along; a parent that has a row by then is left out, so
    that the numbers differ and nothing is taken.
"""

from collections.abc import Mapping
from functools import cache

from django.db import DataError, IntegrityError, transaction
from psycopg import sql

from cutover import beside, db
from cutover.backfill import columns, difference, direct
from cutover.mapping import Binding, BoundStream, document, rows
from cutover.sql import query

FEWEST = 1_000  # elements: for less it is not worth the way


class Differs(Exception):
    """Other rows came than were to come."""


def fill(binding: Binding, stream: BoundStream, counts: Mapping[str, int]) -> tuple[set[str], int]:
    """Fill the lists of parents without rows: the parents that need nothing more, and how many rows were inserted.

    `counts` are the parents, each with the number of its elements, below 0 where something is misplaced; in another document
    there would be another number.
    """
    if binding.position is None or stream.number or sum(count for count in counts.values() if count > 0) < FEWEST:
        return set(), 0
    taken = {row[0] for row in db.rows(binding.alias, occupied(binding), {"keys": list(counts)})}
    chosen = [key for key, count in counts.items() if count > 0 and key not in taken]
    wanted = sum(counts[key] for key in chosen)
    if wanted < FEWEST:
        return set(), 0
    try:
        with transaction.atomic(using=binding.alias):
            if handed_on(binding, stream, chosen) != wanted:
                raise Differs
    except (Differs, beside.Unavailable, DataError, IntegrityError):
        return set(), 0
    return set(chosen), wanted


def handed_on(binding: Binding, stream: BoundStream, keys: list[str]) -> int:
    """Copy the rows over; how many they were. Raises Unavailable where the second connection gives none, or not all."""
    values = {
        "keys": keys,
        "transaction": db.scalar(binding.alias, query("backfill", "transaction")),
        **columns.of(binding, stream).parameters,
    }
    settings = {"datestyle": "ISO, YMD", "enable_seqscan": "off", "max_parallel_workers_per_gather": "0"}
    with beside.copied(binding.alias, statement(binding, stream), values, settings) as blocks:
        return db.copy_blocks(binding.alias, target(binding, stream), blocks)


@cache
def occupied(binding: Binding) -> str:
    """The statement that reads which parents have rows; its parameter are the keys."""
    return db.render(query("backfill", "occupied", stands=rows.stands(binding), **difference.tables(binding)))


@cache
def statement(binding: Binding, stream: BoundStream) -> str:
    """The COPY of the second connection; its parameters are the keys, the transaction and `columns.of(...).parameters`."""
    names, types = columns.column_names(binding, stream), columns.of(binding, stream).types
    parts: dict[str, sql.Composable] = {
        **difference.tables(binding),
        **direct.taken_apart(binding, stream),
        "document": document.stored_document(binding),
        "lists": document.lists(stream, difference.DOCUMENT),
        "stands": rows.stands(binding),
        "fillable": direct.fillable(stream),
        # In binary form a value is taken for what the column is, whatever it was.
        "values": sql.SQL(", ").join(sql.SQL("{}::{}").format(sql.Identifier(name), types[name]) for name in names),
    }
    return db.render(query("backfill", "piped", **parts))


@cache
def target(binding: Binding, stream: BoundStream) -> str:
    """The COPY of the chunk's own connection."""
    names = difference.identifiers(columns.column_names(binding, stream))
    return db.render(query("backfill", "take_piped", child=binding.child.identifier, names=names))
