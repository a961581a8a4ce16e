"""Both sides of one list as the reader sees it: united, collapsed where `distinct`, cut at `cap`. Pure.

Note [Rows that are the list]
    Where the rows that stand, newest first, are the elements of JSON one after the other, the k-th newest of equal rows stands
    for the k-th newest of equal elements, and every other row follows the row before it. So the union is the rows as they
    are, and need not be made. A distinct list pairs equal ones with the first of them, so there this is said of lists without
    equal elements alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cutover.mapping import BoundStream
from cutover.pairing import distinct_view, pair, token, union

STANDS = "1"


@dataclass(frozen=True)
class Listed:
    """The rows of one list, newest first: as elements, and for each whether it stands for JSON ("1") or not ("0").

    `stands` is empty where nobody asked.
    """

    elements: list[Any]
    stands: str = ""


def names(elements: Sequence[Any]) -> list[str]:
    """A text for each element, equal for equal JSON values alone; a string is its own, which is many times faster."""
    return [f'"{each}' if type(each) is str else token(each) for each in elements]


def shown(stream: BoundStream, values: list[Any], rows: Listed) -> list[Any]:
    """What the reader sees of a JSON list and its rows, in the order of JSON; the JSON list itself where that is it."""
    elements, texts = values if stream.newest_first else values[::-1], names(rows.elements)
    if not elements:
        return cut(stream, rows.elements, texts)
    json = names(elements)
    if texts == json and "0" not in rows.stands and fits(stream, json):
        return values
    if rows_say_all(stream, json, texts, rows.stands):
        return cut(stream, rows.elements, texts)
    pairing = pair(json, texts, stands=[each == STANDS for each in rows.stands], distinct=stream.distinct)
    merged = union(pairing)
    sides, words = {"element": elements, "row": rows.elements}, {"element": json, "row": texts}
    return cut(stream, [sides[side][n] for side, n in merged], [words[side][n] for side, n in merged])


def fits(stream: BoundStream, texts: list[str]) -> bool:
    """Whether a list is shown as it is: neither too long nor with an element that is to be shown once."""
    return (stream.cap is None or len(texts) <= stream.cap) and not (stream.distinct and len(set(texts)) < len(texts))


def rows_say_all(stream: BoundStream, json: list[str], rows: list[str], stands: str) -> bool:
    """Whether the union is the rows as they are (Note [Rows that are the list])."""
    standing = [text for text, each in zip(rows, stands, strict=True) if each == STANDS]
    if len(standing) < len(json) or standing[: len(json)] != json:
        return False
    return not stream.distinct or len(set(standing)) == len(standing)


def cut(stream: BoundStream, elements: list[Any], texts: list[str]) -> list[Any]:
    """A list, newest first, as the legacy writer would have left it; in the order of JSON."""
    if stream.distinct and len(set(texts)) < len(texts):
        elements = [elements[number] for number in distinct_view(texts, cap=stream.cap)]
    elements = elements[: stream.cap]
    return elements if stream.newest_first else elements[::-1]
