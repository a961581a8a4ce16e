"""A migration that has to wait for a transaction on the parents, beside live writers: none of them waits longer than one try."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.db import connection

from cutover.mapping import bind
from cutover.operations import InstallWatch, RelaxColumn
from cutover.schema import introspect, locks, watch
from databases import Database
from migrating import backwards, forwards
from waiting import wait_until

Connect = Callable[..., psycopg.Connection[Any]]

TIMEOUT = timedelta(seconds=1)
# One wait for a try, and what the machine adds: less than a second try would. Whoever waited for the transaction itself would
# have waited for three tries at least.
MOST_SECONDS = 1.9
WRITER = """
import random, select, sys, time
import psycopg
longest = 0.0
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        began = time.monotonic()
        connection.execute("UPDATE jobs_job SET progress = progress + 1 WHERE id = %s", [random.randint(1, 50)])
        connection.execute("INSERT INTO jobs_joblog (job_id, position, level, message) VALUES (1, 1, '', '')")
        longest = max(longest, time.monotonic() - began)
print(longest, flush=True)
"""


@contextmanager
def writers(uri: str, number: int = 2) -> Iterator[list[float]]:
    """Processes that write without pause; afterwards the longest wait of each is in the list."""
    made = [
        subprocess.Popen([sys.executable, "-c", WRITER, uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(number)
    ]
    found: list[float] = []
    try:
        for each in made:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        yield found
    finally:
        found += [float(each.communicate("stop\n", timeout=20)[0]) for each in made]


@contextmanager
def reader(connect: Connect) -> Iterator[None]:
    """Idle in a transaction that has read."""
    other = connect(autocommit=False)
    other.execute("SELECT count(*) FROM jobs_job")
    yield
    other.rollback()


@contextmanager
def writer(connect: Connect) -> Iterator[None]:
    """Idle in a transaction that has written: to a job that nobody else writes to."""
    other = connect(autocommit=False)
    other.execute("UPDATE jobs_job SET progress = 1 WHERE id = 60")
    yield
    other.rollback()


@contextmanager
def prepared(connect: Connect) -> Iterator[None]:
    other = connect(autocommit=False)
    other.execute("UPDATE jobs_job SET progress = 1 WHERE id = 60")
    other.execute("PREPARE TRANSACTION 'left over'")
    yield
    connect().execute("ROLLBACK PREPARED 'left over'")


@contextmanager
def vacuum(connect: Connect) -> Iterator[None]:
    """One that nobody cancels for us, as an autovacuum against wraparound; slow."""
    look, other = connect(), connect()
    look.execute(
        "INSERT INTO jobs_job (name, progress, logs) SELECT repeat('x', 99), 0, '{}' FROM generate_series(1, 20000)"
    )
    for setting in ("vacuum_cost_delay = 100", "vacuum_cost_limit = 1"):
        other.execute(f"SET {setting}")

    def work() -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            other.execute("VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) jobs_job")

    thread = Thread(target=work)
    thread.start()
    wait_until(
        lambda: look.execute("SELECT FROM pg_stat_progress_vacuum WHERE relid = 'jobs_job'::regclass").fetchall()
    )
    yield
    other.cancel()
    thread.join(20)


RELAX, WATCH = RelaxColumn("job_logs"), InstallWatch("job_logs")
MEETINGS = [(RELAX, reader), (RELAX, writer), (RELAX, prepared), (RELAX, vacuum), (WATCH, writer), (WATCH, vacuum)]


@pytest.mark.parametrize(
    ("operation", "blocker"), MEETINGS, ids=[f"{type(each[0]).__name__}-{each[1].__name__}" for each in MEETINGS]
)
def test_no_writer_waits_longer_than_one_try_and_then_it_goes_through(
    database: Database, connect: Connect, operation: Any, blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backwards(InstallWatch("job_logs"))
    connect().execute("INSERT INTO jobs_job (name, progress) SELECT '', 0 FROM generate_series(1, 60)")
    tries: list[float] = []
    monkeypatch.setitem(locks.short_lock.__kwdefaults__, "timeout", TIMEOUT)
    monkeypatch.setitem(locks.short_lock.__kwdefaults__, "pause", paused(tries))
    thread = Thread(target=migrated, args=(operation,))
    with writers(database.uri) as longest:
        with blocker(connect):
            thread.start()
            wait_until(lambda: len(tries) >= 3, seconds=30, why="three tries have found the lock taken")
        thread.join(30)
        assert not thread.is_alive()
    column = introspect.column(bind("job_logs"))
    assert column is not None
    assert (column.default is not None) is (operation is RELAX)
    assert (watch.state(bind("job_logs")) == "current") is (operation is WATCH)
    assert max(longest) < MOST_SECONDS


def paused(tries: list[float]) -> Callable[[float], None]:
    from time import sleep

    def pause(seconds: float) -> None:
        tries.append(seconds)
        sleep(min(seconds, 0.2))

    return pause


def migrated(operation: Any) -> None:
    try:
        forwards(operation)
    finally:
        connection.close()
