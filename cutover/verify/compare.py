"""Both sides of a chunk of parents, counted and summed by PostgreSQL in one statement: where to look, not what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from psycopg import sql

from cutover import db
from cutover.codecs.quote import literal
from cutover.mapping import Binding, BoundStream, document, rows
from cutover.sql import query


@dataclass(frozen=True)
class Measure:
    """One stream of one parent.

    Attributes:
        elements, checksum, ordered: of JSON; `table_...` of the rows that stand for it, within the cap.
        rows: rows that stand; `kept` of them are compared, the others lie beyond the cap.
        after_json: rows that stand for no JSON element.
        broken: rows that make no element.
        odd: whether something that is no list stands at the stream's path.
    """

    stream: int
    elements: int
    checksum: int
    ordered: int
    table_elements: int
    table_checksum: int
    table_ordered: int
    rows: int
    kept: int
    after_json: int
    broken: int
    odd: bool

    def agrees(self, in_order: bool) -> bool:
        """Whether both sides hold the same elements, and in the same order where that counts."""
        mine, other = (self.elements, self.checksum), (self.table_elements, self.table_checksum)
        same_order = not in_order or self.ordered == self.table_ordered
        return mine == other and same_order and not self.broken and not self.odd


@dataclass
class Parent:
    """One parent as a chunk sees it: its streams, and whether the backfill has been there and has to come again."""

    key: Any
    size_bytes: int
    unreadable: bool
    visited: bool
    dirty: bool
    streams: list[Measure] = field(default_factory=list)


def chunk(binding: Binding, after: Any, limit: int) -> list[Parent]:
    """The next parents after a key, in the order of their keys; fewer than `limit` are the last."""
    found: dict[Any, Parent] = {}
    values = {"name": binding.name, "after": after, "limit": limit}
    with db.one_snapshot(binding.alias):
        measured = db.rows(binding.alias, statement(binding), values)
    for key, size_bytes, unreadable, visited, dirty, stream, *numbers, odd in measured:
        parent = found.setdefault(key, Parent(key, size_bytes, unreadable, visited, dirty))
        parent.streams.append(measure(stream, numbers, odd))
    return list(found.values())


def measure(stream: int, numbers: Sequence[Any], odd: bool) -> Measure:
    """A measure from its ten numbers in their order."""
    elements, checksum, ordered, other, other_checksum, other_ordered, *found = map(int, numbers)
    standing, kept, after_json, broken = found
    table = (other, other_checksum, other_ordered)
    return Measure(stream, elements, checksum, ordered, *table, standing, kept, after_json, broken, odd)


def in_order(binding: Binding, stream: BoundStream) -> bool:
    """Whether the order of a stream can be compared: not in a table ordered by time; and a distinct list that shows rows
    of another has the order in which that one brought them."""
    return binding.position is not None and (stream.number == 0 or not stream.distinct)


def places(binding: Binding) -> dict[str, sql.Composable]:
    """The identifiers that most queries need."""
    return {
        "parent": binding.parent.identifier,
        "parent_key": binding.parent.key,
        "type": binding.parent.type,
        "child": binding.child.identifier,
        "fk": rows.parent_key(binding),
        "pk": binding.child.key,
        "stands": rows.stands(binding),
        "shown": any_of([stream.shown for stream in binding.streams]),
    }


def any_of(conditions: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(" OR ").join(conditions)


def visits(binding: Binding) -> dict[str, sql.Composable]:
    """Whether the backfill has been at the parent `c.key`, and whether it has to come again."""
    return {"visited": query("verify", "visited", type=binding.parent.type), "dirty": query("verify", "dirty")}


@cache
def statement(binding: Binding) -> str:
    column = binding.parent.column(binding.column)
    stored = document.stored_document(binding)
    unreadable = sql.SQL("({} IS NOT NULL AND {} IS NULL)").format(column, stored)
    parts: dict[str, sql.Composable] = {
        "column": column,
        "document": stored,
        "unreadable": sql.SQL("FALSE") if binding.storage == "jsonb" else unreadable,
        "streams": sql.SQL(" UNION ALL ").join(
            sql.SQL("({})").format(stream_sql(binding, stream)) for stream in binding.streams
        ),
    }
    base = {name: part for name, part in places(binding).items() if name in ("parent", "parent_key", "type")}
    return db.render(query("verify", "chunk", **base, **visits(binding), **parts))


def stream_sql(binding: Binding, stream: BoundStream) -> sql.Composable:
    stored = sql.Identifier("c", "document")
    return query(
        "verify",
        "stream",
        number=literal(stream.number),
        elements=elements_sql(stream, stored),
        rows=rows_sql(binding, stream),
        element_hash=hashed("e"),
        row_hash=hashed("r"),
        within_cap=sql.SQL("TRUE") if stream.cap is None else sql.SQL("rank <= {}").format(literal(stream.cap)),
        odd=odd_sql(stream, stored),
    )


def odd_sql(stream: BoundStream, stored: sql.Composable) -> sql.Composable:
    """Whether something else stands where a list of the stream, or the way to it, should be."""
    if stream.key_field is None:
        return sql.SQL("NOT {}").format(document.fits(stream, stored, None))
    before, _ = document.split(stream)
    way = [document.at(stored, before[:place]) for place in range(len(before))]
    tests = [sql.SQL("COALESCE(jsonb_typeof({}) NOT IN ('object', 'null'), FALSE)").format(each) for each in way]
    lists = document.lists(stream, stored)
    tests.append(sql.SQL("EXISTS (SELECT FROM {} o WHERE jsonb_typeof(o.list) <> 'array')").format(lists))
    return sql.SQL("({})").format(any_of(tests))


def elements_sql(stream: BoundStream, stored: sql.Composable) -> sql.Composable:
    found = document.elements(stream, stored)
    if not stream.distinct:
        return query("verify", "elements", elements=found)
    return query("verify", "distinct_elements", elements=found, shown_age=shown_age(stream))


def rows_sql(binding: Binding, stream: BoundStream) -> sql.Composable:
    parts = places(binding)
    found = query(
        "verify",
        "table_rows",
        key=rows.key(binding, stream),
        element=rows.element(binding, stream),
        newest_first=rows.newest_first(binding),
        shown=stream.shown,
        **{name: parts[name] for name in ("stands", "child", "fk")},
    )
    if not stream.distinct:
        return found
    return query("verify", "distinct_rows", rows=found, shown_age=shown_age(stream))


def shown_age(stream: BoundStream) -> sql.SQL:
    """Which of several equal ones a distinct list shows: see `pairing.distinct_view`."""
    return sql.SQL("min(age)" if stream.cap is not None else "max(age)")


def hashed(alias: str) -> sql.Composable:
    """64 bits of an element's text, its dynamic key in the seed. COLLATE "C", for other collations may not hash."""
    return sql.SQL(
        'hashtextextended({0}.element COLLATE "C", COALESCE(hashtextextended({0}.key COLLATE "C", 1), 0))'
    ).format(sql.Identifier(alias))
