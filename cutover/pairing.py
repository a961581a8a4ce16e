"""Which element of a list is which row, and both as one list again.

Pure, and the same for every stream: elements come as their canonical JSON text (see `token`), newest first. The k-th newest of
several equal elements belongs to the k-th newest of the equal rows; in a `distinct` stream one row stands for all of them.
Time is no identity, and neither is the place from the head of a list.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

LONG_BITS = 14_000  # some 4,200 digits


def token(element: object) -> str:
    """An element as text that is equal for equal JSON values."""
    try:
        return ENCODER.encode(element)
    except ValueError:  # Python writes no integer of more than 4,300 digits (CVE-2020-10735)
        return token(spelled(element))


def spelled(value: object) -> object:
    """A value whose long integers are apart as well."""
    if isinstance(value, dict):
        return {key: spelled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [spelled(inner) for inner in value]
    return apart(Decimal(value)) if isinstance(value, int) and value.bit_length() > LONG_BITS else value


def apart(number: object) -> list[str]:
    """A number that JSON text would round, in a form that no element has."""
    return ["\ue000", str(number)]


# Made once: that costs more than a short element does.
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=apart)


@dataclass(frozen=True)
class Pairing:
    """Both sides of one list, newest first.

    Attributes:
        row_of: for each element the number of its row, or None.
        element_of: for each row the number of its element, or None.
    """

    row_of: tuple[int | None, ...]
    element_of: tuple[int | None, ...]

    @property
    def missing(self) -> list[int]:
        """The elements without a row."""
        return [number for number, row in enumerate(self.row_of) if row is None]

    @property
    def surplus(self) -> list[int]:
        """The rows without an element."""
        return [number for number, element in enumerate(self.element_of) if element is None]


def pair(
    elements: Sequence[str], rows: Sequence[str], *, stands: Sequence[bool] | None = None, distinct: bool
) -> Pairing:
    """Pair elements with rows; a row that cannot stand for an element (`stands` is False) stays alone."""
    free: dict[str, list[int]] = defaultdict(list)
    for number in reversed(range(len(rows))):
        if stands is None or stands[number]:
            free[rows[number]].append(number)
    row_of: list[int | None] = [None] * len(elements)
    element_of: list[int | None] = [None] * len(rows)
    first: dict[str, int] = {}
    for number, text in enumerate(elements):
        if distinct and text in first:
            row_of[number] = row_of[first[text]]
            continue
        first[text] = number
        if free[text]:
            row_of[number] = free[text].pop()
            element_of[row_of[number]] = number  # type: ignore[index]
        if distinct:
            for row in free.pop(text, ()):
                element_of[row] = number
    return Pairing(tuple(row_of), tuple(element_of))


def union(pairing: Pairing) -> list[tuple[str, int]]:
    """Both sides as one list, newest first: `("element", number)` and `("row", number)`.

    The JSON list stands as it is. A row that stands for none of its elements follows the nearest newer row that does; where
    there is none, it leads.
    """
    after: dict[int, list[int]] = defaultdict(list)
    anchor = -1
    for number, element in enumerate(pairing.element_of):
        if element is None:
            after[anchor].append(number)
        else:
            anchor = element
    merged = [("row", row) for row in after[-1]]
    for number in range(len(pairing.row_of)):
        merged.append(("element", number))
        merged += [("row", row) for row in after[number]]
    return merged


def distinct_view(values: Sequence[str], *, cap: int | None) -> list[int]:
    """The numbers of the values that a distinct list shows, newest first.

    A list with a cap shows the newest of equal values, for an older one may have been cut; one without shows the oldest, for
    the legacy writer skipped what was there.
    """
    order: Iterable[int] = range(len(values)) if cap is not None else reversed(range(len(values)))
    seen: set[str] = set()
    kept = []
    for number in order:
        if values[number] not in seen:
            seen.add(values[number])
            kept.append(number)
    return kept if cap is not None else kept[::-1]


def places(pairing: Pairing, positions: Sequence[int], floor: int) -> dict[int, int]:
    """A position for every element without a row: that of the newest position among older elements that have one.

    Rows are inserted oldest first, so the primary key decides between equal positions. Where no older element has a row, the
    position lies below `floor` (the least position of the parent's rows, at most 0), in the order of the list.
    """
    found: dict[int, int] = {}
    newest: int | None = None
    unplaced: list[int] = []
    for number in reversed(range(len(pairing.row_of))):
        row = pairing.row_of[number]
        if row is not None:
            newest = positions[row] if newest is None else max(newest, positions[row])
        elif newest is not None:
            found[number] = newest
        else:
            unplaced.append(number)
    for offset, number in enumerate(reversed(unplaced), start=1):
        found[number] = floor - offset
    return found
