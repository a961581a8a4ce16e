"""What a change of rows does to the other lists of a document. Pure: both sides come from a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cutover import snapshot
from cutover.mapping import Binding, BoundStream
from cutover.pairing import distinct_view, token
from cutover.snapshot import ListSides, Row, Sides
from cutover.write import items
from cutover.write.changes import Place


def ordered(binding: Binding, place: Place, newest_first: list[Any]) -> list[Any]:
    """The elements in the order of the list."""
    return newest_first if binding.streams[place[0]].newest_first else newest_first[::-1]


def emptied(
    binding: Binding, own: BoundStream, before: Sides, document: Any, touched: Collection[Any]
) -> dict[Place, list[Any]]:
    """The other lists without the elements of rows that have gone or are edited, where JSON is no longer written."""
    found: dict[Place, list[Any]] = {}
    for stream in binding.streams:
        if stream is not own:
            for key, sides in snapshot.lists(stream, before, document).items():
                new = left(stream, sides, touched)
                if len(new) < len(sides.elements):
                    found[stream.number, key] = new
    return found


def changed(
    binding: Binding,
    own: BoundStream,
    before: Sides,
    document: Any,
    after: Sequence[Row],
    touched: Collection[Any],
    taken_over: Collection[Any],
) -> dict[Place, list[Any]]:
    """The other lists that change, newest first, in the order of the rows as they are now.

    Args:
        after: all rows, newest first.
        touched: keys of rows that have gone, have moved, or are edited.
        taken_over: keys of new rows whose elements had been in JSON alone; another list may hold what they are there.
    """
    known = {row.pk for row in before.rows}
    anew = {row.pk for row in after if row.pk in touched or row.pk not in known}
    found: dict[Place, list[Any]] = {}
    for stream in binding.streams:
        if stream is own:
            continue
        lists = snapshot.lists(stream, before, document)
        rows = by_key(stream, after)
        for key in {**lists, **rows}:
            sides = lists.get(key) or snapshot.list_sides(stream, key, [], [])
            new = relisted(stream, sides, rows.get(key, []), touched, anew, taken_over)
            if [token(each) for each in new] != [token(each) for each in sides.elements]:
                found[stream.number, key] = new
    return found


def by_key(stream: BoundStream, after: Sequence[Row]) -> dict[str | None, list[Row]]:
    found: dict[str | None, list[Row]] = {}
    for row in after:
        if row.shown[stream.number]:
            found.setdefault(items.key_of(stream, row.values), []).append(row)
    return found


def relisted(
    stream: BoundStream,
    sides: ListSides,
    after: Sequence[Row],
    touched: Collection[Any],
    anew: Collection[Any],
    taken_over: Collection[Any],
) -> list[Any]:
    """One list: what was touched leaves it, and each row that comes is put behind its nearest newer one."""
    staying, again = stayers(stream, sides, touched)
    coming = {row.pk for row in after if row.pk in anew or row.pk in again}
    if not coming and len(staying) == len(sides.elements):
        return sides.elements
    places = placed(stream, sides, staying, [row for row in after if row.pk in coming and row.pk in taken_over])
    behind: dict[int, list[Any]] = {number: [] for number in [-1, *staying]}
    anchor = -1
    for row in after:
        if row.pk in places:
            anchor = places[row.pk]
        elif row.pk in coming:
            behind[anchor].append(stream.codec.encode(row.values))
    new = behind[-1] + [each for number in staying for each in (sides.elements[number], *behind[number])]
    if stream.distinct:
        new = [new[number] for number in distinct_view([token(each) for each in new], cap=stream.cap)]
    return new[: stream.cap] if coming else new


def stayers(stream: BoundStream, sides: ListSides, touched: Collection[Any]) -> tuple[list[int], set[Any]]:
    """The elements that stay, and the keys of untouched rows whose element leaves with an equal row's and comes anew."""
    leaving = {
        element
        for row, element in zip(sides.rows, sides.pairing.element_of, strict=True)
        if element is not None and row.pk in touched
    }
    numbers = range(len(sides.elements))
    if not stream.distinct:
        return [number for number in numbers if number not in leaving], set()
    texts = {token(sides.elements[number]) for number in leaving}
    again = {
        row.pk
        for row, element in zip(sides.rows, sides.pairing.element_of, strict=True)
        if element is not None and row.pk not in touched and token(sides.elements[element]) in texts
    }
    return [number for number in numbers if token(sides.elements[number]) not in texts], again


def placed(stream: BoundStream, sides: ListSides, staying: list[int], taken_over: Sequence[Row]) -> Mapping[Any, int]:
    """For rows that are in the list, the element that says where; of equal rows in a distinct list the one that shows."""
    shows: dict[int, int] = {}
    for number, element in enumerate(sides.pairing.element_of):
        if element is not None and (stream.cap is None or element not in shows):
            shows[element] = number
    still = set(staying)
    found = {sides.rows[number].pk: element for element, number in shows.items() if element in still}
    free: dict[str, list[int]] = {}
    for number in reversed(staying):
        if sides.pairing.row_of[number] is None:
            free.setdefault(token(sides.elements[number]), []).append(number)
    for row in taken_over:
        same = free.get(token(stream.codec.encode(row.values)))
        if same:
            found[row.pk] = same.pop()
    return found


def left(stream: BoundStream, sides: ListSides, touched: Collection[Any]) -> list[Any]:
    """The elements that stay: those without a row, and those of which a row stays."""
    tokens = [token(element) for element in sides.elements]
    leaving: set[int] = set()
    staying: set[int] = set()
    for number, element in enumerate(sides.pairing.element_of):
        if element is not None:
            (leaving if sides.rows[number].pk in touched else staying).add(element)
    gone = leaving - staying
    if not stream.distinct:
        return [each for number, each in enumerate(sides.elements) if number not in gone]
    texts = {tokens[number] for number in gone}
    return [each for number, each in enumerate(sides.elements) if tokens[number] not in texts]
