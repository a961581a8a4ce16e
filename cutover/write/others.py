"""What a change of rows does to the other lists of a document. Pure: both sides come from a snapshot."""

from __future__ import annotations

from typing import Any

from cutover import snapshot
from cutover.mapping import Binding, BoundStream
from cutover.pairing import token
from cutover.snapshot import ListSides, Row, Sides
from cutover.write import items
from cutover.write.changes import Place


def ordered(binding: Binding, place: Place, newest_first: list[Any]) -> list[Any]:
    """The elements in the order of the list."""
    return newest_first if binding.streams[place[0]].newest_first else newest_first[::-1]


def changed(
    binding: Binding, changed_stream: BoundStream, before: Sides, document: Any, touched: set[Any], heads: list[Row]
) -> dict[Place, list[Any]]:
    """The other lists that change, newest first, where rows are taken out of them and come in anew.

    Args:
        touched: keys of rows whose elements leave the lists.
        heads: rows that come to the newest end, oldest first; among them what was touched and only moves.
    """
    found: dict[Place, list[Any]] = {}
    for stream in binding.streams:
        if stream is changed_stream:
            continue
        lists = snapshot.lists(stream, before, document)
        coming: dict[str | None, list[Any]] = {}
        for row in heads:
            if row.shown[stream.number]:
                coming.setdefault(items.key_of(stream, row.values), []).append(stream.codec.encode(row.values))
        for key in {**lists, **coming}:
            sides = lists.get(key) or snapshot.list_sides(stream, key, [], [])
            new = merged(stream, left(stream, sides, touched), coming.get(key, []))
            if [token(each) for each in new] != [token(each) for each in sides.elements]:
                found[stream.number, key] = new
    return found


def left(stream: BoundStream, sides: ListSides, touched: set[Any]) -> list[Any]:
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


def merged(stream: BoundStream, newest_first: list[Any], coming: list[Any]) -> list[Any]:
    """The list with elements at its newest end, each once where it is distinct, cut at the cap."""
    held = {token(each) for each in newest_first}
    result = list(newest_first)
    for element in coming:
        if not stream.distinct or token(element) not in held:
            result.insert(0, element)
            held.add(token(element))
    return result if not coming else result[: stream.cap]
