"""Positions for the rows of a rewritten list: between their neighbours where there is room, else at the newest end. Pure.

Live positions are `2 * n + bit` with n from one sequence for all parents, so between two rows of a parent there is as much room
as others have drawn meanwhile. A negative position is one of history; there is room without end below them, and none between.
New rows may have the position of their older neighbour: the key decides between equal positions, and theirs are the highest. A
row that has to make room may have that of its newer one, if its key is lower.
Two rows are never given different positions with the same n, for `verify.rehydration` sets the bit and leaves n.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

WINDOW = 1_000  # how far a free place is looked for


@dataclass(frozen=True)
class Spot:
    """A place of the list, in its order.

    Attributes:
        stands: what the position has to say: whether the row stands for a JSON element. History always does.
        position, key: of a row that is there.
        stays: whether it may keep its position.
    """

    stands: bool
    position: int | None = None
    key: Any = None
    stays: bool = False


def place(spots: Sequence[Spot], *, ties: bool, taken: Collection[int] = ()) -> list[int | None]:
    """A position for each spot, oldest first; None is a new one, to be drawn from the sequence.

    Spots that may stay do, as far as what comes between them finds room; otherwise as few of their neighbours as possible move as
    well, on the one side or the other.

    Args:
        ties: whether new rows have higher keys than those that are there.
        taken: positions of other rows of the parent.
    """
    found = [spot.position if spot.stays else None for spot in spots]
    kept = [number for number, spot in enumerate(spots) if spot.stays]
    used = {coarse(position) for position in taken}
    gap = 0  # the one before kept[gap]
    while gap < len(kept):
        start = kept[gap - 1] + 1 if gap else 0
        if start == kept[gap]:
            gap += 1
            continue
        widened = room(spots, kept, gap, ties, used)
        if widened is None:  # only at the newest end
            found[start:] = [None] * (len(spots) - start)
            break
        first, last, positions = widened
        begin = kept[first] + 1 if first >= 0 else 0
        found[begin : kept[last]] = positions
        used |= {coarse(each) for each in positions}
        del kept[first + 1 : last]
        gap = first + 2
    return found


def room(
    spots: Sequence[Spot], kept: list[int], gap: int, ties: bool, used: set[int]
) -> tuple[int, int, list[int]] | None:
    """The least gap around that has room: the kept spots beside it, by their place in `kept` (-1: none), and its positions."""
    for more in range(len(kept)):
        for first, last in dict.fromkeys([(gap - 1, gap + more), (gap - 1 - more, gap)]):
            if last >= len(kept):
                return None
            if first < -1:
                continue
            begin = kept[first] + 1 if first >= 0 else 0
            left = spots[kept[first]] if first >= 0 else None
            positions = fit(spots[begin : kept[last]], left, spots[kept[last]], ties, used)
            if positions is not None:
                return first, last, positions
    return None


def fit(spots: Sequence[Spot], left: Spot | None, right: Spot, ties: bool, used: set[int]) -> list[int] | None:
    """Positions between two neighbours, or None where there is no room."""
    runs = split(spots, ties)
    places = free(runs, left, right, used)
    head = len(runs[0]) if len(places) < len(runs) and left and ties and tied(left, runs[0][0], right) else 0
    runs = runs[1:] if head else runs
    tail = len(runs[-1]) if len(places) < len(runs) and ties and tied_above(left, runs[-1][-1], right) else 0
    runs = runs[:-1] if tail else runs
    if len(places) < len(runs):
        return None
    below, above = left.position if left and left.position else 0, right.position or 0
    return [below] * head + fit_runs(runs, places) + [above] * tail


def fit_runs(runs: list[list[Spot]], places: Sequence[int]) -> list[int]:
    """The runs at some of the places, spread over them."""
    found: list[int] = []
    for number, run in enumerate(runs):
        chosen = places[(2 * number + 1) * len(places) // (2 * len(runs))]
        found += [chosen if chosen < 0 else 2 * chosen + run[0].stands] * len(run)
    return found


def split(spots: Sequence[Spot], ties: bool) -> list[list[Spot]]:
    """Runs of spots that can have one position: their keys ascend, and they say the same."""
    runs: list[list[Spot]] = []
    for spot in spots:
        if runs and ties and spot.stands == runs[-1][-1].stands and ascending(runs[-1][-1], spot):
            runs[-1].append(spot)
        else:
            runs.append([spot])
    return runs


def ascending(before: Spot, after: Spot) -> bool:
    return after.key is None or (before.key is not None and before.key < after.key)


def tied(left: Spot, spot: Spot, right: Spot) -> bool:
    """Whether a spot can have the position of its older neighbour."""
    at, above = left.position or 0, right.position or 0
    return at < above and spot.stands == stands(at) and ascending(left, spot)


def tied_above(left: Spot | None, spot: Spot, right: Spot) -> bool:
    """Whether a row that is there can have the position of its newer neighbour."""
    at = right.position or 0
    apart = left is None or (left.position or 0) < at
    return apart and spot.key is not None and spot.stands == stands(at) and ascending(spot, right)


def free(runs: list[list[Spot]], left: Spot | None, right: Spot, used: set[int]) -> list[int]:
    high = coarse(right.position or 0)
    low = None if left is None else coarse(left.position or 0)
    if not all(run[0].stands for run in runs):
        low = -1 if low is None else max(low, -1)
    if low is None:
        top = min([high, 0, *used])
        return list(range(top - len(runs), top))
    return [number for number in range(low + 1, min(high, low + 1 + WINDOW)) if number not in used]


def coarse(position: int) -> int:
    """What two rows with different positions differ in: the position without the bit."""
    return position if position < 0 else position >> 1


def stands(position: int) -> bool:
    return position < 0 or bool(position & 1)
