"""Brings a connection to rest that an exception has left in the middle of a command, or closes it.

A soft time limit is an exception that a signal raises in whatever line the main thread is at: while it waits for an answer,
the command goes on in the server, and every later query fails ("another command is already in progress"). It opens no cursor,
decides nothing about the exception, and lets it pass.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.db import Error, connections
from psycopg import pq

GRACE = 0.02  # seconds in which a command may still end by itself
PATIENCE = 2.0  # seconds for the server to give a command up
COPYING = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)


@contextmanager
def at_rest(alias: str) -> Iterator[None]:
    """Whatever passes through here leaves a connection that can be used, or that is closed."""
    try:
        yield
    except BaseException:
        settle(alias)
        raise


@contextmanager
def committed(alias: str) -> Iterator[None]:
    """The same around a transaction of the toolkit's own, which ends in here.

    Where the commit itself was interrupted, Django cannot restore autocommit and says that instead: the interruption is raised.
    """
    try:
        yield
    except BaseException as error:
        wrapper, passing = connections[alias], None
        if active(wrapper.connection):
            passing = interruption(error)
            settle(alias)
            wrapper.close()  # its autocommit is not what Django believes
        if passing is None or passing is error:
            raise
        raise passing from None


def interruption(error: BaseException) -> BaseException | None:
    """The first exception behind one that is not the database's."""
    found: BaseException | None = error
    while isinstance(found, Error | psycopg.Error):
        found = found.__context__
    return found


def active(driver: Any) -> bool:
    return driver is not None and driver.pgconn.transaction_status == pq.TransactionStatus.ACTIVE


def settle(alias: str) -> None:
    """Wait for the command that is under way, have it given up if it lasts, and close the connection if neither helps.

    A transaction that lost its command is marked as Django marks it: only a rollback is left to it.
    """
    wrapper = connections[alias]
    if not active(wrapper.connection):
        return
    try:
        quiet = answered(wrapper.connection.pgconn, GRACE) or cancelled(wrapper.connection)
    except psycopg.Error:
        quiet = False
    except BaseException:  # interrupted again
        close(wrapper)
        raise
    if not quiet:
        close(wrapper)
    elif wrapper.in_atomic_block and wrapper.connection.pgconn.transaction_status == pq.TransactionStatus.INERROR:
        wrapper.needs_rollback = True


def cancelled(driver: Any) -> bool:
    """Ask the server to give the command up; whether it has answered.

    The request may come too late, and then it must not meet the next command: an empty one takes it.
    """
    if hasattr(driver, "cancel_safe"):
        driver.cancel_safe(timeout=PATIENCE)
    else:
        driver.cancel()
    if not answered(driver.pgconn, PATIENCE):
        return False
    driver.pgconn.send_query(b"")
    return answered(driver.pgconn, PATIENCE)


def answered(pgconn: Any, seconds: float) -> bool:
    """Read what the server has to say, and throw it away; whether the connection is idle within this time."""
    limit = time.monotonic() + seconds
    while True:
        if not arrived(pgconn, limit):
            return False
        result = pgconn.get_result()
        if result is None:
            return True
        if result.status in COPYING:
            return False


def arrived(pgconn: Any, limit: float) -> bool:
    """Wait for the next result."""
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        while pgconn.is_busy():
            if pgconn.flush():  # a long command that has not been sent to its end
                selector.modify(pgconn.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            left = limit - time.monotonic()
            if left <= 0:
                return False
            selector.select(left)
            pgconn.consume_input()
    return True


def close(wrapper: Any) -> None:
    """Close a connection that cannot be brought to rest, whatever it says to that."""
    with suppress(psycopg.Error):
        wrapper.connection.close()
    with suppress(Error, psycopg.Error):
        wrapper.close()
