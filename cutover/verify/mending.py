"""For each class of difference what is done about it, step by step, in the lists of one parent whose lock is held."""

from collections.abc import Callable
from typing import Any

from cutover import snapshot
from cutover.mapping import Binding, BoundStream
from cutover.pairing import places
from cutover.phase import Phase
from cutover.snapshot import ListSides
from cutover.verify import mend, rebuild, result
from cutover.verify.detail import Look
from cutover.verify.findings import Finding

Step = Callable[[Binding, BoundStream, Look, list[Finding]], list[Finding]]

WHAT = {
    result.VALUE_DIFFERS: "give the row the value that JSON has",
    result.MISSING_IN_TABLE: "insert its row",
    result.MISSING_IN_JSON: "put it back into JSON",
    result.ORDER_DIFFERS: "put the rows into the order of JSON",
    result.STALE: "delete the row, and have the backfill begin anew",
}
LEFT = {
    result.VALUE_DIFFERS: "left alone: JSON is no longer written, and another list may show the row",
    result.MISSING_IN_TABLE: "left alone: the stream cannot fill a row",
    result.MISSING_IN_JSON: "left alone: JSON is no longer written",
    result.ORDER_DIFFERS: "left alone: JSON is no longer written",
    result.STALE: "left alone: another list shows the row",
    result.UNDECODABLE: "left alone: mend the element, or waive it by name",
    result.UNENCODABLE: "left alone: mend the row, or exclude it by `where`",
}


def what(kind: str, phase: Phase) -> str:
    """What is done about a class in a phase; empty where it is left alone."""
    if kind != result.MISSING_IN_TABLE and not phase.writes_json:
        return ""
    return WHAT.get(kind, "")


def lists(stream: BoundStream, look: Look, found: list[Finding]) -> dict[str | None, tuple[ListSides, list[Finding]]]:
    """The lists that have findings, with those."""
    all_lists = snapshot.lists(stream, look.sides, look.document)
    keys = dict.fromkeys(each.key for each in found)
    return {key: (all_lists[key], [each for each in found if each.key == key]) for key in keys}


def values(binding: Binding, stream: BoundStream, look: Look, found: list[Finding]) -> list[Finding]:
    """JSON wins, unless another list agrees with the row as it is."""
    wrong = [(each, each.row.pk) for each in found if each.row is not None]
    held_elsewhere = agreed(binding, stream, look)
    done = [(each, pk) for each, pk in wrong if pk not in held_elsewhere]
    mend.update(binding, [(pk, stream.codec.decode(each.value)) for each, pk in done])
    return [each for each, _ in done]


def agreed(binding: Binding, own: BoundStream, look: Look) -> set[Any]:
    """The rows that have their element in the list of another stream."""
    return {
        row.pk
        for stream in binding.streams
        if stream is not own
        for sides in snapshot.lists(stream, look.sides, look.document).values()
        for row, element in zip(sides.rows, sides.pairing.element_of, strict=True)
        if element is not None
    }


def rows(binding: Binding, stream: BoundStream, look: Look, found: list[Finding]) -> list[Finding]:
    """Insert the missing rows, oldest first, at the places that the backfill would give them."""
    done = []
    positions = [row.position or 0 for row in look.sides.rows]
    for key, (sides, mine) in lists(stream, look, found).items():
        at = places(sides.pairing, [row.position or 0 for row in sides.rows], min([0, *positions]))
        oldest_first = sorted(mine, key=lambda each: -(each.number or 0))
        more = {} if stream.key_field is None else {stream.key_field: key}
        given = [(stream.codec.decode(each.value) | more, at[each.number or 0]) for each in oldest_first]
        inserted = mend.insert(binding, stream, look.sides.key, given)
        done += [each for each, there in zip(oldest_first, inserted, strict=True) if there]
    return done


def documents(binding: Binding, stream: BoundStream, look: Look, found: list[Finding]) -> list[Finding]:
    """Put the rows that JSON lost back into their lists, where the union of both sides has them."""
    new = [
        (stream, key, rebuild.shown(stream, sides, alone=False))
        for key, (sides, _) in lists(stream, look, found).items()
    ]
    return found if mend.write_lists(binding, look.sides.key, new) else []


def order(binding: Binding, stream: BoundStream, look: Look, found: list[Finding]) -> list[Finding]:
    """Give the rows that have elements new positions, in the order of those; all others keep their place among them."""
    pks = [row.pk for row in look.sides.rows]
    for sides, _ in lists(stream, look, found).values():
        wanted = list(dict.fromkeys(sides.rows[row].pk for row in sides.pairing.row_of if row is not None))
        slots = sorted(pks.index(pk) for pk in wanted)
        for slot, pk in zip(slots, wanted, strict=True):
            pks[slot] = pk
    mend.renumber(binding, pks[::-1])
    return found


def stale(binding: Binding, stream: BoundStream, look: Look, found: list[Finding]) -> list[Finding]:
    """Delete rows of an earlier dual write; first nobody may believe any more that the backfill was complete."""
    held_elsewhere = agreed(binding, stream, look)
    gone = [each for each in found if each.row is not None and each.row.pk not in held_elsewhere]
    mend.forget_backfill(binding)
    mend.delete(binding, [each.row.pk for each in gone if each.row is not None])
    return gone


STEPS: dict[str, Step] = {
    result.VALUE_DIFFERS: values,
    result.MISSING_IN_TABLE: rows,
    result.MISSING_IN_JSON: documents,
    result.ORDER_DIFFERS: order,
    result.STALE: stale,
}
