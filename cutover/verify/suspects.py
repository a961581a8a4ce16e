"""A difference is looked at again before it is reported: under the parent's row lock, or, where that is not to be had, later.

The lock is held for one small transaction, and waited for briefly: a verification never makes a writer queue for long.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from django.db import DatabaseError

from cutover import db, snapshot
from cutover.mapping import Binding
from cutover.verify import compare, detail
from cutover.verify.findings import Finding
from cutover.verify.result import DIFFERENCES

LOCK_TIMEOUT = "500ms"  # as pgroll and online_migrations
TRIES = 3
LOOKS = 3
PAUSE = timedelta(seconds=0.1)


def confirmed(binding: Binding, key: Any) -> list[Finding]:
    """The findings of one parent, as they still are under its lock; none where it is gone."""
    for _ in range(TRIES):
        try:
            with locked(binding, key):
                return findings(binding, detail.take(binding, [key]))
        except DatabaseError as error:
            if not lock_not_obtained(error):
                raise
    return persistent(binding, key)


def persistent(binding: Binding, key: Any) -> list[Finding]:
    """The findings of the last of a few looks without the lock; the first look at which the sides agree ends it."""
    found: list[Finding] = []
    for _ in range(LOOKS):
        found = findings(binding, detail.look(binding, [key]))
        if not any(each.kind in DIFFERENCES for each in found):
            break
        time.sleep(PAUSE.total_seconds())
    return found


def orphans(binding: Binding, after: Any, upto: Any) -> dict[Any, int]:
    """The rows without a parent that are still there after a few looks: there is no row to lock."""
    found = compare.orphans(binding, after, upto)
    for _ in range(LOOKS - 1):
        if not found:
            break
        time.sleep(PAUSE.total_seconds())
        again = compare.orphans(binding, after, upto)
        found = {key: again[key] for key in found if key in again}
    return found


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
