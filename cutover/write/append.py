"""Append rows to a parent: to its lists, to the table, or to both, as the phase asks; each parent in one statement.

Every statement carries the epoch on which it was decided. Where the ledger has moved, nothing is written and the write is
decided anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from cutover import db, lease
from cutover.lease import Lease
from cutover.mapping import Binding
from cutover.write import alone, items, refusals, statement
from cutover.write.items import Item
from cutover.write.statement import Legs

UNREADABLE = -1


@dataclass(frozen=True)
class Outcome:
    """How many rows were written, and how many were not because every list that shows them is distinct and had them.

    `buffered` are those that wait in the buffer: what becomes of them is known when they are flushed.
    """

    written: int
    duplicates: int
    buffered: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.written + other.written, self.duplicates + other.duplicates, self.buffered + other.buffered)


def append(binding: Binding, parent_key: Any, fields: Mapping[str, Any]) -> Outcome:
    """Write one row, given by field name; what is not given has the field's default. See `extend`."""
    key = refusals.parent_value(binding, parent_key)
    return write(binding, key, [items.item(binding, fields)])


def extend(binding: Binding, parent_key: Any, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    """Write rows, oldest first, all or none of them.

    One round trip, and one more for each further dynamic key; many rows alone go in by COPY, in a transaction of their own.

    A distinct list skips what it held before the call, and what came earlier in it; from STOP_JSON_WRITES on every row is
    written, and it is the reader who skips.

    Raises:
        NotEncodable: a value does not fit its column, its stream or the document.
        ParentMissing: the parent is not there, or not yet committed by another connection.
        PhaseMoved: the ledger moved under every one of five tries.
        django.db.Error: what the database said.
    """
    key = refusals.parent_value(binding, parent_key)
    pending = [items.item(binding, row) for row in rows]
    with together(binding.alias, differ(binding, pending)):
        return write(binding, key, pending)


def differ(binding: Binding, pending: list[Item]) -> bool:
    """Whether it takes more than one statement, where lists are written."""
    if any(stream.key_field for stream in binding.streams) and len({each.keys for each in pending}) > 1:
        return True
    return len({each.given for each in pending}) > 1


@contextmanager
def together(alias: str, several: bool) -> Iterator[None]:
    """A transaction where several statements are needed; a savepoint, inside one of the caller's."""
    if not several:
        yield
    elif db.in_transaction(alias):
        with transaction.atomic(using=alias):
            yield
    else:
        with db.read_committed(alias):
            yield


def write(binding: Binding, key: Any, pending: list[Item]) -> Outcome:
    total, tries = Outcome(0, 0), 0
    while pending:
        held = lease.current(binding)
        legs = legs_of(held)
        group, rest = parted(pending, legs)
        outcome = once(binding, key, group, held, legs)
        if outcome is None:
            tries += 1
            if tries == refusals.TRIES:
                raise refusals.moved(binding)
            lease.renew(binding)
            continue
        total += outcome
        pending = rest
    return total


def parted(pending: list[Item], legs: Legs) -> tuple[list[Item], list[Item]]:
    """Those that go into one statement with the first: the same columns, and the same lists where lists are written."""
    if len(pending) == 1:
        return pending, []
    given, keys = pending[0].given, pending[0].keys if legs.lists else None
    alike = [each.given == given and (keys is None or each.keys == keys) for each in pending]
    if all(alike):
        return pending, []
    both = list(zip(pending, alike, strict=True))
    return [each for each, found in both if found], [each for each, found in both if not found]


def legs_of(held: Lease) -> Legs:
    if not held.fenced:
        return Legs.LEGACY
    if not held.phase.writes_rows:
        return Legs.LISTS
    return Legs.BOTH if held.phase.writes_json else Legs.ROWS


def once(binding: Binding, key: Any, group: list[Item], held: Lease, legs: Legs) -> Outcome | None:
    """One try; None if the ledger has moved."""
    if legs is Legs.ROWS and alone.suits(binding, group, held) and alone.write(binding, key, group, held):
        return Outcome(len(group), 0)
    given = group[0].given
    values = {
        "name": binding.name,
        "epoch": held.entry.epoch,
        "key": key,
        "items": items.payload(binding, group, given),
        **{f"key_{number}": each for number, each in enumerate(group[0].keys)},
    }
    sound = all(each.sound for each in group)
    text = statement.append(binding, legs, given, len(group) == 1, sound)
    _, found = db.repeat(binding.alias, text, values)
    open_, there, bad, misfit, hidden, written = found or (False, False, None, None, 0, 0)
    if not open_:
        return None
    if not there:
        raise refusals.missing(binding, key)
    if bad is not None:
        number, place = divmod(bad, len(binding.streams))
        raise items.refusal(binding, binding.streams[place], group[number].elements[place].reason)
    if misfit is not None:
        if misfit == UNREADABLE:
            raise refusals.unfit(binding, key, None)
        raise refusals.unfit(binding, key, binding.streams[misfit], group[0].keys[misfit])
    if hidden:
        raise refusals.nowhere(binding, held)
    return Outcome(written, len(group) - written)
