"""What the buffer holds for one parent, put into its document as an append would have done. It writes nothing.

An entry is in the document or in the buffer, and between two looks it can go from one to the other. So the buffer is asked
before and after the document, and where it has moved, everything is read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from psycopg import sql

from cutover import db, lease
from cutover.buffer import shard_of, streams
from cutover.errors import Busy
from cutover.flush import rows, store
from cutover.flush.sift import sift
from cutover.flush.store import Line
from cutover.mapping import Binding, BoundStream, path, value
from cutover.pairing import distinct_view, token
from cutover.read import document
from cutover.sql import query
from cutover.write import items, statement
from cutover.write.items import Item

TRIES = 20
MOST = 10_000  # entries of the stream that are looked through

Seen = tuple[dict[str, int], list[int | None]]


def unflushed(binding: Binding, key: Any) -> Any:
    """The document of a parent as it will be when all that the buffer holds now has been flushed.

    Raises:
        Model.DoesNotExist: there is no such parent.
        RedisGone: Redis cannot be asked.
        Busy: entries moved during every look.
    """
    for _ in range(TRIES):
        lines, writers, seen = standing(binding, str(key))
        texts = document.texts(binding, [key])
        if look(binding, str(key), writers) == seen:
            break
    else:
        raise Busy(f"The buffer of {binding.name} moved during each of {TRIES} looks.", hint="Read again.")
    if key not in texts:
        raise binding.parent.model.DoesNotExist(  # type: ignore[attr-defined]
            f"{binding.parent.model.__name__} {key} is not there."
        )
    return value.from_text(binding, united(binding, key, texts[key], lines))


def standing(binding: Binding, key: str) -> tuple[list[Line], set[str], Seen]:
    """The entries that wait for a parent, oldest first; the writers of its stream, and what was seen of them."""
    shard = shard_of(key)
    entries = streams.take(binding.name, shard, count=MOST)
    writers = {entry.writer for entry in entries}
    seen = look(binding, key, writers)
    kept = store.of_parent(binding, shard, key)
    sifted = sift(entries, seen[0], store.apart(binding, shard, writers))
    return [*kept, *(Line(entry) for entry in sifted.fresh if entry.parent_key == key)], writers, seen


def look(binding: Binding, key: str, writers: set[str]) -> Seen:
    """How far these writers have come, and which entries of the parent stand in PostgreSQL."""
    shard = shard_of(key)
    return store.marks(binding, shard, writers), [line.id for line in store.of_parent(binding, shard, key)]


def united(binding: Binding, key: Any, text: str | None, lines: list[Line]) -> str | None:
    pending = [item for line in lines for item in rows.rebuilt(binding, line)]
    if not pending:
        return text
    found = None if text is None else path.parse(text)
    gained = [dict[str | None, list[Any]]() for _ in binding.streams]
    for item, shown in shows(binding, key, pending):
        for stream in binding.streams:
            if shown[stream.number] and not item.elements[stream.number].reason:
                of_key = gained[stream.number].setdefault(item.keys[stream.number], [])
                of_key.insert(0, item.elements[stream.number].value)
    for stream in binding.streams:
        held = {each: old for each, old in path.lists(stream, found) if isinstance(old, list)}
        for each, new in gained[stream.number].items():
            found = path.put(stream, found, each, longer(binding, stream, new, held.get(each, [])))
    return path.dump(found)


def longer(binding: Binding, stream: BoundStream, new: list[Any], held: list[Any]) -> list[Any]:
    """The list with new elements (newest first), as the writer of this phase leaves it and its reader sees it."""
    old = held if stream.newest_first else held[::-1]
    if stream.distinct and lease.current(binding).phase.writes_json:
        known, fresh = {token(each) for each in old}, list[Any]()
        for element in reversed(new):
            if token(element) not in known:
                known.add(token(element))
                fresh.insert(0, element)
        both = [*fresh, *old]
    else:
        both = [*new, *old]
        if stream.distinct:
            both = [both[number] for number in distinct_view([token(each) for each in both], cap=stream.cap)]
    both = both[: stream.cap]
    return both if stream.newest_first else both[::-1]


def shows(binding: Binding, key: Any, pending: list[Item]) -> Iterator[tuple[Item, tuple[bool, ...]]]:
    """Each row, and which streams show it: the database says, for the condition is SQL."""
    flags = [statement.own("shown", stream) for stream in binding.streams]
    for given, run in groupby(pending, key=lambda item: item.given):
        group = list(run)
        asked = query("buffer", "shown", item=statement.item(binding, given), flags=sql.SQL(", ").join(flags))
        values = {"key": key, "items": items.payload(binding, group, given)}
        for number, *shown in db.rows(binding.alias, asked, values):
            yield group[number], tuple(map(bool, shown))
