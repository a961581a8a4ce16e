"""What a guarded save does besides Django's work: elements of a new parent become rows, a difference is saved.

Called inside the save's transaction, after Django's own statement, which holds the parent's lock.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models
from psycopg import sql

from cutover import db, lease, marks, snapshot
from cutover.codecs import Undecodable
from cutover.errors import NotEncodable
from cutover.mapping import Binding, BoundStream, held, parts, path, value
from cutover.mapping.parts import Change, Place
from cutover.pairing import pair, token
from cutover.sql import query


def move_to_rows(binding: Binding, key: Any, document: Any) -> None:
    """Write a row for every element of the document; one row for elements of several streams that show the same row.

    Raises:
        NotEncodable: an element has no row.
    """
    from cutover import write

    for stream in binding.streams:
        sides = snapshot.take(binding, [key], streams=[stream], documents=False)[key]
        for found in snapshot.lists(stream, sides, document).values():
            texts = [token(element) for element in found.elements], [token(element) for element in found.row_elements]
            missing = pair(*texts, distinct=stream.distinct).missing
            rows = [row_of(stream, found.key, found.elements[number]) for number in reversed(missing)]
            if rows:
                write.extend(binding, key, rows)


def row_of(stream: BoundStream, key: str | None, element: Any) -> Mapping[str, Any]:
    try:
        decoded = stream.codec.decode_exactly(element)
    except Undecodable as error:
        raise NotEncodable(
            f"An element of {stream.name} cannot be a row: {error.reason}",
            hint="Take it out of the document; JSON is no longer written.",
        ) from error
    keyed = {} if stream.key_field is None else {stream.key_field: key}
    return {**(stream.fill or {}), **decoded, **keyed}


def apply(binding: Binding, instance: models.Model, change: Change, base: Any) -> None:
    """Save what the application changed, and nothing else; `base` is the value that it changed."""
    from cutover import write

    mine = value.to_document(binding, instance.__dict__[held.attname(binding)])
    if change.residue:
        put_residue(binding, instance.pk, mine, change)
    places = all_places(binding, instance.pk, mine) if change.whole else change.lists
    for place in sorted(places, key=lambda each: (binding.stream(each[0]).number, each[1] or "")):
        wanted = parts.claimed(binding, mine).get(place, [])
        if not change.whole:
            wanted = merged(
                binding, instance.pk, place, wanted, parts.claimed(binding, value.to_document(binding, base))
            )
        write.replace(binding, instance.pk, place[0], wanted, key=place[1])


def put_residue(binding: Binding, key: Any, mine: Any, change: Change) -> None:
    """Put the changed keys into the document as it now is; the lists of the streams stay."""
    common = {
        "parent": binding.parent.identifier,
        "parent_key": binding.parent.key,
        "type": binding.parent.type,
    }
    document = sql.SQL("{}::text").format(binding.parent.column(binding.column))
    stored = db.scalar(binding.alias, query("saving", "document", document=document, **common), {"key": key})
    current = None if stored is None else path.parse(stored)
    new = parts.with_residue(binding, current, mine, change.residue)
    storage = sql.SQL(binding.storage)
    column = sql.Identifier(binding.column)
    statement = query("saving", "put_document", own=marks.OWN, column=column, storage=storage, **common)
    db.run(binding.alias, statement, {"key": key, "document": None if new is None else path.dump(new)})


def all_places(binding: Binding, key: Any, mine: Any) -> set[Place]:
    """The lists that either side has."""
    sides = snapshot.take(binding, [key])[key]
    document = sides.document()
    stored = {(stream.name, each) for stream in binding.streams for each in snapshot.lists(stream, sides, document)}
    return stored | set(parts.claimed(binding, mine))


def merged(binding: Binding, key: Any, place: Place, wanted: list[Any], base: Mapping[Place, list[Any]]) -> list[Any]:
    """The application's list, with what others have appended to it meanwhile."""
    stream = binding.stream(place[0])
    step = 1 if stream.newest_first else -1
    now = current(binding, stream, key, place[1])
    return merge(stream, wanted[::step], base.get(place, [])[::step], now)[::step]


def current(binding: Binding, stream: BoundStream, key: Any, dynamic: str | None) -> list[Any]:
    """The list as a reader finds it now, newest first, uncut."""
    sides = snapshot.take(binding, [key], streams=[stream])[key]
    held_lease = lease.current(binding)
    document = parts.emptied(binding, sides.document()) if held_lease.rows_alone else sides.document()
    found = snapshot.lists(stream, sides, document).get(dynamic)
    if found is None:
        return []
    return found.united() if held_lease.phase.reads_rows else found.elements


def merge(stream: BoundStream, wanted: Sequence[Any], base: Sequence[Any], now: Sequence[Any]) -> list[Any]:
    """The wanted list, before it what others appended since `base`, after it what was too old to be in `base`."""
    texts = [token(element) for element in now]
    known = pair(texts, [token(element) for element in base], distinct=stream.distinct)
    mine = pair(texts, [token(element) for element in wanted], distinct=stream.distinct)
    others = [number for number in known.missing if mine.row_of[number] is None]
    oldest = max((number for number, row in enumerate(known.row_of) if row is not None), default=len(now))
    newer = [now[number] for number in others if number < oldest]
    return [*newer, *wanted, *(now[number] for number in others if number > oldest)]
