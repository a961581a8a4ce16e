"""A second connection to a database, for what is read while the first one writes. It gives bytes of COPY, and keeps nothing.

It is an extra: where it is not to be had, or fails in whatever way, that is `Unavailable` and the caller goes another way.

Note [Two connections of one process]
    The server sees no deadlock between two connections that wait for each other through their client. So neither waits for long:
    a pooler that has no server connection left does not answer BEGIN, and is given up after `PATIENCE`; a lock of somebody who
    waits for the first connection ends the statement by `lock_timeout`.
"""

import select
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import ExecStatus

from cutover import db

PATIENCE = 2.0  # seconds
AGAIN_AFTER = 60.0  # seconds after it was not to be had
BLOCK = 64 * 1024
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY; SET LOCAL lock_timeout = '500ms'; SET LOCAL jit = off; {}"


class Unavailable(Exception):
    """There is no second connection, or what it was asked for failed."""


class Held(threading.local):
    """The second connections of a thread, and when to ask again for those that were not to be had; by alias."""

    def __init__(self) -> None:
        self.open: dict[str, BaseDatabaseWrapper] = {}
        self.not_before: dict[str, float] = {}


_held = Held()


@contextmanager
def copied(
    alias: str, statement: str, params: Mapping[str, object], settings: Mapping[str, str] | None = None
) -> Iterator[Iterator[bytes]]:
    """The output of a COPY statement in blocks of some 64 KiB, read in a transaction of its own. Raises Unavailable.

    `settings` are for that transaction; names and values are the caller's own, never data.
    """
    local = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in (settings or {}).items())
    driver = begun(alias, BEGIN.format(local))
    try:
        with told():
            rendered = psycopg.ClientCursor(driver).mogrify(statement, params)
        yield blocks(driver.pgconn, rendered.encode())
        with told():
            answer(driver.pgconn, b"COMMIT")
    except BaseException:
        close(alias)
        raise


def begun(alias: str, statements: str) -> Any:
    """The driver's second connection, in a transaction. Raises Unavailable."""
    if time.monotonic() < _held.not_before.get(alias, 0.0):
        raise Unavailable
    try:
        with told():
            driver = (_held.open.get(alias) or connected(alias)).connection
            answer(driver.pgconn, statements.encode())
    except Unavailable:
        close(alias)
        _held.not_before[alias] = time.monotonic() + AGAIN_AFTER
        raise
    return driver


def backends(alias: str) -> list[int]:
    """The process numbers of this thread's second connections: one, or none."""
    wrapper = _held.open.get(alias)
    return [] if wrapper is None or wrapper.connection is None else [wrapper.connection.info.backend_pid]


def connected(alias: str) -> BaseDatabaseWrapper:
    wrapper = connections[alias].copy()
    _held.open[alias] = wrapper
    wrapper.ensure_connection()
    return wrapper


def answer(pgconn: Any, statements: bytes) -> None:
    """Run statements without a result; gives up on a server that does not answer. Raises Unavailable."""
    pgconn.send_query(statements)
    until = time.monotonic() + PATIENCE
    while (unsent := pgconn.flush()) or pgconn.is_busy():
        wait(pgconn, max(0.0, until - time.monotonic()), unsent=unsent)
    finished(pgconn)


def blocks(pgconn: Any, statement: bytes) -> Iterator[bytes]:
    """What a COPY sends, many of its messages at a time: one costs more to hand on than to read. Raises Unavailable."""
    with told():
        pgconn.send_query(statement)
        while (unsent := pgconn.flush()) or pgconn.is_busy():
            wait(pgconn, None, unsent=unsent)
        result = pgconn.get_result()
        if result is None or result.status != ExecStatus.COPY_OUT:
            raise failed(result)
    found = bytearray()
    with told():
        size, data = pgconn.get_copy_data(1)
        while size >= 0:
            if size == 0:
                wait(pgconn, None)
            else:
                found += data
            if len(found) >= BLOCK:
                yield bytes(found)
                found.clear()
            size, data = pgconn.get_copy_data(1)
        finished(pgconn)
    yield bytes(found)


def wait(pgconn: Any, seconds: float | None, *, unsent: int = 0) -> None:
    """Wait for what the server sends next, or until it takes more. Raises Unavailable after so many seconds."""
    readable, writable, _ = select.select([pgconn.socket], [pgconn.socket] if unsent else [], [], seconds)
    if not readable and not writable:
        raise Unavailable("The server does not answer.")
    if readable:
        pgconn.consume_input()


def finished(pgconn: Any) -> None:
    """Take the results of statements. Raises Unavailable where one has failed."""
    while (result := pgconn.get_result()) is not None:
        if result.status != ExecStatus.COMMAND_OK:
            raise failed(result)


def failed(result: Any) -> Unavailable:
    return Unavailable("" if result is None else result.error_message.decode(errors="replace"))


@contextmanager
def told() -> Iterator[None]:
    """Whatever the driver says here is Unavailable, with it as its cause."""
    try:
        yield
    except (Error, psycopg.Error) as error:
        raise Unavailable(db.said(cause) if (cause := db.driver_error(error)) else str(error)) from error


def close(alias: str) -> None:
    """Give the second connection back; nothing if there is none."""
    wrapper = _held.open.pop(alias, None)
    if wrapper is not None:
        with suppress(Error, psycopg.Error):
            wrapper.close()
