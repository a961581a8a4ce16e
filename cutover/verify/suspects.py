"""A difference is looked at again before it is reported: under the parent's row lock, or, where that is not to be had, later.

Note [Locks of a verification]
    Several parents are locked in one transaction, in the order of their keys, as far as nobody else has them locked: while a
    lock is held, none is waited for, and nothing is parsed. How many are taken is learned from how long the last ones were
    held. A parent that somebody else has locked is waited for alone; one that is too large to be read in that time is never
    locked, but looked at several times.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from django.db import DatabaseError
from psycopg import sql

from cutover import db, snapshot
from cutover.chunk import Pace
from cutover.mapping import Binding
from cutover.sql import query
from cutover.verify import compare, detail
from cutover.verify.compare import Parent
from cutover.verify.detail import Reading
from cutover.verify.findings import Finding
from cutover.verify.result import DIFFERENCES

LOCK_TIMEOUT = "500ms"  # as pgroll and online_migrations
TRIES = 3
LOOKS = 3
PAUSE = timedelta(seconds=0.1)
HELD = timedelta(seconds=0.05)  # how long locks are to be held; twice as long is what a writer would notice
MOST_PARENTS = 50
MOST_ELEMENTS = 5_000  # elements and rows; measured: they are read in 30 to 50 ms
AT_ONCE = 1_000  # keys of parents that are gone
ORDERED = ("smallint", "integer", "bigint", "uuid")

Found = tuple[Any, list[Finding]]


def pace() -> Pace:
    """How many parents are locked together, to begin with."""
    return Pace(parents=10, target=HELD, longest=HELD, most_elements=MOST_ELEMENTS, largest=MOST_PARENTS)


def confirmed(binding: Binding, parents: Sequence[Parent], held: Pace) -> Iterator[Found]:
    """The findings of each parent, as they still are under its lock; parents that are gone are left out."""
    small = [parent for parent in parents if weight(parent) <= MOST_ELEMENTS]
    while small:
        batch, small = cut(small, held.size)
        yield from locked_together(binding, batch, held)
    for parent in parents:
        if weight(parent) > MOST_ELEMENTS:
            yield parent.key, persistent(binding, parent.key)


def weight(parent: Parent) -> int:
    """Elements and rows of a parent."""
    return sum(each.elements + each.rows + each.after_json for each in parent.streams)


def cut(parents: Sequence[Parent], most: int, most_elements: int = MOST_ELEMENTS) -> tuple[list[Parent], list[Parent]]:
    """The first of them that may be held together, at least one, and the others."""
    size = 0
    for number, parent in enumerate(parents):
        size += weight(parent)
        if number and (number >= most or size > most_elements):
            return list(parents[:number]), list(parents[number:])
    return list(parents), []


def locked_together(binding: Binding, batch: Sequence[Parent], held: Pace) -> Iterator[Found]:
    keys = [parent.key for parent in batch]
    reading, took = read_locked(binding, keys)
    elements = sum(weight(parent) for parent in batch)
    held.learn(parents=len(batch), elements=elements, size_bytes=0, took=took)
    for look in detail.made(binding, reading):
        yield look.sides.key, detail.findings(binding, look)
    free = {sides.key for sides in reading.sides}
    for key in keys:
        if key not in free:
            yield key, confirmed_alone(binding, key)


def read_locked(binding: Binding, keys: Sequence[Any]) -> tuple[Reading, timedelta]:
    """What the database says of those that nobody else has locked, and how long they were held."""
    with db.read_committed(binding.alias):
        free = lock_free(binding, keys)
        started = time.monotonic()
        reading = detail.read(binding, free)
    return reading, timedelta(seconds=time.monotonic() - started)


def lock_free(binding: Binding, keys: Sequence[Any]) -> list[Any]:
    """Lock those parents that nobody else has locked, until the end of the transaction; their keys."""
    parts = compare.places(binding)
    text = query("verify", "lock_free", **{name: parts[name] for name in ("parent", "parent_key", "type")})
    return [key for (key,) in db.rows(binding.alias, text, {"keys": list(keys)})]


def confirmed_alone(binding: Binding, key: Any) -> list[Finding]:
    """The findings of a parent that somebody else has locked; none where it is gone."""
    for _ in range(TRIES):
        try:
            with locked(binding, key):
                reading = detail.read(binding, [key])
            return findings(binding, detail.made(binding, reading))
        except DatabaseError as error:
            if not lock_not_obtained(error):
                raise
    return persistent(binding, key)


def persistent(binding: Binding, key: Any) -> list[Finding]:
    """The findings of the last of a few looks without the lock; the first look at which the sides agree ends it."""
    found: list[Finding] = []
    for number in range(LOOKS):
        if number:
            time.sleep(PAUSE.total_seconds())
        found = findings(binding, detail.look(binding, [key]))
        if not serious(found):
            break
    return found


def orphans(binding: Binding, after: Any, upto: Any) -> Iterator[tuple[Any, int]]:
    """The keys of parents that are gone and still have rows after a few looks, with the number of those: no row can be locked.

    After one key and up to another (None is open), in the order of the keys. Memory is that of a thousand keys.
    """
    bounds = {"after": after, "upto": upto}
    if after is not None and ordered_alike(binding) and not db.scalar(binding.alias, asked(binding, "between"), bounds):
        return
    while found := gone(binding, "next_orphans", {"after": after, "upto": upto, "limit": AT_ONCE}):
        after = list(found)[-1]
        yield from still_gone(binding, found, LOOKS - 1).items()


def ordered_alike(binding: Binding) -> bool:
    """Whether rows have the order of their parents for sure: texts may have another collation there than here."""
    return binding.parent.pk_type in ORDERED


def orphans_among(binding: Binding, keys: Sequence[Any]) -> dict[Any, int]:
    """The same among some keys."""
    return still_gone(binding, gone(binding, "orphans_among", {"keys": list(keys)}), LOOKS - 1)


def still_gone(binding: Binding, found: dict[Any, int], looks: int) -> dict[Any, int]:
    for _ in range(looks):
        if not found:
            break
        time.sleep(PAUSE.total_seconds())
        found = gone(binding, "orphans_among", {"keys": list(found)})
    return found


def gone(binding: Binding, name: str, values: dict[str, object]) -> dict[Any, int]:
    """Parents that are gone and have rows, and how many, as a query finds them."""
    return {key: count for key, count in db.rows(binding.alias, asked(binding, name), values)}


def asked(binding: Binding, name: str) -> sql.Composed:
    """A query over parents and rows by their keys."""
    names = ("parent", "parent_key", "type", "child", "fk")
    parts = {each: part for each, part in compare.places(binding).items() if each in names}
    return query("verify", name, **parts)


@contextmanager
def locked(binding: Binding, key: Any) -> Iterator[None]:
    """A transaction of our own that holds the parent's row lock; gives up after half a second of waiting for it."""
    with db.read_committed(binding.alias):
        db.set_local(binding.alias, "lock_timeout", LOCK_TIMEOUT)
        snapshot.lock(binding, [key])
        yield


def lock_not_obtained(error: DatabaseError) -> bool:
    expected = psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected
    return isinstance(db.driver_error(error), expected)


def findings(binding: Binding, looks: list[detail.Look]) -> list[Finding]:
    return [each for look in looks for each in detail.findings(binding, look)]


def serious(found: list[Finding]) -> bool:
    """Whether a parent has to be looked at again: for anything but what is expected."""
    return any(each.kind in DIFFERENCES for each in found)
