"""Waiting for a fact, with a limit. Tests never sleep for a fixed time in the hope that something has happened."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

PAUSE = 0.01
T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 10, why: str = "") -> T:
    """Ask until the answer is true, and return it. Raises AssertionError, with `why`, after `seconds`."""
    limit = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > limit:
            raise AssertionError(f"Not so after {seconds} s: {why or getattr(condition, '__name__', condition)}")
        time.sleep(PAUSE)
    return answer


def backend_pid(connection: psycopg.Connection[Any]) -> int:
    """The process of the server that serves this connection, as in pg_stat_activity.pid."""
    return connection.info.backend_pid


def blocked_by(connection: psycopg.Connection[Any], pid: int) -> list[int]:
    """The processes that hold what `pid` waits for, asked on `connection`; empty while it waits for no lock."""
    row = connection.execute("select pg_blocking_pids(%s)", [pid]).fetchone()
    assert row is not None
    return list(row[0])
