"""Where a refused element stands in its list, and how it is written there: what an operator needs to find it.

It only reads, in the chunk's transaction. A live writer may have moved the list on since the chunk has looked; then the place is
that of a moment later, and an element that is gone has none. Place is no identity: nothing is decided by it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from cutover import db
from cutover.backfill import difference, spans
from cutover.backfill.misplaced import DOCUMENT, jsonpath
from cutover.backfill.missing import Refused
from cutover.codecs.element import why_not_jsonb
from cutover.mapping import Binding, BoundStream, document, path
from cutover.pairing import token
from cutover.spec import Key
from cutover.sql import query

APART = re.compile(r'\["\\ue000","([^"]*)"\]')  # pairing.apart, as it is encoded


@dataclass(frozen=True)
class Place:
    """Where something stands.

    Attributes:
        path: a jsonpath of PostgreSQL.
        index: its number in the list from 0; None where it is no element of a list, or is gone from it.
        text: the JSON as the document has it (jsonb has no spelling but its own), or text that is none.
    """

    path: str
    index: int | None
    text: str


def of(binding: Binding, refused: Sequence[Refused]) -> list[Place]:
    """The place of each."""
    unreadable = texts(binding, {each.parent for each in refused}) if refused else {}
    found: dict[int, Place] = {}
    for stream in binding.streams:
        asked = [(number, each) for number, each in enumerate(refused) if each.stream == stream.name and not each.path]
        found.update(by_sql(binding, stream, [one for one in asked if one[1].parent not in unreadable]))
        for parent, some in by_parent([one for one in asked if one[1].parent in unreadable]).items():
            found.update(by_text(stream, unreadable[parent], some))
    return [found.get(number) or somewhere(binding, each) for number, each in enumerate(refused)]


def texts(binding: Binding, parents: set[str]) -> dict[str, str]:
    """The documents that jsonb cannot hold, as the column has them."""
    if binding.storage == "jsonb":
        return {}
    parts = {
        **difference.tables(binding),
        "column": binding.parent.column(binding.column),
        "document": document.stored_document(binding),
    }
    return dict(db.rows(binding.alias, query("quarantine", "unreadable", **parts), {"keys": sorted(parents)}))


def by_parent(asked: list[tuple[int, Refused]]) -> dict[str, list[tuple[int, Refused]]]:
    found = defaultdict(list)
    for number, each in asked:
        found[each.parent].append((number, each))
    return found


def by_sql(binding: Binding, stream: BoundStream, asked: list[tuple[int, Refused]]) -> Iterator[tuple[int, Place]]:
    """The places of elements in documents that jsonb can hold."""
    if not asked:
        return
    parts: dict[str, sql.Composable] = {
        **difference.tables(binding),
        "document": document.stored_document(binding),
        "elements": document.elements(stream, difference.DOCUMENT),
        "first": sql.SQL("ASC" if newest_counts(stream) else "DESC"),
    }
    values = {
        "numbers": [number for number, _ in asked],
        "keys": [each.parent for _, each in asked],
        "list_keys": [each.key for _, each in asked],
        "elements": [plain(each.text) for _, each in asked],
        "occurrences": [each.occurrence for _, each in asked],
    }
    refused = dict(asked)
    for number, index, text in db.rows(binding.alias, query("quarantine", "stand", **parts), values):
        yield number, Place(jsonpath(steps(stream, refused[number].key), index), index, text)


def by_text(stream: BoundStream, text: str, asked: list[tuple[int, Refused]]) -> Iterator[tuple[int, Place]]:
    """The places of elements in a document that jsonb cannot hold; each is cut out of it."""
    wanted = {(each.key, each.text, each.occurrence): number for number, each in asked}
    for key, places in spans.lists(text, stream.steps):
        seen: dict[str, int] = defaultdict(int)
        for index in ages(stream, len(places)):
            raw = text[slice(*places[index])]
            shape = token(path.parse(raw))
            seen[shape] += 1
            number = wanted.get((key, shape, seen[shape]))
            if number is not None:
                yield number, Place(jsonpath(steps(stream, key), index), index, raw)


def newest_counts(stream: BoundStream) -> bool:
    """Whether equal elements are numbered from the newest (pairing.distinct_view)."""
    return not stream.distinct or stream.cap is not None


def ages(stream: BoundStream, count: int) -> Sequence[int]:
    """The numbers of the elements of a list in the order in which equal ones are counted."""
    return range(count) if stream.newest_first == newest_counts(stream) else range(count)[::-1]


def somewhere(binding: Binding, each: Refused) -> Place:
    """What can be said of something that is no element of a list, or is not found in it any more."""
    if each.stream == DOCUMENT:
        return Place("$", None, spelled(each.text) if each.path else each.text)
    return Place(each.path or jsonpath(steps(binding.stream(each.stream), each.key)), None, spelled(each.text))


def steps(stream: BoundStream, key: str | None) -> list[str]:
    """The keys on the way to a list."""
    return [str(key) if isinstance(step, Key) else step for step in stream.steps]


def plain(text: str) -> str:
    """Canonical text (`pairing.token`) as JSON that jsonb reads: numbers stand digit by digit again."""
    return APART.sub(r"\1", text)


def spelled(text: str) -> str:
    """The same as it reads best, where it can be written so."""
    text = plain(text)
    try:
        value = path.parse(text)
        return text if why_not_jsonb(value) else path.dump(value)
    except (ValueError, RecursionError):
        return text
