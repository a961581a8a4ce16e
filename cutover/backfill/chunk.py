"""Fill some parents by SQL alone: one statement for each stream, in the order of their declaration.

In one statement, and so in one snapshot, every dual write is whole. Two streams that show the same row, done in one statement,
would insert it twice. It opens no transaction; the caller has made sure that nobody else fills these parents.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import DataError, transaction

from cutover import db
from cutover.backfill import columns, difference, direct, misplaced, piped
from cutover.backfill.direct import Way
from cutover.backfill.missing import Filled, Missing, Refused
from cutover.backfill.portion import Inside, Portion
from cutover.backfill.reach import Lengths, holding
from cutover.codecs import Undecodable, element
from cutover.mapping import Binding, BoundStream
from cutover.pairing import token

Found = tuple[str, str, str | None, str, int]
MOST_BAD = 20  # attempts of a chunk that meet a bad element: the halves of a chunk with two or three of them


@dataclass(frozen=True)
class Whole:
    """What was done without pairing: for the parents `over`, in which nothing is amiss; what a portion leaves, and to come."""

    over: frozenset[str] = frozenset()
    inserted: int = 0
    left: int = 0
    inside: Inside | None = None


def fill(
    binding: Binding,
    keys: Sequence[str],
    lengths: Lengths | None = None,
    *,
    alone: bool = True,
    portion: Portion | None = None,
) -> Filled:
    """Insert what is missing; what cannot become a row comes back with its reason.

    A parent whose length is known to be 0 in a stream is not visited for it. Where `alone`, a second connection helps. Of one
    parent only a `portion` is inserted where that can be done without pairing.
    """
    done = Filled(0, [])
    for stream in binding.streams:
        wanted, left = columns.of(binding, stream), holding(stream, keys, lengths)
        if not left:
            continue
        if portion and lengths and done.inserted and done.inside:
            done.unfinished = done.inserted + lengths[left[0]][stream.number] > portion.most
            if done.unfinished:  # the next stream has a chunk of its own
                break
        if wanted.lacking:
            done.refused += refused(stream, missing(binding, stream, left), wanted.lacking)
            continue
        counts = {key: lengths[key][0] for key in left if key in lengths} if lengths and alone and not portion else {}
        piped_over, inserted = piped.fill(binding, stream, counts)
        done.inserted += inserted
        left = [key for key in left if key not in piped_over]
        full = at_once(binding, stream, left, portion) if left else Whole()
        done.inserted, done.inside = done.inserted + full.inserted, full.inside
        if full.left:
            done.unfinished = True
            break
        left = [key for key in left if key not in full.over]
        if left:
            portion = None  # what was paired may be no newest part of its list
            found = db.rows(binding.alias, difference.fill(binding, stream), {"keys": left, **wanted.parameters})
            done.inserted += sum(row[4] for row in found if row[0] == "inserted")
            done.refused += refused(stream, [row for row in found if row[0] != "inserted"])
    return done


def at_once(binding: Binding, stream: BoundStream, keys: Sequence[str], portion: Portion | None = None) -> Whole:
    """Fill lists up without pairing, or a portion of one parent's (Note [Direct])."""
    if portion is None:
        return by_halves(binding, stream, keys)
    values = {"most": portion.most, "number": portion.number}
    before = portion.before(keys[0], stream.number)
    try:
        with transaction.atomic(using=binding.alias):
            if before is not None:
                done = whole(binding, stream, keys, Way.NEXT, {**asdict(before), **values})
                if done.over:
                    return done
            return whole(binding, stream, keys, Way.PORTION, values)
    except DataError:
        return Whole()


def by_halves(binding: Binding, stream: BoundStream, keys: Sequence[str]) -> Whole:
    """Fill whole lists; where one holds an element that is none, halves of the parents, so that few are left to be paired.

    Pairing takes several times as long, so one bad element in a chunk would cost as much as all of it. Where there are many,
    it is not worth looking for them.
    """
    parts, over, inserted, met = deque([list(keys)]), set[str](), 0, 0
    while parts:
        part = parts.popleft()
        try:
            with transaction.atomic(using=binding.alias):
                done = whole(binding, stream, part, Way.WHOLE)
        except DataError:
            met, middle = met + 1, len(part) // 2
            parts.extend([part[:middle], part[middle:]] if middle and met < MOST_BAD else [])
            continue
        over, inserted = over | done.over, inserted + done.inserted
    return Whole(frozenset(over), inserted)


def whole(
    binding: Binding, stream: BoundStream, keys: Sequence[str], way: Way, more: Mapping[str, Any] | None = None
) -> Whole:
    """One statement. Raises DataError where an element is none of the stream."""
    values = {"keys": list(keys), **columns.of(binding, stream).parameters, **(more or {})}
    found = db.one(binding.alias, direct.fill(binding, stream, way), values)
    if found is None:
        return Whole()
    over, inserted, left, version, *like = found
    number = int((more or {}).get("number", 1))
    inside = None
    if version is not None:
        rows, standing, newest = map(int, like)
        inside = Inside(keys[0], stream.number, version, rows, standing, newest, number)
    return Whole(frozenset(over), int(inserted), int(left), inside if over else None)


def missing(binding: Binding, stream: BoundStream, keys: Sequence[str]) -> list[Found]:
    """The elements without a row and the documents without a list, as the database names them; nothing is changed."""
    return db.rows(binding.alias, difference.missing(binding, stream), {"keys": list(keys)})


def refused(stream: BoundStream, found: Iterable[Found], lacking: Sequence[str] = ()) -> Iterator[Refused]:
    """What the database could not turn into rows, with the reason that Python finds for it."""
    for what, parent, key, text, occurrence in found:
        try:
            yield from one(stream, what, parent, key, element.loads(text), occurrence, lacking)
        except RecursionError:
            reason = "It is nested too deeply to be read."
            yield Refused(stream.name, parent, key, text, occurrence or 1, reason)


def one(
    stream: BoundStream,
    what: str,
    parent: str,
    key: str | None,
    value: object,
    occurrence: int,
    lacking: Sequence[str],
) -> Iterator[Refused]:
    if what == "misplaced":
        yield from odd(stream, parent, value)
    else:
        reason = no_row(lacking) if what == "missing" else why(stream, what, key, value)
        yield Missing(parent, key, value, occurrence).refused(stream.name, reason)


def odd(stream: BoundStream, parent: str, document: object) -> Iterator[Refused]:
    for each in misplaced.find(stream, document):
        yield Refused(each.stream, parent, each.key, token(each.value), 1, each.reason, each.path)


def no_row(lacking: Sequence[str]) -> str:
    return f"No row shows it, and neither the codec nor `fill` gives {', '.join(lacking)} for one."


def why(stream: BoundStream, what: str, key: str | None, value: object) -> str:
    if what == "not shown":
        return f"Its row would not show in {stream.name}: the condition of the stream refuses it."
    most = None if stream.key_field is None else stream.kinds[stream.key_field].max_length
    if key is not None and most is not None and len(key) > most:
        return f"Its key has {len(key)} characters, and {stream.key_field} takes {most}: {element.shown(key)}."
    try:
        stream.codec.decode(value)
    except Undecodable as error:
        return error.reason
    return "The database does not decode it, although Python does."
