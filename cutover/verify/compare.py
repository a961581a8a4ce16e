"""Both sides of a chunk of parents, counted and summed by PostgreSQL in one snapshot: where to look, not what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from cutover import db
from cutover.mapping import Binding, rows
from cutover.sql import query
from cutover.verify import exact, quick

in_order = quick.in_order


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
    """One parent as a chunk sees it: its streams, and whether the backfill has been there and has to come again, which is
    asked only where the sides do not agree."""

    key: Any
    size_bytes: int
    unreadable: bool
    visited: bool = False
    dirty: bool = False
    streams: list[Measure] = field(default_factory=list)

    @property
    def measured(self) -> set[int]:
        """The numbers of the streams that are measured."""
        return {each.stream for each in self.streams}


def chunk(binding: Binding, after: Any, limit: int) -> list[Parent]:
    """The next parents after a key, in the order of their keys; fewer than `limit` are the last."""
    with db.one_snapshot(binding.alias):
        for setting in quick.SETTINGS:
            db.set_local(binding.alias, setting, "off")
        measured = db.rows(binding.alias, quick.statement(binding), {"after": after, "limit": limit})
        parents = {row[0]: Parent(*row[:3]) for row in measured}
        for place, stream in enumerate(quick.streams(binding)):
            first = 3 + place * quick.VALUES
            for row in measured:
                if row[first]:
                    parents[row[0]].streams.append(agreed(stream.number, row[first + 1 : first + quick.VALUES]))
        complete(binding, parents)
    return list(parents.values())


def complete(binding: Binding, parents: dict[Any, Parent]) -> None:
    """Measure what the quick statement could not decide, and ask where the backfill has been, where that matters."""
    for stream in binding.streams:
        undecided = [key for key, parent in parents.items() if stream.number not in parent.measured]
        if undecided:
            text = exact.statement(binding, stream)
            for key, *numbers, odd in db.rows(binding.alias, text, {"keys": undecided}):
                parents[key].streams.append(measure(stream.number, numbers, odd))
    asked = []
    for key, parent in parents.items():
        parent.streams.sort(key=lambda each: each.stream)
        if parent.unreadable or not all(
            each.agrees(in_order(binding, binding.streams[each.stream])) for each in parent.streams
        ):
            asked.append(key)
    if asked:
        text = query("verify", "visits", type=binding.parent.type, **visits(binding))
        for key, visited, dirty in db.rows(binding.alias, text, {"name": binding.name, "keys": asked}):
            parents[key].visited, parents[key].dirty = visited, dirty


def agreed(stream: int, numbers: Sequence[Any]) -> Measure:
    """A measure of two sides that are one list."""
    elements, checksum, standing, kept, after_json = map(int, numbers)
    both = (elements, checksum, 0)
    return Measure(stream, *both, *both, standing, kept, after_json, 0, False)


def measure(stream: int, numbers: Sequence[Any], odd: bool) -> Measure:
    """A measure from its ten numbers in their order."""
    elements, checksum, ordered, other, other_checksum, other_ordered, *found = map(int, numbers)
    standing, kept, after_json, broken = found
    table = (other, other_checksum, other_ordered)
    return Measure(stream, elements, checksum, ordered, *table, standing, kept, after_json, broken, odd)


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
