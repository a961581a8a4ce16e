"""What each operation says that it locks is what it locks: another session looks while the locks are held."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from django.db import connection

import operationcases
from cutover.operations.locking import PARENTS, ROWS, Taken
from cutover.schema.locks import WEAKEST_FIRST
from databases import Database
from operationcases import CASES, Case
from waiting import backend_pid

Connect = Callable[..., psycopg.Connection[Any]]

TABLES = {"jobs_job": PARENTS, "jobs_joblog": ROWS}
HELD = """
SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.locktype = 'relation' AND l.granted AND l.pid = %s AND c.relname = ANY (%s)
"""
UNSAID = WEAKEST_FIRST.index("RowExclusiveLock")  # what stops neither readers nor writers may go without saying


class Watcher:
    """The strongest lock on each table that anybody has seen."""

    def __init__(self, look: psycopg.Connection[Any], pid: int) -> None:
        self.look, self.pid = look, pid
        self.strongest = dict.fromkeys(TABLES.values(), -1)

    def take(self) -> None:
        for table, mode in self.look.execute(HELD, [self.pid, list(TABLES)]).fetchall():
            name = TABLES[table]
            self.strongest[name] = max(self.strongest[name], WEAKEST_FIRST.index(mode))

    def after_each(self, execute: Any, *args: Any) -> Any:
        found = execute(*args)
        self.take()
        return found


def expected(locks: tuple[Taken, ...]) -> dict[str, int]:
    return {lock.table: WEAKEST_FIRST.index(lock.mode.held) for lock in locks}


@contextmanager
def concurrently(watcher: Watcher, older: psycopg.Connection[Any]) -> Iterator[None]:
    """An older transaction that an index build waits for, until its lock has been seen; it is outside of any transaction."""
    older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    older.execute("SELECT count(*) FROM jobs_joblog")
    stop = Event()

    def look() -> None:
        while not stop.is_set():
            watcher.take()
            if watcher.strongest[ROWS] > UNSAID:
                older.rollback()
            stop.wait(0.01)

    thread = Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        older.rollback()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_locks_that_are_taken_are_those_that_are_said(case: Case, database: Database, connect: Connect) -> None:
    case.before()
    connection.ensure_connection()
    pid = backend_pid(connection.connection)
    for run, said in (
        (operationcases.forwards, case.operation.locks),
        (operationcases.backwards, case.operation.locks_back),
    ):
        watcher = Watcher(connect(), pid)
        if case.name == "EnsureIndex":
            with concurrently(watcher, connect(autocommit=False)):
                run(case)
        else:
            run(case, watcher.after_each)
        wanted = {} if case.name == "EnsureTable" else expected(said)  # its table is another one, and in nobody's use
        for table, seen in watcher.strongest.items():
            if wanted.get(table, -1) > UNSAID or seen > UNSAID:
                assert (table, seen) == (table, wanted.get(table, -1))
