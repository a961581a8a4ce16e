"""The fast way through Python, for codecs without SQL: whole lists are read by a cursor, decoded, and poured in by COPY.

As in `direct`, a list qualifies while no row stands for it. Memory is that of one batch, whatever a document weighs. What cannot
become a row comes back; where the database could change a value without a word, or refuses one, nothing is poured and the
caller takes the way that proves row by row.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from django.db import DataError, IntegrityError, models, transaction

from cutover import db
from cutover.backfill import columns, difference, direct
from cutover.backfill.missing import Missing, Refused
from cutover.codecs import Undecodable
from cutover.codecs.codec import proved
from cutover.codecs.element import loads, same, why_not_jsonb
from cutover.mapping import Binding, BoundStream, path
from cutover.pairing import token
from cutover.sql import query

BATCH_BYTES = 4 * 1024 * 1024
MOST = 2_000

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


class Inexact(Exception):
    """A value that the column might give back as another."""


Element = tuple[str, str | None, str | None, int | None]
"""One line of the cursor: parent, dynamic key, element, position; without an element it names a parent that is done."""


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
    """Pour the lists of some parents for which no row stands; nothing at all where one value might not come back."""
    if not eligible(binding, stream):
        return Poured()
    done = Poured()
    try:
        with transaction.atomic(using=binding.alias):
            before = shown(binding, stream, keys)
            for batch in batches(binding, stream, keys):
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


def batches(binding: Binding, stream: BoundStream, keys: Sequence[str]) -> Iterator[list[Element]]:
    """What the cursor gives, oldest first for each list, as much at a time as weighs a few megabytes at most."""
    with db.server_cursor(binding.alias, "cutover_pour", statement(binding, stream), {"keys": list(keys)}) as cursor:
        widest = cursor.fetchone()[3] or 1
        size = max(1, min(MOST, BATCH_BYTES // widest))
        while found := cursor.fetchmany(size):
            yield found


def records(binding: Binding, stream: BoundStream, batch: Sequence[Element], done: Poured) -> Iterator[list[Any]]:
    """The records for COPY, in the order of `target`; each is decoded while the server takes those before. Raises Inexact."""
    wanted, keyed = columns.of(binding, stream), stream.key_field is not None
    checks = [(name, *limits(binding, name)) for name in wanted.given.values() if name != stream.key_field]
    kept, drawn = list(wanted.constants.values()), len(wanted.drawn)
    decode, encode = stream.codec.decode, stream.codec.encode
    for parent, key, text, place in batch:
        if text is None:
            done.parents.add(parent)
            continue
        element = loads(text)
        try:
            values = proved(decode, encode, element)
        except Undecodable as error:
            done.refused.append((Missing(parent, key, element, 0, place), error.reason))
            continue
        record: list[Any] = [parent, place]
        record += [given(values[name], kind, limit) for name, kind, limit in checks]
        if keyed:
            record.append(key)
        record += kept
        record += [uuid4() for _ in range(drawn)]
        yield record


def given(value: Any, kind: type, limit: int | None) -> Any:
    """A value as COPY takes it. Raises Inexact."""
    if value is None:
        return None
    if kind is object:
        return json_text(value)
    if not exact(value, kind, limit):
        raise Inexact(value)
    return value


def limits(binding: Binding, name: str) -> tuple[type, int | None]:
    """The type that a field takes; and how long a text may be, or whether a time has a zone."""
    kind = EXACT[type(binding.child.model._meta.get_field(name))]
    return kind, binding.kinds[name].max_length if kind is str else int(binding.kinds[name].aware)


def json_text(value: object) -> str:
    """The JSON of a value that comes back the same. Raises Inexact."""
    if value == {}:
        return "{}"
    if why_not_jsonb(value) is None:
        text = path.dump(value)
        if same(loads(text), value):
            return text
    raise Inexact(value)


def exact(value: Any, kind: type, limit: int | None) -> bool:
    """Whether the column gives this very value back; a text column cuts spaces off at its length without a word."""
    if type(value) is not kind:
        return False
    if isinstance(value, str):
        return limit is None or len(value) <= limit
    return not isinstance(value, datetime) or (value.tzinfo is not None) == bool(limit)


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


@cache
def statement(binding: Binding, stream: BoundStream) -> str:
    """The statement of the cursor; its parameter are the keys."""
    parts = {"whole": direct.whole(binding, stream), **direct.order(stream)}
    return db.render(query("backfill", "pour", **parts))
