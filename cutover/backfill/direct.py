"""The fast way of a chunk: lists whose rows are their newest elements, or that have none, are filled up without pairing.

Almost every parent is visited once, and has no rows then but those of appends since the dual write; what pairing would find for
it is known without pairing: the rest of its list. Other lists are left to `difference`. It only writes statements, and runs
nothing.

Note [Direct]
    The elements are read by casts that raise, and are proved by writing them out again and comparing. So a chunk that holds
    one bad element fails as a whole, inside a savepoint, and its halves are tried; what is left of it does `difference`, which
    raises for nothing.
"""

from enum import Enum
from functools import cache

from psycopg import sql

from cutover import db
from cutover.backfill import columns, difference, misplaced, reach
from cutover.mapping import Binding, BoundStream, document, rows
from cutover.sql import query

VERSION = sql.SQL("tableoid::text || ' ' || xmin::text || ' ' || ctid::text")


class Way(Enum):
    """How much to fill, and whether what is there is compared."""

    WHOLE = "whole lists"
    PORTION = "so many elements of one parent"
    NEXT = "the same where nothing has changed since the last portion"


@cache
def fill(binding: Binding, stream: BoundStream, way: Way = Way.WHOLE) -> str:
    """The statement that fills lists up; its parameters are the keys and `columns.of(...).parameters`.

    A portion also takes `most`, how many rows to make; and the next one `version`, `rows`, `standing` and `newest`, what the
    parent is to be like (Note [Portions] in `portion`).
    """
    standing = query("backfill", "standing", **standing_parts(binding, stream))
    parts: dict[str, sql.Composable] = {
        **taken_apart(binding, stream),
        "whole": whole(binding, stream, way),
        "standing": sql.SQL("NULL, NULL, NULL, NULL") if way is Way.WHOLE else standing,
        # Where no position says the order, the primary key does, and has to be drawn in it.
        "ordered": sql.SQL(
            "ORDER BY cutover_parent, cutover_key, cutover_age DESC" if binding.position is None else ""
        ),
        "child": binding.child.identifier,
        "names": difference.identifiers(columns.column_names(binding, stream)),
    }
    return db.render(query("backfill", "direct", **parts))


def taken_apart(binding: Binding, stream: BoundStream) -> dict[str, sql.Composable]:
    """The parts that make a row of an element and prove it."""
    element = sql.Identifier("e", "value")
    decoded = stream.codec.direct_sql(element)
    names = {name: sql.Identifier(f"c{number}") for number, name in enumerate(decoded)}
    given: dict[str, sql.Composable] = {binding.fk: sql.SQL("m.cutover_parent")}
    if binding.position is not None:
        given[binding.position] = sql.SQL("m.cutover_place")
    for column, name in columns.of(binding, stream).given.items():
        given[column] = sql.SQL("m.cutover_key") if name == stream.key_field else sql.SQL("m.{}").format(names[name])
    return {
        "row": sql.Identifier(binding.child.alias),
        "shown": stream.shown,
        "columns": columns.expressions(binding, stream, given),
        "decoded": sql.SQL(", ").join(sql.SQL("{} AS {}").format(decoded[name], names[name]) for name in decoded),
        "proof": stream.codec.proof_sql(sql.SQL("cutover_element"), names),
        "each": sql.SQL("jsonb_array_elements_text" if stream.codec.textual else "jsonb_array_elements"),
        **order(stream),
    }


@cache
def short(binding: Binding, stream: BoundStream) -> str:
    """The statement that reads which parents have elements without a row, or might; its parameter are the keys."""
    return db.render(query("backfill", "short", whole=whole(binding, stream)))


@cache
def uneven(binding: Binding) -> str:
    """The statement that reads which parents have another number of rows than of elements; its parameter are the keys."""
    counts = [
        sql.SQL("count(*) FILTER (WHERE {} AND {}) AS {}").format(stream.shown, rows.stands(binding), number(stream))
        for stream in binding.streams
    ]
    tests = [
        sql.SQL("{} <> COALESCE(r.{}, 0)").format(reach.length(stream, difference.DOCUMENT), number(stream))
        for stream in binding.streams
    ]
    parts: dict[str, sql.Composable] = {
        **difference.tables(binding),
        "document": document.stored_document(binding),
        "counts": sql.SQL(", ").join(counts),
        "uneven": sql.SQL(" OR ").join(tests),
        "unreadable": reach.unreadable(binding),
    }
    return db.render(query("backfill", "uneven", **parts))


def number(stream: BoundStream) -> sql.Identifier:
    return sql.Identifier(f"n{stream.number}")


def standing_parts(binding: Binding, stream: BoundStream) -> dict[str, sql.Composable]:
    """The parts that say what a parent is like."""
    parts = {"version": VERSION, "shown": stream.shown, "stands": rows.stands(binding)}
    return {**difference.tables(binding), **parts}


def whole(binding: Binding, stream: BoundStream, way: Way = Way.WHOLE) -> sql.Composed:
    """The common table expressions up to `cutover_lists`."""
    element = rows.element(binding, stream) if stream.codec.compiles else sql.SQL("NULL")
    elements = sql.SQL("array_agg(({})::text ORDER BY {})").format(element, rows.newest_first(binding))
    direction = sql.SQL("ASC" if stream.newest_first else "DESC")
    tables, sure = difference.tables(binding), way is Way.NEXT
    parts: dict[str, sql.Composable] = {
        **tables,
        "document": document.stored_document(binding),
        "lists": document.lists(stream, difference.DOCUMENT),
        "misplaced": misplaced.condition(stream, difference.DOCUMENT),
        "key": rows.key(binding, stream),
        "row_elements": sql.SQL("NULL") if sure else elements,
        "other": sql.SQL("FALSE") if sure else query("backfill", "compared", direction=direction),
        "changed": query("backfill", "changed", **standing_parts(binding, stream)) if sure else sql.SQL("FALSE"),
        "unreadable": reach.unreadable(binding),
        "shown": stream.shown,
        "stands": rows.stands(binding),
        "fillable": fillable(stream),
        "taken": sql.SQL("w.length - w.have") if way is Way.WHOLE else query("backfill", "portion"),
    }
    return query("backfill", "whole", **parts)


def order(stream: BoundStream) -> dict[str, sql.Composable]:
    """The age of an element, from 1 at the newest; and the order of a list that is read oldest first.

    List by list: that is cheaper than to sort a chunk, and fills the pages of the index.
    """
    return {
        "age": sql.SQL("e.ordinality" if stream.newest_first else "l.length - e.ordinality + 1"),
        "oldest_first": sql.SQL("ORDER BY ordinality DESC" if stream.newest_first else ""),
    }


def fillable(stream: BoundStream) -> sql.Composable:
    """Whether the rest of a list can be inserted as it is, as far as all its elements together say."""
    tests: list[sql.Composable] = []
    if stream.key_field is not None:
        tests.append(sql.SQL("(l.key IS NOT NULL AND {})").format(difference.key_fits(stream, sql.SQL("l.key"))))
    if stream.codec.textual and not stream.codec.unmistakable:
        # Strict: a lax path would look into the lists among the elements.
        tests.append(sql.SQL("""NOT jsonb_path_exists(l.list, 'strict $[*] ? (@.type() != "string")')"""))
    if stream.distinct:
        # As many hashes as elements: then no two are equal. Two that only share a hash are paired, which is slower and right.
        text = "jsonb_array_elements_text(l.list)" if stream.codec.textual else "jsonb_array_elements(l.list)::text"
        tests.append(
            sql.SQL(
                f"(SELECT count(DISTINCT h.hash) FROM (SELECT hashtextextended({text}, 0) AS hash) h) = l.length"  # noqa: S608
            )
        )
    return sql.SQL(" AND ").join(tests) if tests else sql.SQL("TRUE")
