"""A parent's document from its rows and from the document that was archived. No queries.

What the rows hold is put in the place of the archived lists. Where they still say the same, the archived text comes back as it
was: NULL, null, absent keys, empty lists, residue, spaces, and elements that only the quarantine knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cutover.codecs.codec import Undecodable
from cutover.mapping import Binding, BoundStream, path
from cutover.pairing import distinct_view, token
from cutover.snapshot import Row, Sides

Place = tuple[int, str | None]


@dataclass
class Rebuilt:
    """A document as JSON text (None is SQL NULL), and the keys of the rows that are in it now."""

    text: str | None
    rows: set[Any] = field(default_factory=set)


@dataclass
class Shown:
    """One list as it is read from rows: newest first, and the rows that stand for its elements."""

    elements: list[Any]
    rows: set[Any]


def rebuild(binding: Binding, sides: Sides, skeleton: str | None) -> Rebuilt:
    """The document of one parent; `sides` holds its rows."""
    lists = shown(binding, sides.rows)
    rows = {row for each in lists.values() for row in each.rows}
    document, readable = parsed(skeleton)
    if not readable:
        return Rebuilt(skeleton, rows) if not lists else Rebuilt(path.dump(filled(binding, None, lists)), rows)
    before = {place: tokens for place, tokens in archived(binding, document).items()}
    now = {place: [token(element) for element in each.elements] for place, each in lists.items()}
    differs = {place for place in before.keys() | now.keys() if before.get(place, []) != now.get(place, [])}
    if not differs:
        return Rebuilt(skeleton, rows)
    new = {place: lists.get(place, Shown([], set())) for place in differs}
    return Rebuilt(path.dump(filled(binding, document, new)), rows)


def parsed(text: str | None) -> tuple[Any, bool]:
    """The document, and whether it could be read."""
    if text is None:
        return None, True
    try:
        return path.parse(text), True
    except ValueError:
        return None, False


def filled(binding: Binding, document: Any, lists: dict[Place, Shown]) -> Any:
    """The document with these lists put in."""
    for (number, key), each in sorted(lists.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        stream = binding.streams[number]
        elements = each.elements if stream.newest_first else each.elements[::-1]
        document = path.put(stream, document, key, elements)
    return document


def shown(binding: Binding, rows: Iterable[Row]) -> dict[Place, Shown]:
    """Every list that the rows make, by stream and dynamic key."""
    found: dict[Place, list[tuple[Any, Any]]] = {}
    for row in rows:
        for stream in binding.streams:
            if row.shown[stream.number]:
                key = None if stream.key_field is None else str(row.values[stream.key_field])
                found.setdefault((stream.number, key), []).append((row.pk, stream.codec.encode(row.values)))
    return {place: one_list(binding.streams[place[0]], pairs) for place, pairs in found.items()}


def one_list(stream: BoundStream, pairs: list[tuple[Any, Any]]) -> Shown:
    """What a reader sees of these rows, newest first; in a `distinct` list every equal row stands for its element."""
    texts = [token(element) for _, element in pairs]
    kept = view(stream, texts)
    taken = {texts[number] for number in kept} if stream.distinct else set()
    rows = {pairs[number][0] for number in kept} | {
        pk for (pk, _), text in zip(pairs, texts, strict=True) if text in taken
    }
    return Shown([pairs[number][1] for number in kept], rows)


def archived(binding: Binding, document: Any) -> dict[Place, list[str]]:
    """The lists of the archived document that decode, as a reader of rows would have seen them, newest first, as tokens."""
    found: dict[Place, list[str]] = {}
    for stream in binding.streams:
        for key, value in path.lists(stream, document):
            if isinstance(value, list):
                newest_first = value if stream.newest_first else value[::-1]
                texts = [token(element) for element in newest_first if decodes(stream, element)]
                found[stream.number, key] = [texts[number] for number in view(stream, texts)]
    return found


def view(stream: BoundStream, texts: list[str]) -> list[int]:
    """The numbers of what the list shows: without repetitions where it is `distinct`, cut at its cap."""
    kept = distinct_view(texts, cap=stream.cap) if stream.distinct else list(range(len(texts)))
    return kept[: stream.cap]


def decodes(stream: BoundStream, element: Any) -> bool:
    try:
        stream.codec.decode_exactly(element)
    except Undecodable:
        return False
    return True
