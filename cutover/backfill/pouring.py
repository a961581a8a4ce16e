"""The fast way through Python, for codecs without SQL: whole lists are read in slices, decoded, and poured in by COPY.

As in `direct`, a list qualifies while its rows are its newest elements, or none (without SQL: none). Memory is that of one
slice, whatever a document weighs. What cannot become a row comes back; where the database could change a value without a word, or
refuses one, nothing is poured and the caller takes the way that proves row by row.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from json import JSONEncoder
from typing import Any
from uuid import UUID, uuid4

from django.db import DataError, IntegrityError, models, transaction

from cutover import beside, db
from cutover.backfill import columns, difference, slices
from cutover.backfill.missing import Missing, Refused
from cutover.backfill.slices import Slice
from cutover.codecs import Undecodable
from cutover.codecs.codec import proved
from cutover.codecs.element import loads, plain, same, why_not_jsonb
from cutover.mapping import Binding, BoundStream, path
from cutover.pairing import token
from cutover.sql import query

EXACT: dict[type, type] = {
    models.CharField: str,
    models.TextField: str,
    models.SmallIntegerField: int,
    models.IntegerField: int,
    models.BigIntegerField: int,
    models.BooleanField: bool,
    models.FloatField: float,
    models.UUIDField: UUID,
    models.DateTimeField: datetime,
    models.JSONField: object,
}
"""Fields whose column gives back what it was given, if that is of this very type."""

PLAIN = JSONEncoder()


class Inexact(Exception):
    """A value that the column might give back as another."""


@dataclass
class Poured:
    """The parents that need nothing more of the stream, how many rows were made, and what could be none."""

    parents: set[str] = field(default_factory=set)
    inserted: int = 0
    refused: list[tuple[Missing, str]] = field(default_factory=list)

    def told(self, stream: BoundStream) -> Iterator[Refused]:
        """What was refused, numbered among its equals from the newest; it was met from the oldest on."""
        left = Counter((each.parent, each.key, token(each.element)) for each, _ in self.refused)
        for each, reason in self.refused:
            same = (each.parent, each.key, token(each.element))
            yield Missing(each.parent, each.key, each.element, left[same]).refused(stream.name, reason)
            left[same] -= 1


def fill(binding: Binding, stream: BoundStream, keys: Sequence[str]) -> Poured:
    """Pour the lists of some parents that qualify; nothing at all where one value might not come back."""
    if not eligible(binding, stream):
        return Poured()
    try:
        return poured(binding, stream, keys, aside=not stream.number)
    except beside.Unavailable:
        return poured(binding, stream, keys, aside=False)


def poured(binding: Binding, stream: BoundStream, keys: Sequence[str], *, aside: bool) -> Poured:
    done = Poured()
    try:
        with transaction.atomic(using=binding.alias):
            before = shown(binding, stream, keys)
            with slices.read(binding, stream, keys, aside=aside) as found:
                for batch in found:
                    made = records(binding, stream, batch, done)
                    done.inserted += db.copy_in(binding.alias, target(binding, stream), made)
            if shown(binding, stream, keys) - before != done.inserted:
                raise Inexact  # the stream would not show all of them
    except (Inexact, DataError, IntegrityError, RecursionError):
        return Poured()
    return done


def eligible(binding: Binding, stream: BoundStream) -> bool:
    wanted = columns.of(binding, stream)
    fields = [binding.child.model._meta.get_field(name) for name in wanted.given.values()]
    plain = all(type(each) in EXACT and getattr(each, "encoder", None) is None for each in fields)
    return binding.position is not None and not wanted.lacking and plain


def records(binding: Binding, stream: BoundStream, found: Iterable[Slice], done: Poured) -> Iterator[tuple[Any, ...]]:
    """The records for COPY, in the order of `target`; each is decoded while the server takes those before. Raises Inexact."""
    wanted, keyed = columns.of(binding, stream), stream.key_field is not None
    checks = [(name, *limits(binding, name)) for name in wanted.given.values() if name != stream.key_field]
    kept, drawn = tuple(wanted.constants.values()), len(wanted.drawn)
    decode, encode = stream.codec.decode, stream.codec.encode
    for piece in found:
        if piece.elements is None:
            done.parents.add(piece.parent)
            continue
        behind = ((piece.key,) if keyed else ()) + kept
        for place, element in enumerate(piece.elements, piece.place):
            try:
                values = proved(decode, encode, element)
            except Undecodable as error:
                done.refused.append((Missing(piece.parent, piece.key, element, 0, place), error.reason))
                continue
            given = [
                value if (value := values[name]) is None or fits(value) else exactly(value, kind)
                for name, kind, fits in checks
            ]
            yield (piece.parent, place, *given, *behind, *(uuid4() for _ in range(drawn)))


def exactly(value: Any, kind: type) -> Any:
    """A value that does not fit as it is: JSON as its text. Raises Inexact."""
    if kind is object:
        return json_text(value)
    raise Inexact(value)


def limits(binding: Binding, name: str) -> tuple[type, Callable[[Any], bool]]:
    """The type that a field takes, and whether its column gives back this very value, if it is of that type.

    A text column cuts spaces off at its length without a word.
    """
    kind, column = EXACT[type(binding.child.model._meta.get_field(name))], binding.kinds[name]
    most, aware = column.max_length, column.aware
    if kind is object:
        return kind, lambda _: False
    if kind is str and most is not None:
        return kind, lambda value: type(value) is str and len(value) <= most
    if kind is datetime:
        return kind, lambda value: type(value) is datetime and (value.tzinfo is not None) == aware
    return kind, lambda value: type(value) is kind


def json_text(value: object) -> str:
    """The JSON of a value that comes back the same. Raises Inexact."""
    if plain(value):
        return PLAIN.encode(value)
    if why_not_jsonb(value) is None:
        text = path.dump(value)
        if same(loads(text), value):
            return text
    raise Inexact(value)


def shown(binding: Binding, stream: BoundStream, keys: Sequence[str]) -> int:
    """How many rows of history the stream shows of some parents; only a holder of their segment changes it."""
    parts = {**difference.tables(binding), "shown": stream.shown}
    return int(db.scalar(binding.alias, query("backfill", "count_history", **parts), {"keys": list(keys)}))


@cache
def target(binding: Binding, stream: BoundStream) -> str:
    """The COPY statement."""
    wanted = columns.of(binding, stream)
    given = [column for column, name in wanted.given.items() if name != stream.key_field]
    keyed = [column for column, name in wanted.given.items() if name == stream.key_field]
    names = [binding.fk, str(binding.position), *given, *keyed, *wanted.constants, *wanted.drawn]
    parts = {"child": binding.child.identifier, "names": difference.identifiers(names)}
    return db.render(query("backfill", "copy", **parts))
