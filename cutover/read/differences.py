"""What a reader of JSON and a reader of rows would see of the same parents, and the first place where that differs.

A shadow read is for readers: it compares what they are shown, cut at `cap` and collapsed where `distinct`, so rows beyond the
cap are none of its business, nor are rows that were written without JSON. What else may be wrong is `cutover verify`'s.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cutover.codecs.element import SHOWN, why_not_jsonb
from cutover.mapping import Binding, BoundStream
from cutover.read import collect, document, view
from cutover.read.collect import Found
from cutover.read.view import STANDS, Listed


@dataclass(frozen=True)
class Difference:
    """The first place where a list differs: what JSON shows there and what rows do, cut; None where that list has ended."""

    stream: str
    key: str | None
    number: int
    json: str | None
    row: str | None

    @property
    def content(self) -> tuple[str, str | None, str | None, str | None]:
        """What stays the same of it while the list grows."""
        return self.stream, self.key, self.json, self.row


def look(binding: Binding, keys: Iterable[Any], *, rows_alone: bool) -> dict[Any, list[Difference]]:
    """The differences of each parent, both sides in one snapshot; parents that agree are left out.

    `rows_alone` says that every element has its row, so that rows are compared without what JSON would add to them.
    """
    newest = {
        stream.name: document.limit_of(stream) for stream in binding.streams if stream.cap and stream.key_field is None
    }
    taken = collect.take(binding, keys, binding.streams, newest=newest)
    looked = {key: list(of_parent(binding, found, newest, rows_alone)) for key, found in taken.items()}
    return {key: found for key, found in looked.items() if found}


def of_parent(binding: Binding, found: Found, newest: dict[str, int], rows_alone: bool) -> Iterable[Difference]:
    if not found.found:
        return
    stored = found.document()
    for stream in binding.streams:
        if document.short(stream, found, newest.get(stream.name)):
            continue
        lists = dict(document.claimed(stream, stored))
        rows = {key: standing(each) for (number, key), each in found.lists.items() if number == stream.number}
        for key in dict.fromkeys([*lists, *rows]):
            values, mine = lists.get(key, []), rows.get(key, Listed([]))
            other = shown(stream, mine.elements) if rows_alone else view.shown(stream, values, mine)
            json = shown(stream, values if stream.newest_first else values[::-1])
            yield from first(stream, key, json, other, in_order=in_order(binding, stream))


def standing(rows: Listed) -> Listed:
    """The rows that were written together with JSON, or brought from it."""
    kept = [element for element, stands in zip(rows.elements, rows.stands, strict=True) if stands == STANDS]
    return Listed(kept, STANDS * len(kept))


def shown(stream: BoundStream, newest_first: list[Any]) -> list[Any]:
    return view.cut(stream, newest_first, view.names(newest_first))


def in_order(binding: Binding, stream: BoundStream) -> bool:
    """As a verification has it: not in a table ordered by time, nor in a distinct list that shows the rows of another."""
    return binding.position is not None and (stream.number == 0 or not stream.distinct)


def first(
    stream: BoundStream, key: str | None, json: list[Any], rows: list[Any], *, in_order: bool
) -> Iterable[Difference]:
    """The first place where the two lists differ; where their order says nothing, the first element that one of them lacks."""
    mine, other = view.names(json), view.names(rows)
    if mine == other:
        return
    if not in_order:
        if stream.cap is not None and max(len(json), len(rows)) >= stream.cap:
            return  # another order, another cut
        lacking, surplus = Counter(mine) - Counter(other), Counter(other) - Counter(mine)
        json = [each for each, name in zip(json, mine, strict=True) if name in lacking]
        rows = [each for each, name in zip(rows, other, strict=True) if name in surplus]
        mine, other = view.names(json), view.names(rows)
    for number in range(max(len(mine), len(other))):
        if mine[number : number + 1] != other[number : number + 1]:
            yield Difference(stream.name, key, number, text(json, number), text(rows, number))
            return


def text(elements: list[Any], number: int) -> str | None:
    """An element for a reader, cut: a string as it is, anything else as JSON."""
    if number >= len(elements):
        return None
    value = elements[number]
    said = value if isinstance(value, str) and why_not_jsonb(value) is None else view.names([value])[0]
    return said if len(said) <= SHOWN else f"{said[: SHOWN - 1]}…"
