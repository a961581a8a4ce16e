"""The transaction in which something is mended: under the token, with the ledger held still, and the parents locked.

Locks are taken in one order: the turn, the ledger, the segments of the backfill, the parents by their keys. No lock of a parent
is waited for while another one is held.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from django.db import DatabaseError

from cutover import db, snapshot
from cutover.chunk import Pace
from cutover.errors import Busy
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.sql import query
from cutover.verify import compare, lease, suspects
from cutover.verify.lease import Turn
from cutover.verify.suspects import LOCK_TIMEOUT

T = TypeVar("T")
TRIES = 30  # with jitter, as pgroll and online_migrations
PAUSE_SECONDS = 0.2
TARGET = timedelta(seconds=0.1)  # writers of these parents wait as long as a transaction takes
MOST_PARENTS = 50
MOST_ELEMENTS = 2_000


class Held(NamedTuple):
    """What a transaction holds: the phase, and the keys of the parents that it has locked."""

    phase: Phase
    keys: list[Any]


def pace() -> Pace:
    """How many parents are mended in one transaction, to begin with."""
    return Pace(parents=5, target=TARGET, longest=TARGET, most_elements=MOST_ELEMENTS, largest=MOST_PARENTS)


@contextmanager
def holding(
    binding: Binding, turn: Turn, keys: Sequence[Any] = (), *, wait: bool = False, backfill: bool = True
) -> Iterator[Held]:
    """A transaction in which the ledger does not move, and nobody else writes to the lists of the parents that it has.

    It has those that nobody else has locked; where `wait`, all of them. Where `backfill`, the backfill is kept from them as
    well: both would insert the same row.

    Raises:
        Busy: the ledger has moved since the turn began, or somebody else has taken over.
    """
    with db.read_committed(binding.alias):
        db.set_local(binding.alias, "lock_timeout", LOCK_TIMEOUT)
        lease.lock(binding, turn)
        phase = hold_ledger(binding, turn)
        if keys and backfill:
            values = {"name": binding.name, "keys": list(keys)}
            db.rows(binding.alias, query("mending", "segments", type=binding.parent.type), values)
        yield Held(phase, locked(binding, keys, wait=wait))


def hold_ledger(binding: Binding, turn: Turn) -> Phase:
    phase, epoch = db.one(binding.alias, query("mending", "ledger"), {"name": binding.name}) or (0, 0)
    if epoch != turn.epoch:
        raise Busy(f"{binding.name} was moved to {Phase(phase).name} meanwhile.", hint="Look at `cutover status`.")
    return Phase(phase)


def locked(binding: Binding, keys: Sequence[Any], *, wait: bool) -> list[Any]:
    if not keys:
        return []
    if wait:
        snapshot.lock(binding, keys)
        return list(keys)
    return suspects.lock_free(binding, keys)


def in_turns(keys: Sequence[Any], work: Callable[[Sequence[Any], bool], tuple[list[Any], list[T]]]) -> list[T]:
    """Do some work to parents: first to those that nobody has locked, together, then to each of the others as it gets free.

    `work` takes keys and whether to wait, and gives the keys to which it came and what it did.

    Raises:
        Busy: a lock was not obtained, after 30 tries.
    """
    came, done = tried(lambda: work(keys, False))
    for key in keys:
        if key not in came:
            done += tried(lambda key=key: work([key], True))[1]  # type: ignore[misc]
    return done


def tried(write: Callable[[], T]) -> T:
    """Try until the locks are obtained.

    Raises:
        Busy: they were not, after 30 tries.
    """
    for _ in range(TRIES):
        try:
            return write()
        except DatabaseError as error:
            if not suspects.lock_not_obtained(error):
                raise
        time.sleep(PAUSE_SECONDS * random.random())  # noqa: S311 - jitter
    raise Busy(
        f"A lock was not obtained in {TRIES} tries of {LOCK_TIMEOUT}.",
        hint="Run the same command again later.",
    )


def parts(binding: Binding, *names: str) -> dict[str, Any]:
    return {name: compare.places(binding)[name] for name in names}
