"""The one statement of a write, composed of the parts in `write.sql`. Rendered once per binding, legs and columns.

The order of its parts is the order of their dependencies: fence, parent and its lock, items, one list after the other, verdict,
and then both legs, which happen together or not at all.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

from psycopg import sql

from cutover import db, marks
from cutover.mapping import Binding, BoundStream, document, rows
from cutover.sql import query
from cutover.write import columns


class Legs(Enum):
    """What a statement writes."""

    LEGACY = "the lists, before there is a ledger"
    LISTS = "the lists"
    BOTH = "the lists and the rows"
    ROWS = "the rows"

    @property
    def lists(self) -> bool:
        return self is not Legs.ROWS

    @property
    def rows(self) -> bool:
        return self in (Legs.BOTH, Legs.ROWS)


@lru_cache(maxsize=256)
def append(binding: Binding, legs: Legs, given: tuple[str, ...], single: bool = False, sound: bool = False) -> str:
    """The statement for rows that give these fields; shorter, and planned in less time, for one row and for sound ones.

    Its row: is the ledger where it was, is the parent there, first unencodable (item times streams plus stream), first stream
    whose list does not fit (-1: the text is no JSON), items that no stream shows (only where rows are not written), written.
    """
    parts = [
        query("write", "no_fence" if legs is Legs.LEGACY else "fence"),
        parent(binding, lock=legs.lists),
        item(binding, given),
    ]
    if legs.lists:
        parts += [stream(binding, each, single=single) for each in binding.streams]
        parts += [mark(legs is not Legs.LEGACY)]
    parts += [verdict(binding, legs, sound=sound)]
    if legs.lists:
        parts += [update(binding)]
    if legs.rows:
        parts += [insert(binding, given, stands_in_json=legs.lists)]
    written = f"(SELECT count(*) FROM {'cutover_insert' if legs.rows else 'cutover_added'})"  # noqa: S608
    return db.render(query("write", "append", parts=sql.SQL(", ").join(parts), written=sql.SQL(written)))


def parent(binding: Binding, *, lock: bool) -> sql.Composed:
    parts: dict[str, sql.Composable] = {
        "parent_key": binding.parent.key,
        "parent": binding.parent.identifier,
        "type": binding.parent.type,
    }
    if not lock:
        return query("write", "parent", **parts)
    return query(
        "write",
        "locked_parent",
        column=binding.parent.column(binding.column),
        # An empty path gives the document as it is, and in memory: else each use would unpack it from its storage again.
        document=sql.SQL("({} #> '{{}}')").format(document.stored_document(binding)),
        alias=sql.Identifier(binding.parent.alias),
        **parts,
    )


def mark(marked: bool) -> sql.Composed:
    return query("write", "mark", own=marks.OWN) if marked else query("write", "no_mark")


def item(binding: Binding, given: tuple[str, ...]) -> sql.Composed:
    """The rows as records: a JSON column and an element travel in a list of one, where JSON null is not SQL NULL."""
    names = [each.name for each in columns.of(binding)]
    values, definitions = [], []
    for name in names:
        kind = binding.kinds[name]
        column, sql_type = sql.Identifier(kind.column), sql.SQL(kind.sql_type)
        if name not in given:
            values.append(sql.SQL("NULL::{} AS {}").format(sql_type, column))
            continue
        place = sql.Identifier(f"c{given.index(name)}")
        wrapped = kind.family == "json"
        read = "(r.{} -> 0)::{} AS {}" if wrapped else "r.{}::{} AS {}"
        values.append(sql.SQL(read).format(place, sql_type, column))
        definitions.append(sql.SQL("{} {}").format(place, sql.SQL("jsonb") if wrapped else sql_type))
    for each in binding.streams:
        place = sql.Identifier(f"e{each.number}")
        values.append(sql.SQL("r.{} -> 0 AS {}").format(place, own("element", each)))
        definitions.append(sql.SQL("{} jsonb").format(place))
    return query(
        "write",
        "item",
        alias=sql.Identifier(binding.child.alias),
        selected=sql.SQL(", ").join([*map(binding.child.column, column_names(binding, names)), *flags(binding)]),
        type=binding.parent.type,
        fk=sql.Identifier(binding.fk),
        values=sql.SQL(", ").join(values),
        definitions=sql.SQL(", ").join(definitions),
    )


def flags(binding: Binding) -> list[sql.Composable]:
    """For each stream whether it shows the item, and the element."""
    return [
        part
        for each in binding.streams
        for part in (
            sql.SQL("({}) IS TRUE AS {}").format(each.shown, own("shown", each)),
            binding.child.column(f"cutover_element_{each.number}"),
        )
    ]


def stream(binding: Binding, each: BoundStream, *, single: bool) -> sql.Composed:
    """The list of one stream; it works on the document that the stream before it leaves."""
    before = sql.SQL("d.document")
    key = None if each.key_field is None else sql.SQL("%(key_{})s::text").format(sql.SQL(str(each.number)))
    parts: dict[str, sql.Composable] = {"shown": own("shown", each), "element": own("element", each)}
    return query(
        "write",
        "stream",
        list=own("list", each),
        gain=own("gain", each),
        after=own("document", each),
        before=own("document", binding.streams[each.number - 1]) if each.number else sql.SQL("cutover_parent"),
        fits=document.fits(each, before, key),
        list_at=document.list_at(each, before, key),
        is_new=is_new(each, single=single, **parts),
        with_list=document.with_list(each, before, key, longer(each)),
        order=sql.SQL("cutover_n DESC" if each.newest_first else "cutover_n"),
        **parts,
    )


def is_new(each: BoundStream, *, single: bool, **parts: sql.Composable) -> sql.Composable:
    """Whether an item is new to the list, and to the items before it."""
    if not each.distinct:
        return sql.SQL("TRUE")
    held = query("write", "is_new_string" if each.codec.textual else "is_new", **parts)
    return held if single else sql.SQL("{} AND {}").format(held, query("write", "is_first", **parts))


def longer(each: BoundStream) -> sql.Composable:
    """The list with what it gains, cut at the cap: the newest stay."""
    whole = "g.list || l.list" if each.newest_first else "l.list || g.list"
    if each.cap is None:
        return sql.SQL(f"({whole})")
    kept = f"$[0 to {each.cap - 1}]" if each.newest_first else f"$[last - {each.cap - 1} to last]"
    return sql.SQL(f"jsonb_path_query_array({whole}, '{kept}')")


def verdict(binding: Binding, legs: Legs, *, sound: bool) -> sql.Composed:
    """What is to be added, and whether all of it can be."""
    numbers = range(len(binding.streams))
    shown_nowhere = f"cutover_item WHERE NOT ({' OR '.join(f'cutover_shown_{n}' for n in numbers)})"
    parts = {
        "added": added(legs, numbers, shown_nowhere),
        "bad": "NULL::int" if sound else f"(SELECT min(b.code) FROM ({bad(numbers)}) b)",  # noqa: S608 - names of our own
        "misfit": misfit(numbers) if legs.lists else "NULL",
        "hidden": "0" if legs.rows else f"(SELECT count(*) FROM {shown_nowhere})",  # noqa: S608
    }
    return query("write", "verdict", **{name: sql.SQL(text) for name, text in parts.items()})


def added(legs: Legs, numbers: range, shown_nowhere: str) -> str:
    """The items that are new to a list; and to the table, those that no list shows."""
    if not legs.lists:
        return "SELECT cutover_n FROM cutover_item"
    gains = [f"SELECT cutover_n FROM cutover_gain_{n}" for n in numbers]  # noqa: S608
    return " UNION ".join([*gains, *([f"SELECT cutover_n FROM {shown_nowhere}"] if legs.rows else [])])  # noqa: S608


def bad(numbers: range) -> str:
    """Items that a stream shows and its codec cannot write, as item times streams plus stream."""
    return " UNION ALL ".join(
        f"SELECT cutover_n * {len(numbers)} + {n} AS code FROM cutover_item"  # noqa: S608
        f" WHERE cutover_shown_{n} AND cutover_element_{n} IS NULL"
        for n in numbers
    )


def misfit(numbers: range) -> str:
    """The first stream that shows an item and has no place for a list; -1 where the text is no JSON at all."""
    unfit = ", ".join(
        f"CASE WHEN EXISTS (SELECT FROM cutover_item WHERE cutover_shown_{n}) THEN"  # noqa: S608
        f" (SELECT CASE WHEN NOT fits THEN {n} END FROM cutover_list_{n}) END"
        for n in numbers
    )
    return f"CASE WHEN p.present AND p.document IS NULL THEN -1 ELSE LEAST({unfit}) END"


def update(binding: Binding) -> sql.Composed:
    gained = [sql.SQL("EXISTS (SELECT FROM {})").format(own("gain", each)) for each in binding.streams]
    return query(
        "write",
        "update",
        parent=binding.parent.identifier,
        parent_key=binding.parent.key,
        column=sql.Identifier(binding.column),
        stored=document.to_storage(binding, sql.SQL("d.document")),
        last=own("document", binding.streams[-1]),
        gained=sql.SQL(" OR ").join(gained),
    )


def insert(binding: Binding, given: tuple[str, ...], *, stands_in_json: bool) -> sql.Composed:
    names = [sql.Identifier(column) for column in column_names(binding, given)]
    values: list[sql.Composable] = [sql.SQL("i.{}").format(name) for name in names]
    into: list[sql.Composable] = list(names)
    if binding.position is not None:
        into.append(sql.Identifier(binding.position))
        values.append(rows.next_position(stands_in_json=stands_in_json))
    return query(
        "write",
        "insert",
        child=binding.child.identifier,
        fk=sql.Identifier(binding.fk),
        columns=sql.SQL(", ").join(into),
        values=sql.SQL(", ").join(values),
        selected=sql.SQL(", ").join(sql.SQL("i.{}").format(name) for name in names),
    )


def column_names(binding: Binding, names: list[str] | tuple[str, ...]) -> list[str]:
    return [binding.kinds[name].column for name in names]


def own(what: str, each: BoundStream) -> sql.Identifier:
    """The name of something that the statement makes for one stream."""
    return sql.Identifier(f"cutover_{what}_{each.number}")
