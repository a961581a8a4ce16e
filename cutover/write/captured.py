"""What a guarded save does besides Django's work: elements of a new parent become rows, a difference is saved.

Called inside the save's transaction, after Django's own statement, which holds the parent's lock.
"""

from collections.abc import Mapping
from typing import Any

from django.db import models
from psycopg import sql

from cutover import db, marks, snapshot
from cutover.codecs import Undecodable
from cutover.errors import NotEncodable
from cutover.mapping import Binding, BoundStream, held, parts, path, value
from cutover.mapping.parts import Change, Place
from cutover.pairing import pair, token
from cutover.snapshot import ListSides
from cutover.sql import query
from cutover.write import given, rewrite
from cutover.write.append import extend
from cutover.write.merging import merge
from cutover.write.revision import Revision, Wanted


def move_to_rows(binding: Binding, key: Any, document: Any) -> None:
    """Write a row for every element of the document; one row for elements of several streams that show the same row.

    Raises:
        NotEncodable: an element has no row.
    """
    for stream in binding.streams:
        sides = snapshot.take(binding, [key], streams=[stream], documents=False)[key]
        for found in snapshot.lists(stream, sides, document).values():
            texts = [token(element) for element in found.elements], [token(element) for element in found.row_elements]
            missing = pair(*texts, distinct=stream.distinct).missing
            rows = [row_of(stream, found.key, found.elements[number]) for number in reversed(missing)]
            if rows:
                extend(binding, key, rows)


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
    mine = value.to_document(binding, instance.__dict__[held.attname(binding)])
    if change.residue:
        put_residue(binding, instance.pk, mine, change)
    before = None if base is None else value.to_document(binding, base)
    if change.whole or change.lists:
        save_lists(
            binding,
            instance.pk,
            None if change.whole else set(change.lists),
            mine,
            before,
            own=db.manual(binding.alias),
        )


def save_lists(binding: Binding, key: Any, places: set[Place] | None, mine: Any, base: Any, *, own: bool) -> None:
    """Make the lists what `mine` has there, beside what others have done to them since `base`; all lists where `places` is None.

    Args:
        base: where it is None, nobody knows what was there, and the lists become those of `mine`.
        own: whether an element that is not in `base` may be one that a save before this one has written.
    """
    before = None if base is None else parts.claimed(binding, base)

    def targets(revision: Revision) -> list[rewrite.Target]:
        found = all_places(binding, revision, mine) if places is None else places
        ordered = sorted(found, key=lambda each: (binding.stream(each[0]).number, each[1] or ""))
        return [target(binding.stream(name), key) for name, key in ordered]

    def target(stream: BoundStream, dynamic: str | None) -> rewrite.Target:
        place = (stream.name, dynamic)
        wanted = given.listed(binding, stream, parts.claimed(binding, mine).get(place, []))
        known = None if before is None else before.get(place, [])
        return stream, dynamic, merging_with(stream, wanted, known, own)

    rewrite.rewrite(binding, key, targets)


def merging_with(stream: BoundStream, wanted: list[Any], base: list[Any] | None, own: bool) -> Wanted:
    """The application's list as one that still has to be united with what is there."""
    if base is None:
        return lambda *_: wanted

    def merged(revision: Revision, sides: ListSides) -> list[Any]:
        step, now = 1 if stream.newest_first else -1, revision.now(sides)
        return merge(
            [element for element, _ in now],
            base[::step],
            wanted[::step],
            own=[own or written for _, written in now],
            distinct=stream.distinct,
            cap=stream.cap,
        )[::step]

    return merged


def all_places(binding: Binding, revision: Revision, mine: Any) -> set[Place]:
    """The lists that either side has."""
    stored = {(stream.name, key) for stream in binding.streams for key in revision.keys(stream)}
    return stored | set(parts.claimed(binding, mine))


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
