"""Insert rows that were decoded in Python, in one statement, and prove that each gives its element back."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import psycopg
from psycopg import sql

from cutover import db
from cutover.backfill import columns, difference
from cutover.backfill.missing import Missing
from cutover.codecs.element import shown
from cutover.mapping import Binding, BoundStream, path
from cutover.pairing import token
from cutover.sql import query

Decoded = tuple[Missing, dict[str, Any]]
REFUSED = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)


class Differs(Exception):
    """A row came back as another element than it was made from; nothing of its batch may stay."""


def insert(binding: Binding, stream: BoundStream, batch: Sequence[Decoded]) -> list[Missing]:
    """Insert the rows in their order; those that the stream would not show are left out and returned.

    Raises:
        Differs: a row does not give its element back.
    """
    text, fields = statement(binding, stream)
    values = {f"array_{number}": array for number, array in enumerate(arrays(binding, stream, batch))}
    found = db.rows(binding.alias, text, {**values, **columns.of(binding, stream).parameters})
    hidden = {int(row[0]) - 1 for row in found if row[0] is not None}
    shown_batch = [each for number, (each, _) in enumerate(batch) if number not in hidden]
    for each, row in zip(shown_batch, (row[1:] for row in found if row[0] is None), strict=True):
        prove(binding, stream, each, dict(zip(fields, row, strict=True)))
    return [batch[number][0] for number in sorted(hidden)]


def prove(binding: Binding, stream: BoundStream, each: Missing, row: dict[str, Any]) -> None:
    parsed = {
        name: path.parse(value) if value is not None and binding.kinds[name].family == "json" else value
        for name, value in row.items()
    }
    if stream.key_field is not None and str(parsed[stream.key_field]) != each.key:
        raise Differs(f"Its key comes back as {shown(parsed[stream.key_field])}.")
    back = stream.codec.encode(parsed)
    if token(back) != token(each.element):
        raise Differs(f"Its row gives back another element: {shown(back)}.")


def why(error: Exception) -> str | None:
    """What the quarantine says about an element that made this error, or None where it is not the element's fault."""
    if isinstance(error, Differs):
        return str(error)
    cause = db.driver_error(error)
    if isinstance(cause, REFUSED):
        return f"The database refuses its row: {cause.diag.message_primary or cause}."
    return None


def arrays(binding: Binding, stream: BoundStream, batch: Sequence[Decoded]) -> list[list[Any]]:
    """One array for each column that `statement` unnests."""
    found: list[list[Any]] = [[each.parent for each, _ in batch]]
    if binding.position is not None:
        found.append([each.place for each, _ in batch])
    for name in columns.of(binding, stream).given.values():
        found.append([columns.prepare(binding, name, values[name]) for _, values in batch])
    return found


@cache
def statement(binding: Binding, stream: BoundStream) -> tuple[str, tuple[str, ...]]:
    """The statement, and the fields of a row in the order in which it returns them."""
    wanted = columns.of(binding, stream)
    position = [] if binding.position is None else [binding.position]
    unnested = [binding.fk, *position, *wanted.given]
    types = [sql.SQL("text"), *(wanted.types[column] for column in unnested[1:])]
    aliases = [sql.Identifier(f"a{number}") for number in range(len(unnested))]
    given: dict[str, sql.Composable] = {
        column: sql.SQL("u.{}").format(alias) for column, alias in zip(unnested, aliases, strict=True)
    }
    given[binding.fk] = sql.SQL("u.{}::{}").format(aliases[0], binding.parent.type)
    fields = tuple(wanted.given.values())
    returned = list(wanted.given)
    parts: dict[str, sql.Composable] = {
        "row": sql.Identifier(binding.child.alias),
        "shown": stream.shown,
        "columns": columns.expressions(binding, stream, given),
        "arrays": sql.SQL(", ").join(
            sql.SQL("{}::{}[]").format(sql.Placeholder(f"array_{number}"), kind) for number, kind in enumerate(types)
        ),
        "aliases": sql.SQL(", ").join(aliases),
        "child": binding.child.identifier,
        "names": difference.identifiers(columns.column_names(binding, stream)),
        "returned": difference.identifiers(returned),
        "results": sql.SQL(", ").join(sql.SQL("i.{}").format(sql.Identifier(column)) for column in returned),
        "nothing": sql.SQL(", ").join(sql.SQL("NULL::{}").format(wanted.types[column]) for column in returned),
    }
    return db.render(query("backfill", "place", **parts)), fields
