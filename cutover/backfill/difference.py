"""The SQL of "JSON minus rows" for one stream: read alone, or inserted by the same statement. It runs nothing."""

from functools import cache

from psycopg import sql

from cutover import db
from cutover.backfill import columns, misplaced
from cutover.codecs import quote
from cutover.mapping import Binding, BoundStream, document, rows
from cutover.sql import query

DOCUMENT = sql.Identifier("p", "document")
NEWEST, OLDEST = sql.SQL("ASC"), sql.SQL("DESC")


@cache
def missing(binding: Binding, stream: BoundStream) -> str:
    """The statement that reads the difference."""
    parts = {"difference": difference(binding, stream), "misplaced": misplaced.condition(stream, DOCUMENT)}
    return db.render(query("backfill", "missing", **parts))


@cache
def fill(binding: Binding, stream: BoundStream) -> str:
    """The statement that inserts the difference; its parameters are the keys and `columns.of(...).parameters`."""
    names = list(stream.codec.columns)
    taken = [sql.SQL("(x.cutover_ok AND {}) AS ok").format(key_fits(stream, sql.SQL("m.key")))]
    taken += [
        sql.SQL("{} AS {}").format(quote.identifier("x", stream.kinds[name].column), sql.Identifier(f"c{number}"))
        for number, name in enumerate(names)
    ]
    given: dict[str, sql.Composable] = {binding.fk: sql.SQL("m.parent_key")}
    if binding.position is not None:
        given[binding.position] = sql.SQL("m.place")
    for column, name in columns.of(binding, stream).given.items():
        given[column] = sql.SQL("m.key") if name == stream.key_field else sql.Identifier("d", f"c{names.index(name)}")
    parts: dict[str, sql.Composable] = {
        "difference": difference(binding, stream),
        "row": sql.Identifier(binding.child.alias),
        "shown": stream.shown,
        "columns": columns.expressions(binding, stream, given),
        "decoded": sql.SQL(", ").join(taken),
        "decoding": stream.codec.decoding_sql(sql.Identifier("m", "element")),
        "child": binding.child.identifier,
        "names": identifiers(columns.column_names(binding, stream)),
        "misplaced": misplaced.condition(stream, DOCUMENT),
    }
    return db.render(query("backfill", "fill", **parts))


def difference(binding: Binding, stream: BoundStream) -> sql.Composed:
    """The common table expressions up to `cutover_missing`."""
    newest = not stream.distinct or stream.cap is not None  # pairing.distinct_view
    parts: dict[str, sql.Composable] = {
        **tables(binding),
        "document": document.stored_document(binding),
        "elements": document.elements(stream, DOCUMENT),
        "first": NEWEST if newest else OLDEST,
        "keyed": sql.SQL("TRUE" if stream.key_field is None else "l.key IS NOT NULL"),
        "key": rows.key(binding, stream),
        "element": rows.element(binding, stream),
        "newest_first": rows.newest_first(binding),
        "shown": stream.shown,
        "stands": rows.stands(binding),
        "counted": sql.SQL("c.nth = 1" if stream.distinct else "TRUE"),
    }
    return query("backfill", "difference", **parts)


def tables(binding: Binding) -> dict[str, sql.Composable]:
    """The parts that name both tables."""
    no_position = sql.SQL("NULL::bigint")
    return {
        "parent_key": binding.parent.key,
        "parent": binding.parent.identifier,
        "type": binding.parent.type,
        "child": binding.child.identifier,
        "fk": rows.parent_key(binding),
        "position": no_position if binding.position is None else binding.child.column(binding.position),
    }


def key_fits(stream: BoundStream, key: sql.Composable) -> sql.Composable:
    """Whether the dynamic key fits its column; a text column takes any key that is short enough."""
    most = None if stream.key_field is None else stream.kinds[stream.key_field].max_length
    return sql.SQL("TRUE") if most is None else sql.SQL("char_length({}) <= {}").format(key, sql.Literal(most))


def compiles(binding: Binding) -> bool:
    """Whether the work can stay in the database: every codec has SQL, and dynamic keys go into text columns."""
    keys = [stream.kinds[stream.key_field].family for stream in binding.streams if stream.key_field is not None]
    return binding.compiles and all(family == "text" for family in keys)


def identifiers(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
