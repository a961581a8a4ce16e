"""Fill some parents through Python: for codecs without SQL, documents that jsonb cannot hold, and data that made SQL fail.

Both sides are read in one statement, decoded here, and inserted in one statement; a batch that the database refuses is halved
down to the element, which comes back with the driver's reason. The rows are the same as those of `chunk`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import DatabaseError, transaction

from cutover import db, snapshot
from cutover.backfill import chunk, columns, difference, misplaced, place, pouring
from cutover.backfill.missing import Filled, Missing, Refused
from cutover.backfill.pouring import Poured
from cutover.backfill.reach import Lengths, holding
from cutover.codecs import Undecodable
from cutover.codecs.element import why_not_jsonb
from cutover.mapping import Binding, BoundStream
from cutover.pairing import distinct_view, pair, places, token
from cutover.snapshot import ListSides
from cutover.sql import query

BATCH = 5000


def fill(
    binding: Binding,
    keys: Sequence[str],
    lengths: Lengths | None = None,
    *,
    whole: bool = False,
    alone: bool = False,
) -> Filled:
    """Insert what is missing; what cannot become a row comes back with its reason.

    A parent whose length is known to be 0 in a stream is not visited for it. Where `whole`, pour what can be poured, and where
    `alone` with the help of other processes.
    """
    done = Filled(0, [])
    for stream in binding.streams:
        wanted = holding(stream, keys, lengths)
        poured = pouring.fill(binding, stream, wanted, alone=alone) if whole and wanted else Poured()
        done.inserted += poured.inserted
        done.refused += poured.told(stream)
        wanted = [key for key in wanted if key not in poured.parents]
        if not wanted:
            continue
        found, refused = differences(binding, stream, wanted)
        done.refused += refused
        lacking = columns.of(binding, stream).lacking
        if lacking:
            done.refused += [each.refused(stream.name, chunk.no_row(lacking)) for each in found]
            continue
        decoded = []
        for each in found:
            try:
                decoded.append((each, decode(stream, each)))
            except Undecodable as error:
                done.refused.append(each.refused(stream.name, error.reason))
        for start in range(0, len(decoded), BATCH):
            insert(binding, stream, decoded[start : start + BATCH], done)
    return done


def decode(stream: BoundStream, each: Missing) -> dict[str, Any]:
    """The fields that an element gives, its dynamic key among them. Raises Undecodable."""
    values = dict(stream.codec.decode_exactly(each.element))
    if stream.key_field is not None:
        reason = why_not_jsonb(each.key)
        if reason:
            raise Undecodable(f"The database cannot hold the key, {reason}", each.key)
        values[stream.key_field] = each.key
    return values


def insert(binding: Binding, stream: BoundStream, batch: list[place.Decoded], done: Filled) -> None:
    """Insert a batch, or halve it: what is left of a batch of one is an element with the reason why it is no row."""
    if not batch:
        return
    try:
        with transaction.atomic(using=binding.alias):
            hidden = place.insert(binding, stream, batch)
    except (DatabaseError, place.Differs) as error:
        reason = place.why(error)
        if reason is None:
            raise
        if len(batch) > 1:
            middle = len(batch) // 2
            insert(binding, stream, batch[:middle], done)
            insert(binding, stream, batch[middle:], done)
            return
        done.refused.append(batch[0][0].refused(stream.name, reason))
        return
    done.inserted += len(batch) - len(hidden)
    done.refused += [each.refused(stream.name, chunk.why(stream, "not shown", None, None)) for each in hidden]


def differences(binding: Binding, stream: BoundStream, keys: Sequence[str]) -> tuple[list[Missing], list[Refused]]:
    """The elements of a stream without a row, oldest first for each list, and what is no list at all."""
    sides = snapshot.take(binding, [binding.key(key) for key in keys], streams=[stream])
    floors = dict(floors_of(binding, keys)) if binding.position is not None else {}
    found: list[Missing] = []
    refused: list[Refused] = []
    for key, one in zip(keys, sides.values(), strict=True):
        if one.text is None:
            continue
        try:
            document = one.document()
        except (ValueError, RecursionError) as error:
            refused.append(Refused(misplaced.DOCUMENT, key, None, one.text, 1, f"The document is no JSON: {error}."))
            continue
        refused += chunk.odd(stream, key, document)
        for lists in snapshot.lists(stream, one, document).values():
            if stream.key_field is None or lists.key is not None:
                found += missing(binding, stream, key, lists, floors.get(key, 0))
    return found, refused


def missing(binding: Binding, stream: BoundStream, parent: str, lists: ListSides, floor: int) -> Iterator[Missing]:
    """The elements of one list without a row, oldest first, with their places."""
    elements, tokens = lists.elements, [token(element) for element in lists.elements]
    pairing = lists.pairing
    if stream.distinct:
        kept = distinct_view(tokens, cap=stream.cap)
        elements, tokens = [elements[number] for number in kept], [tokens[number] for number in kept]
        stands = [row.stands for row in lists.rows]
        pairing = pair(tokens, [token(element) for element in lists.row_elements], stands=stands, distinct=True)
    positions = [row.position for row in lists.rows]
    found = {} if binding.position is None else places(pairing, positions, floor)  # type: ignore[arg-type]
    seen: dict[str, int] = {}
    numbered = []
    for text in tokens:
        seen[text] = seen.get(text, 0) + 1
        numbered.append(seen[text])
    for number in reversed(pairing.missing):
        yield Missing(parent, lists.key, elements[number], numbered[number], found.get(number))


def floors_of(binding: Binding, keys: Sequence[str]) -> list[tuple[str, int]]:
    parts = difference.tables(binding)
    return db.rows(binding.alias, query("backfill", "floors", **parts), {"keys": list(keys)})
