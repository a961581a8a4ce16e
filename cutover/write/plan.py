"""What a rewrite of one list does to its rows: which go, which stay, which are edited, which move or are new. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cutover.pairing import distinct_view, pair
from cutover.write import edits


@dataclass(frozen=True)
class Step:
    """One place of the new list: a row that is there, one that is edited to hold an element, or an element as a new row.

    Attributes:
        row, element: their numbers, newest first on both sides.
        stays: whether the row can keep its position, as far as the order of the list goes.
        equals: in a distinct list the other rows of the same element, oldest first and this one among them: where it moves,
            all of them do.
    """

    row: int | None
    element: int | None = None
    stays: bool = False
    equals: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """`gone` are rows that the new list does not hold; `steps` are all places of it, oldest first."""

    gone: tuple[int, ...]
    steps: tuple[Step, ...]


def plan(
    wanted: Sequence[str],
    rows: Sequence[str],
    *,
    may_stay: Sequence[bool],
    distinct: bool,
    cap: int | None = None,
    movable: bool = True,
    decodes: Callable[[int], bool] = lambda _: True,
) -> Plan:
    """Turn the rows of a list into those of another list; both sides as tokens, newest first.

    As many rows as possible stay where they are: the longest run that both orders have in common. A row that goes and an element
    that comes at the same place are one that is edited. A row that `may_stay` denies moves to where it is. Where positions
    cannot be given (`movable` is False), no row moves. In a distinct list equal rows go together; the place of an element is that
    of the newest of them, or, without a cap, of the oldest, as `pairing.distinct_view` reads them. An element that does not
    decode is nothing that a row can be edited to.
    """
    pairing = pair(wanted, rows, distinct=distinct)
    numbers = list(distinct_view(wanted, cap=cap) if distinct else range(len(wanted)))[::-1]
    members: dict[str | int, list[int]] = {}
    for row, element in enumerate(pairing.element_of):
        if element is not None:
            members.setdefault(wanted[element] if distinct else element, []).append(row)
    groups = {number: members.get(wanted[number] if distinct else number, []) for number in numbers}
    shows = {n: (min(group) if cap is not None else max(group)) for n, group in groups.items() if group}
    there = [number for number in numbers if number in shows]
    anchors = {there[place]: shows[there[place]] for place in longest([-shows[number] for number in there])}
    edited = edits.between(
        anchors,
        [(row, rows[row]) for row in pairing.surplus],
        [(number, wanted[number]) for number in numbers if number not in shows and decodes(number)],
    )
    steps = [
        step_of(number, shows.get(number), tuple(groups[number][::-1]), edited.get(number), number in anchors, may_stay)
        for number in numbers
    ]
    gone = set(pairing.surplus) - set(edited.values())
    return Plan(tuple(sorted(gone)), tuple(steps if movable else map(unmoved, steps)))


def step_of(
    number: int, row: int | None, group: tuple[int, ...], edited: int | None, anchored: bool, may_stay: Sequence[bool]
) -> Step:
    if row is not None:
        equals = group if len(group) > 1 else ()
        return Step(row, None, anchored and all(may_stay[each] for each in group), equals)
    return Step(edited, number, edited is not None and may_stay[edited])


def unmoved(step: Step) -> Step:
    return Step(step.row, step.element, step.row is not None)


def longest(values: Sequence[int]) -> Iterable[int]:
    """The places of a longest strictly ascending run of the values (patience sorting, O(n log n))."""
    ends: list[int] = []  # the least value that a run of each length ends with
    last: list[int] = []
    before: list[int | None] = []
    for place, value in enumerate(values):
        length = bisect_left(ends, value)
        before.append(last[length - 1] if length else None)
        ends[length : length + 1] = [value]
        last[length : length + 1] = [place]
    at = last[-1] if last else None
    while at is not None:
        yield at
        at = before[at]
