"""Schema changes that lock a busy table: a short lock_timeout, bounded tries with jitter, and then the blockers by name.

A statement that waits for a lock makes everybody who comes later wait behind it; so it waits briefly, lets the queue pass, and
tries again. (pgroll and online_migrations do the same, with these numbers.) Where the caller is in a transaction already, each
try is a savepoint of it.

Note [One wait for a try]: a try has one limit for all its locks together. With one for each, whoever queues for the first lock
would wait while we wait for the second as well.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

import psycopg
from django.db import DatabaseError
from psycopg import sql

from cutover import db
from cutover.errors import Busy
from cutover.schema import names
from cutover.schema.blockers import Blocker, Seen
from cutover.sql import query

T = TypeVar("T")

TIMEOUT = timedelta(milliseconds=500)
TRIES = 30
FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=2)


class Mode(StrEnum):
    """The modes of table locks that the toolkit takes, in the words of LOCK TABLE, from the weakest to the strongest.

    Note [Lockers go first]: a transaction that has said SELECT ... FOR UPDATE holds ROW SHARE on the table. When it then
    updates the row, it would queue behind our request for SHARE ROW EXCLUSIVE, which does not conflict with ROW SHARE; and we
    wait for the writers who wait for its row: at every try, as long as the row is hot. (The deadlock detector would put the
    queue right, but after a second, and no try waits that long.) EXCLUSIVE does conflict with what it holds, and PostgreSQL
    lets the holder of a conflicting lock pass in front of the one who waits for it. Plain readers pass. So what needs SHARE ROW
    EXCLUSIVE on the parents takes EXCLUSIVE first.
    """

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def conflicts(self) -> list[str]:
        """The modes of others that it waits for, as in pg_locks.mode. (The manual, "Explicit Locking", has the table.)"""
        return list(WEAKEST_FIRST[FIRST_CONFLICT[self] :])

    @property
    def held(self) -> str:
        """The same as pg_locks.mode has it."""
        return f"{self.title().replace(' ', '')}Lock"


# As pg_locks.mode has them. Each mode conflicts with one of these and with all that come after it.
FIRST_CONFLICT = {
    Mode.ACCESS_SHARE: 7,
    Mode.ROW_SHARE: 6,
    Mode.ROW_EXCLUSIVE: 4,
    Mode.SHARE_UPDATE_EXCLUSIVE: 3,
    Mode.SHARE_ROW_EXCLUSIVE: 2,
    Mode.EXCLUSIVE: 1,
    Mode.ACCESS_EXCLUSIVE: 0,
}
WEAKEST_FIRST = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)


@dataclass(frozen=True)
class Wanted:
    """A lock on a table, for as long as the transaction lasts.

    Attributes:
        rows: the work locks rows of it. Who holds which row no catalogue says, so whoever may hold any of them is named.
    """

    table: sql.Composable
    mode: Mode = Mode.ACCESS_EXCLUSIVE
    rows: bool = False

    @property
    def conflicts(self) -> list[str]:
        return Mode.EXCLUSIVE.conflicts if self.rows else self.mode.conflicts


def short_lock(
    alias: str,
    work: Callable[[], T],
    wanted: Sequence[Wanted],
    *,
    timeout: timedelta = TIMEOUT,
    tries: int = TRIES,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """Lock the tables and run `work` in one transaction that waits at most `timeout` in all for its locks; at most `tries` times.

    Args:
        work: the statements; run anew at every try, with the locks held.
        wanted: what to lock, in this order.

    Raises:
        Busy: no try obtained its locks; the message names who held them last.
    """
    seen = Seen()
    for number in range(tries):
        try:
            with patience(alias, timeout) as limit:
                for each in wanted:
                    limit.shrink()
                    db.run(alias, query("schema", "lock", table=each.table, mode=sql.SQL(each.mode.value)))
                limit.shrink()
                return work()
        except DatabaseError as error:
            if not lock_not_obtained(error):
                raise
            seen.take(blockers(alias, wanted))
        if number + 1 < tries:
            pause(next_pause(number))
    raise busy(wanted, seen, timeout, tries)


@dataclass
class Limit:
    """What is left of the time that a try may wait."""

    alias: str
    until: float

    def shrink(self) -> None:
        """Let the next statement wait for the rest of it, and never for ever: 0 would mean that."""
        left = max(1, int((self.until - time.monotonic()) * 1000))
        db.set_local(self.alias, "lock_timeout", f"{left}ms")


@contextmanager
def patience(alias: str, timeout: timedelta) -> Iterator[Limit]:
    """A transaction, or a savepoint of the caller's, with a lock_timeout of its own."""
    limit = Limit(alias, time.monotonic() + timeout.total_seconds())
    with db.part(alias, "lock_timeout"):
        yield limit


def lock_not_obtained(error: DatabaseError) -> bool:
    return isinstance(db.driver_error(error), psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)


def blockers(alias: str, wanted: Sequence[Wanted]) -> list[Blocker]:
    """Who holds a conflicting lock on one of the tables now. (When lock_timeout has fired, nobody blocks us any more.)"""
    found = []
    for each in wanted:
        values = {"relations": [names.text(each.table)], "modes": each.conflicts}
        found += [Blocker(*row) for row in db.rows(alias, query("schema", "blockers"), values)]
    return found


def next_pause(number: int) -> float:
    """Seconds until the next try: doubling up to a limit, each with jitter of a half."""
    longest = min(FIRST_PAUSE.total_seconds() * 2**number, LONGEST_PAUSE.total_seconds())
    return float(longest * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the tries, guards nothing


def busy(wanted: Sequence[Wanted], seen: Seen, timeout: timedelta, tries: int) -> Busy:
    where = " and ".join(names.text(each.table).replace('"', "") for each in wanted)
    return Busy(
        f"No lock on {where} in {tries} tries of {timeout.total_seconds():g} s; it was held by {seen}.", hint=seen.hint
    )
