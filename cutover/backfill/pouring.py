"""The fast way through Python, for codecs without SQL: whole lists are read in slices, decoded, and poured in by COPY.

As in `direct`, a list qualifies while its rows are its newest elements, or none (without SQL: none). Memory is that of some
slices, whatever a document weighs. What cannot become a row comes back; where the database could change a value without a word,
or refuses one, nothing is poured and the caller takes the way that proves row by row.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from uuid import UUID

from django.db import DataError, IntegrityError, connections, models, transaction
from psycopg.adapt import PyFormat, Transformer

from cutover import beside, db
from cutover.backfill import columns, decoding, difference, pool, slices
from cutover.backfill.decoding import Given, Inexact, Made, Recipe
from cutover.backfill.missing import Missing, Refused
from cutover.mapping import Binding, BoundStream
from cutover.mapping.condition import EVERY
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


@dataclass
class Poured:
    """The parents that need nothing more of the stream, how many rows were sent and are there, and what could be none."""

    parents: set[str] = field(default_factory=set)
    sent: int = 0
    inserted: int = 0
    refused: list[tuple[Missing, str]] = field(default_factory=list)

    def told(self, stream: BoundStream) -> Iterator[Refused]:
        """What was refused, numbered among its equals from the newest; it was met from the oldest on."""
        left = Counter((each.parent, each.key, token(each.element)) for each, _ in self.refused)
        for each, reason in self.refused:
            same = (each.parent, each.key, token(each.element))
            yield Missing(each.parent, each.key, each.element, left[same]).refused(stream.name, reason)
            left[same] -= 1


def fill(binding: Binding, stream: BoundStream, keys: Sequence[str], *, alone: bool = False) -> Poured:
    """Pour the lists of some parents that qualify; nothing at all where one value might not come back.

    Where `alone`, other processes may help to decode.
    """
    if not eligible(binding, stream):
        return Poured()
    try:
        return poured(binding, stream, keys, aside=not stream.number, alone=alone)
    except beside.Unavailable:
        return poured(binding, stream, keys, aside=False, alone=alone)


def poured(binding: Binding, stream: BoundStream, keys: Sequence[str], *, aside: bool, alone: bool = False) -> Poured:
    done = Poured()
    try:
        with transaction.atomic(using=binding.alias):
            hides = stream.shown is not EVERY
            before = shown(binding, stream, keys) if hides else 0
            with slices.read(binding, stream, keys, aside=aside) as found:
                for units in found:
                    blocks = taken(pool.made(recipe(binding, stream), units, alone=alone), done)
                    done.inserted += db.copy_blocks(binding.alias, target(binding, stream), blocks)
            if done.inserted != done.sent or (hides and shown(binding, stream, keys) - before != done.sent):
                raise Inexact  # a trigger has taken some away, or the stream would not show all of them
    except (Inexact, DataError, IntegrityError, RecursionError):
        return Poured()
    return done


def eligible(binding: Binding, stream: BoundStream) -> bool:
    wanted = columns.of(binding, stream)
    fields = [binding.child.model._meta.get_field(name) for name in wanted.given.values()]
    plain = all(type(each) in EXACT and getattr(each, "encoder", None) is None for each in fields)
    return binding.position is not None and not wanted.lacking and plain


def taken(found: Iterator[Made], done: Poured) -> Iterator[bytes]:
    """The rows, to be handed on; the rest is kept in `done`."""
    for made in found:
        done.parents |= made.parents
        done.refused += made.refused
        done.sent += made.count
        yield made.rows


@cache
def recipe(binding: Binding, stream: BoundStream) -> Recipe:
    """How the elements of a stream become lines of COPY, in the order of `target`."""
    wanted, fields = columns.of(binding, stream), binding.child.model._meta
    names = [name for name in wanted.given.values() if name != stream.key_field]
    given = [Given(name, EXACT[type(fields.get_field(name))], *limits(binding, name)) for name in names]
    constants = [
        decoding.NULL if value is None else decoding.copied(value)
        for value in texts(binding.alias, wanted.constants.values())
    ]
    keyed = stream.key_field is not None
    return Recipe(stream.codec, stream.newest_first, tuple(given), keyed, tuple(constants), len(wanted.drawn))


def texts(alias: str, values: Iterable[object]) -> list[str | None]:
    """Values as the driver sends them, each as text; None stays."""
    wrapper = connections[alias]
    wrapper.ensure_connection()
    adapt = Transformer(wrapper.connection)
    found = (None if each is None else adapt.get_dumper(each, PyFormat.TEXT).dump(each) for each in values)
    return [None if each is None else bytes(each).decode() for each in found]


def limits(binding: Binding, name: str) -> tuple[int | None, bool]:
    column = binding.kinds[name]
    return column.max_length, column.aware


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
