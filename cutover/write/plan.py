"""What a rewrite of one list does to its rows: which go, which stay as they are, which move or are new. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.pairing import distinct_view, pair


@dataclass(frozen=True)
class Plan:
    """Rows and elements by their numbers, newest first on both sides.

    Attributes:
        gone: rows that the new list does not hold.
        tail: what has to come after all that stays, oldest first: `("row", number)` moves, `("element", number)` is new.
    """

    gone: tuple[int, ...]
    tail: tuple[tuple[str, int], ...]


def plan(
    wanted: Sequence[str],
    rows: Sequence[str],
    *,
    may_stay: Sequence[bool],
    distinct: bool,
    cap: int | None = None,
    movable: bool = True,
) -> Plan:
    """Turn the rows of a list into those of another list; both sides as tokens, newest first.

    As many of the oldest rows as possible stay: those in the order of the new list, up to the first that `may_stay` denies or
    that is out of order. All that is newer moves or is new. Where positions cannot be given (`movable` is False), no row moves.
    In a distinct list equal rows go together; the place of an element is that of the newest of them, or, without a cap, of the
    oldest, as `pairing.distinct_view` reads them.
    """
    pairing = pair(wanted, rows, distinct=distinct)
    numbers = distinct_view(wanted, cap=cap) if distinct else range(len(wanted))
    by_element: dict[str | int, list[int]] = {}
    for row, element in enumerate(pairing.element_of):
        if element is not None:
            by_element.setdefault(wanted[element] if distinct else element, []).append(row)
    tail: list[tuple[str, int]] = []
    last = len(rows)
    for number in reversed(numbers):
        mine = by_element.get(wanted[number] if distinct else number, [])
        place = min(mine, default=last) if cap is not None else max(mine, default=last)
        if not mine:
            tail.append(("element", number))
        elif tail or place >= last or not all(may_stay[row] for row in mine):
            tail += [("row", row) for row in reversed(mine)]
        else:
            last = place
    if not movable:
        tail = [each for each in tail if each[0] == "element"]
    return Plan(tuple(pairing.surplus), tuple(tail))
