"""Both sides of a chunk of parents, counted and summed by PostgreSQL in one snapshot: where to look, not what is wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from psycopg import sql

from cutover import db
from cutover.mapping import Binding, rows
from cutover.sql import query
from cutover.verify import exact, quick

in_order = quick.in_order


class Measure(NamedTuple):
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
    asked only where the sides do not agree.

    Attributes:
        number: how many they are: those whose sides agree come as one, with the sums of what was counted and the last one's key.
    """

    key: Any
    size_bytes: int
    unreadable: bool
    number: int = 1
    visited: bool = False
    dirty: bool = False
    streams: list[Measure] = field(default_factory=list)


def chunk(binding: Binding, after: Any, limit: int) -> list[Parent]:
    """The next parents after a key, in the order of their keys; a `number` of fewer than `limit` are the last."""
    with db.one_snapshot(binding.alias):
        for setting in quick.SETTINGS:
            db.set_local(binding.alias, setting, "off")
        measured = db.rows(binding.alias, quick.statement(binding), {"after": after, "limit": limit})
        parents = {row[0]: Parent(*row[: quick.FIRST]) for row in measured}
        undecided = {stream.number: list(parents) for stream in binding.streams if stream.key_field is not None}
        for place, stream in enumerate(quick.streams(binding)):
            first = quick.FIRST + place * quick.VALUES
            for row in measured:
                if row[first]:
                    parents[row[0]].streams.append(agreed(stream.number, *row[first + 1 : first + quick.VALUES]))
            undecided[stream.number] = [row[0] for row in measured if not row[first]]
        complete(binding, parents, undecided)
    return list(parents.values())


def number(parents: Iterable[Parent]) -> int:
    """How many parents they are."""
    return sum(parent.number for parent in parents)


def complete(binding: Binding, parents: Mapping[Any, Parent], undecided: Mapping[int, Sequence[Any]]) -> None:
    """Measure what the quick statement could not decide, and ask where the backfill has been, where that matters."""
    asked = dict.fromkeys(key for key, parent in parents.items() if parent.unreadable)
    for number, keys in undecided.items():
        if not keys:
            continue
        for key, *numbers, odd in db.rows(
            binding.alias, exact.statement(binding, binding.streams[number]), {"keys": list(keys)}
        ):
            found = measure(number, numbers, odd)
            parents[key].streams.append(found)
            if not found.agrees(in_order(binding, binding.streams[number])):
                asked[key] = None
    for key in {key for keys in undecided.values() for key in keys}:
        parents[key].streams.sort()
    if asked:
        text = query("verify", "visits", type=binding.parent.type, **visits(binding))
        for key, visited, dirty in db.rows(binding.alias, text, {"name": binding.name, "keys": list(asked)}):
            parents[key].visited, parents[key].dirty = visited, dirty


def agreed(stream: int, elements: int, checksum: Decimal, standing: int, kept: int, after_json: int) -> Measure:
    """A measure of two sides that are one list."""
    whole = int(checksum)
    return Measure(stream, elements, whole, 0, elements, whole, 0, standing, kept, after_json, 0, False)


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
