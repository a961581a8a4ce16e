"""What an error in a chunk means: try again, take less, connect anew. No error is ever taken for the end of the work."""

import random
import time
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

import psycopg
from django.db import DatabaseError, InterfaceError, connections

from cutover import db
from cutover.errors import Busy

TRIES = 3
RECONNECTS = 12
LONGEST_PAUSE = 5.0

COLLISIONS = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
TOO_MUCH = (psycopg.errors.QueryCanceled, psycopg.errors.OutOfMemory, psycopg.errors.DiskFull)
DATA = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
SHUTDOWNS = {"57P01", "57P02", "57P03", "57P05"}

T = TypeVar("T")


class Kind(Enum):
    """What went wrong."""

    COLLISION = "somebody else holds a lock"
    TOO_MUCH = "the database ended the statement"
    DATA = "the database does not take the data"
    CONNECTION = "the connection is gone"
    BUG = "anything else"


def kind(error: BaseException) -> Kind:
    """By class and SQLSTATE, never by text."""
    cause = db.driver_error(error)
    if isinstance(cause, COLLISIONS):
        return Kind.COLLISION
    if isinstance(cause, TOO_MUCH):
        return Kind.TOO_MUCH
    if isinstance(cause, DATA):
        return Kind.DATA
    if isinstance(error, InterfaceError) or isinstance(cause, psycopg.InterfaceError):
        return Kind.CONNECTION
    if isinstance(cause, psycopg.OperationalError):
        state = cause.sqlstate
        return Kind.CONNECTION if state is None or state[:2] == "08" or state in SHUTDOWNS else Kind.BUG
    return Kind.BUG


def collisions(attempt: Callable[[], T], what: str) -> T:
    """Try three times against locks of others, with pauses that no two workers share.

    Raises:
        Busy: somebody else held a lock each time.
    """
    for number in range(1, TRIES + 1):
        try:
            return attempt()
        except DatabaseError as error:
            if kind(error) is not Kind.COLLISION:
                raise
            if number == TRIES:
                told = db.translate(error)
                reason = str(told or error).rstrip(".")
                raise Busy(f"{what} could not be filled: {reason}.", hint="Run the same command again.") from error
        pause(number)
    raise AssertionError("unreachable")


def reconnected(alias: str, attempt: Callable[[], T]) -> T:
    """Run it on a new connection; wait for a server that restarts.

    Raises:
        DatabaseError: the server has not come back within about a minute.
    """
    for number in range(1, RECONNECTS + 1):
        connections[alias].close()
        try:
            return attempt()
        except DatabaseError as error:
            if kind(error) is not Kind.CONNECTION or number == RECONNECTS:
                raise
        pause(number)
    raise AssertionError("unreachable")


def pause(number: int) -> None:
    time.sleep(min(LONGEST_PAUSE, 0.05 * 2**number) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
