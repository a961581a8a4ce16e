"""What an error in a chunk means: try again, take less, connect anew. No error is ever taken for the end of the work."""

import random
import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TypeVar

import psycopg
from django.db import Error, InterfaceError, connections

from cutover import db
from cutover.errors import Busy, CutoverError

TRIES = 3
LOSSES = 10  # of the connection in one piece of work; whoever kills the server by it is not to go on for ever
RETURN_SECONDS = 60.0  # that a server may need for a restart
LONGEST_PAUSE = 5.0

COLLISIONS = {"55P03", "40P01", "40001"}  # a lock not obtained, a deadlock, a serialization failure
TOO_MUCH = {
    "57014",
    "25P04",
    "53100",
    "53200",
    "53400",
}  # a time limit, no disk, no memory, a limit of the configuration
GONE = {"57P01", "57P02", "57P03", "57P05", "25P03", "53300"}  # shut down, crashed, starting, idle for too long, full
DATA = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)

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
    cause, state = db.driver_error(error), db.sqlstate(error)
    if state in COLLISIONS:
        return Kind.COLLISION
    if state in TOO_MUCH:
        return Kind.TOO_MUCH
    if isinstance(cause, DATA):
        return Kind.DATA
    if state in GONE or state[:2] == "08" or isinstance(error, InterfaceError):
        return Kind.CONNECTION
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError) and not state:
        return Kind.CONNECTION
    return Kind.BUG


def collisions(attempt: Callable[[], T], what: str) -> T:
    """Try three times against locks of others, with pauses that no two workers share.

    Raises:
        Busy: somebody else held a lock each time.
    """
    for number in range(1, TRIES + 1):
        try:
            return attempt()
        except Error as error:
            if kind(error) is not Kind.COLLISION:
                raise
            if number == TRIES:
                told = db.translate(error)
                reason = str(told or error).rstrip(".")
                raise Busy(f"{what} could not be filled: {reason}.", hint="Run the same command again.") from error
        pause(number)
    raise AssertionError("unreachable")


def answered(question: Callable[[], T], anew: Callable[[], object]) -> T:
    """Ask what may be asked twice, until it is answered: on a new connection, which `anew` makes, where the old one is gone.

    Raises:
        CutoverError: the connection was lost ten times in it.
        django.db.Error: any other error, and a lock that somebody else held three times.
    """
    losses = met = 0
    while True:
        try:
            return question()
        except Error as error:
            what = kind(error)
            losses += what is Kind.CONNECTION
            met += what is Kind.COLLISION
            if what not in (Kind.CONNECTION, Kind.COLLISION) or met == TRIES:
                raise
            if losses == LOSSES:
                raise CutoverError(
                    f"The connection was lost {losses} times over the same work: {error}".partition("\n")[0].rstrip(".")
                    + ".",
                    hint="See in the server's log what ends it, then run the same command again.",
                ) from error
        if losses + met > 1:
            pause(losses + met)
        if what is Kind.CONNECTION:
            anew()  # after the pause: a connection that waits may be ended meanwhile, and that would count again


def steady(alias: str, question: Callable[[], T]) -> T:
    """The same, where nothing is held that had to be held anew."""
    return answered(question, lambda: reconnected(alias, partial(db.scalar, alias, "SELECT 1")))


def reconnected(alias: str, attempt: Callable[[], T]) -> T:
    """Run it on a new connection; wait for a server that restarts, and for what the old connection has left running there.

    Raises:
        django.db.Error: the server has not come back within a minute.
    """
    until, number = time.monotonic() + RETURN_SECONDS, 0
    while True:
        connections[alias].close()
        try:
            return attempt()
        except Error as error:
            if kind(error) in (Kind.DATA, Kind.BUG) or time.monotonic() > until:
                raise
        number += 1
        pause(number)


def pause(number: int) -> None:
    time.sleep(min(LONGEST_PAUSE, 0.05 * 2**number) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
