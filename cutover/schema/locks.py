"""Schema changes that lock a busy table: a short lock_timeout, bounded tries with jitter, and then the blockers by name.

A statement that waits for a lock makes everybody who comes later wait behind it; so it waits briefly, lets the queue pass, and
tries again. (pgroll and online_migrations do the same, with these numbers.) Where the caller is in a transaction already, each
try is a savepoint of it.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import psycopg
from django.db import DatabaseError, transaction
from psycopg import sql

from cutover import db
from cutover.errors import Busy
from cutover.schema import names
from cutover.sql import query

T = TypeVar("T")

TIMEOUT = timedelta(milliseconds=500)
TRIES = 30
FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=2)

# The table of conflicts in the manual, "Explicit Locking".
WRITERS = ("RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock")
SHARE_ROW_EXCLUSIVE = (*WRITERS, "ExclusiveLock", "AccessExclusiveLock")
EXCLUSIVE = ("RowShareLock", *SHARE_ROW_EXCLUSIVE)
ACCESS_EXCLUSIVE = ("AccessShareLock", *EXCLUSIVE)
SHARE_UPDATE_EXCLUSIVE = SHARE_ROW_EXCLUSIVE[1:]


@dataclass(frozen=True)
class Blocker:
    """Who holds a lock that conflicts with the one wanted; what an ordinary role may not see is None."""

    pid: int | None
    application_name: str | None
    user: str | None
    state: str | None
    since: datetime | None
    gid: str | None
    backend: str | None
    mode: str

    def __str__(self) -> str:
        if self.gid is not None:
            who = f"prepared transaction {self.gid!r} of {self.user}"
        elif self.backend not in (None, "client backend"):
            who = f"{self.backend}, pid {self.pid}"
        else:
            who = f"pid {self.pid}, {self.application_name or 'no application_name'} as {self.user}"
        state = f", {self.state}" if self.state else ""
        return who + state + (f", since {self.since:%H:%M:%S}" if self.since else "")


def short_lock(
    alias: str,
    work: Callable[[], T],
    tables: Sequence[sql.Composable],
    *,
    mode: Sequence[str] = ACCESS_EXCLUSIVE,
    timeout: timedelta = TIMEOUT,
    tries: int = TRIES,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """Run `work` in a transaction that waits at most `timeout` for any lock, and again, at most `tries` times.

    Args:
        work: the statements; run anew at every try.
        tables: those that `work` locks; asked for blockers when a lock was not obtained.
        mode: the lock modes that conflict with the strongest lock that `work` takes.

    Raises:
        Busy: no try obtained its lock; the message names who held it last.
    """
    seen: list[Blocker] = []
    for number in range(tries):
        try:
            with patience(alias, timeout):
                return work()
        except DatabaseError as error:
            if not lock_not_obtained(error):
                raise
            seen = blockers(alias, tables, mode) or seen
        if number + 1 < tries:
            pause(next_pause(number))
    raise busy(tables, seen, timeout, tries)


@contextmanager
def patience(alias: str, timeout: timedelta) -> Iterator[None]:
    """A transaction, or a savepoint of the caller's, with a lock_timeout of its own."""
    milliseconds = f"{int(timeout.total_seconds() * 1000)}ms"
    if not db.in_transaction(alias):
        with db.read_committed(alias):
            db.set_local(alias, "lock_timeout", milliseconds)
            yield
        return
    before = db.scalar(alias, sql.SQL("SELECT current_setting('lock_timeout')"))
    with transaction.atomic(using=alias):
        db.set_local(alias, "lock_timeout", milliseconds)
        yield
        db.set_local(alias, "lock_timeout", before)


def lock_ahead(alias: str, table: sql.Composable) -> None:
    """Lock a table of parents (EXCLUSIVE) before a statement that takes SHARE ROW EXCLUSIVE on it.

    Note [Lockers go first]: a transaction that has said SELECT ... FOR UPDATE holds ROW SHARE on the table. When it then
    updates the row, it would queue behind our request for SHARE ROW EXCLUSIVE, which does not conflict with ROW SHARE; and we
    wait for the writers who wait for its row: at every try, as long as the row is hot. (The deadlock detector would put the
    queue right, but after a second, and no try waits that long.) EXCLUSIVE does conflict with what it holds, and PostgreSQL
    lets the holder of a conflicting lock pass in front of the one who waits for it. Plain readers pass.
    """
    db.run(alias, query("schema", "lock_ahead", table=table))


def lock_not_obtained(error: DatabaseError) -> bool:
    return isinstance(db.driver_error(error), psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)


def blockers(alias: str, tables: Sequence[sql.Composable], mode: Sequence[str] = ACCESS_EXCLUSIVE) -> list[Blocker]:
    """Who holds a conflicting lock on one of the tables now. (When lock_timeout has fired, nobody blocks us any more.)"""
    values = {"relations": [names.text(table) for table in tables], "modes": list(mode)}
    return [Blocker(*row) for row in db.rows(alias, query("schema", "blockers"), values)]


def next_pause(number: int) -> float:
    """Seconds until the next try: doubling up to a limit, each with jitter of a half."""
    longest = min(FIRST_PAUSE.total_seconds() * 2**number, LONGEST_PAUSE.total_seconds())
    return float(longest * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the tries, guards nothing


def busy(tables: Sequence[sql.Composable], seen: Sequence[Blocker], timeout: timedelta, tries: int) -> Busy:
    where = " and ".join(names.text(table).replace('"', "") for table in tables)
    who = "; ".join(map(str, seen)) or "nobody who is still there"
    return Busy(
        f"No lock on {where} in {tries} tries of {timeout.total_seconds():g} s; it was held by {who}.",
        hint="Wait for them or end them (pg_terminate_backend), then run the same again; nothing was changed.",
    )
