"""What the server refuses: locks, time, room, writes. Each is said as what it is, with its exit code; nothing is done by half."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from cutover import write
from cutover.demo import binaries
from damage import audit
from damage.stage import Outcome, Stage
from damage.workers import APPLICATION, Worker, joined
from damage.writers import FIELDS
from waiting import wait_until

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)) AND application_name = %s"
SLOW = """
CREATE FUNCTION damage_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_sleep({seconds}); RETURN NEW;
END $$;
CREATE TRIGGER damage_slow BEFORE INSERT ON {child} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION damage_slow();
"""
RAISING = """
CREATE FUNCTION damage_raises() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = '{words}';
END $$;
CREATE TRIGGER damage_raises BEFORE INSERT ON {child} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION damage_raises();
"""
SEEN_WITHIN = "250ms"  # half of what a worker waits for a parent


def refused(stage: Stage, worker: Worker, code: int, *words: str) -> list[str]:
    """What is wrong with the end of a worker that should have ended with this code and these words; status, too, is asked."""
    (ended,) = joined([worker], 120)
    said = worker.words()
    bad = [*stage.untrue(ended, said), *stage.status_untrue()]
    if ended != code:
        bad.append(f"it ended with {ended} instead of {code}: {said[-300:]}")
    bad += [f"it does not say {each!r}: {said[-300:]}" for each in words if each not in said]
    if stage.complete():
        bad.append("the ledger says complete after an error")
    return bad


def deadlocks(stage: Stage, times: int) -> Outcome:
    """A live writer locks two parents of a chunk against their order; the worker is the one that gives way, and tries again."""
    stage.limit("deadlock_timeout", SEEN_WITHIN)  # whoever waits looks for a deadlock once, after so long
    key = stage.binding.parent.pk
    ahead = f"SELECT {key} FROM {stage.binding.parent.name} WHERE {key} > %s ORDER BY {key} OFFSET %s LIMIT 1"  # noqa: S608
    lock = f"SELECT 1 FROM {stage.binding.parent.name} WHERE {key} = %s FOR NO KEY UPDATE"  # noqa: S608
    cursor = "SELECT COALESCE(max(cursor), '0')::bigint FROM cutover_segment WHERE number = 0"
    found, tried, bad = 0, 0, list[str]()
    with stage.look() as writer, stage.look() as asking:
        writer.execute("SET deadlock_timeout = '1h'")
        worker = None
        while found < times and (worker is None or worker.code() is None):
            tried += 1
            high = stage.ask(ahead, stage.ask(cursor), 6)
            if high is None:
                break
            writer.execute("BEGIN")
            writer.execute(lock, [high])
            worker = worker or stage.worker()
            if waits(asking, writer, worker):
                writer.execute(lock, [stage.ask(ahead, stage.ask(cursor), 0)])  # the first one of the chunk that waits
            writer.execute("COMMIT")
            write.append(stage.binding, high, dict(zip(FIELDS[stage.name], ("live", tried), strict=True)))
            found = audit.deadlocks(stage.server.log, stage.began)
        if worker is not None and joined([worker], 300) != [0]:
            bad.append(f"the worker ended with {worker.code()}: {worker.words()[-300:]}")
    stage.limit("deadlock_timeout", None)
    told = stage.concluded("deadlock with a live writer", found)
    told.notes.append(f"{told.account.deadlocks} deadlocks found by the server")
    return with_bad(told, bad + ([] if told.account.deadlocks else ["the server has found no deadlock"]))


def waits(asking: "psycopg.Connection[object]", writer: "psycopg.Connection[object]", worker: Worker) -> bool:
    """Whether the worker comes to wait for the writer, soon."""
    until = time.monotonic() + 3
    while time.monotonic() < until and worker.code() is None:
        row = asking.execute(BLOCKED, [writer.info.backend_pid, APPLICATION]).fetchone()
        if row is not None and row[0]:  # type: ignore[index]
            return True
        time.sleep(0.005)
    return False


def locked_parent(stage: Stage) -> Outcome:
    """A parent that somebody keeps locked, where parents are locked: busy, 4; all before it is done."""
    key = stage.binding.parent.pk
    with stage.look() as holder:
        holder.execute("BEGIN")
        (last,) = holder.execute(f"SELECT max({key}) FROM {stage.binding.parent.name}").fetchone() or (None,)  # noqa: S608
        holder.execute(f"SELECT 1 FROM {stage.binding.parent.name} WHERE {key} = %s FOR UPDATE", [last])  # noqa: S608
        words = "could not be filled: The lock was not obtained", "Run the same command again."
        bad = refused(stage, stage.worker(), 4, *words)
        holder.execute("ROLLBACK")
    return with_bad(stage.concluded("a parent that stays locked", 1), bad)


def short_patience(stage: Stage) -> Outcome:
    """lock_timeout of a millisecond for everybody, and three workers that get in each other's way."""
    stage.limit("lock_timeout", "1ms")
    workers = [stage.worker() for _ in range(3)]
    bad = []
    for code, each in zip(joined(workers, 300), workers, strict=True):
        bad += stage.untrue(code, each.words())
        if code not in (0, 4):
            bad.append(f"a worker ended with {code}: {each.words()[-300:]}")
    stage.limit("lock_timeout", None)
    return with_bad(stage.concluded("lock_timeout of 1 ms", 3), bad)


def slow_rows(stage: Stage) -> Outcome:
    """statement_timeout that the first chunks exceed: smaller ones do not."""
    slow(stage, 0.002, "TRUE")
    stage.limit("statement_timeout", "150ms")
    worker, bad = stage.worker(), list[str]()
    (code,) = joined([worker], 300)
    bad += stage.untrue(code, worker.words()) + (
        [] if code == 0 else [f"it ended with {code}: {worker.words()[-300:]}"]
    )
    stage.limit("statement_timeout", None)
    told = stage.concluded("statement_timeout of 150 ms", 1)
    if not told.account.again:
        bad.append("no chunk was ended by the timeout")
    return with_bad(told, bad)


def one_slow_row(stage: Stage) -> Outcome:
    """An element that takes longer than statement_timeout, alone as well: a database timeout, 5, and no quarantine."""
    slow(stage, 60, column(stage) + " = 'h2'")
    stage.limit("statement_timeout", "200ms")
    bad = refused(
        stage, stage.worker(), 5, "The database ended the statement: canceling statement due to statement timeout."
    )
    bad += quarantined(stage)
    stage.limit("statement_timeout", None)
    drop_trigger(stage, "damage_slow")
    return with_bad(stage.concluded("statement_timeout for one element", 1), bad)


def raised(stage: Stage, state: str, words: str, *said: str) -> Outcome:
    """An error of the server, raised by a trigger: not the server's own, and with its SQLSTATE."""
    with stage.look() as opened:
        values = {
            "state": state,
            "words": words,
            "child": stage.binding.child.name,
            "when": f"NEW.{column(stage)} = 'h2'",
        }
        opened.execute(RAISING.format(**values))
    bad = refused(stage, stage.worker(), 1, words, *said) + quarantined(stage)
    drop_trigger(stage, "damage_raises")
    return with_bad(stage.concluded(f"SQLSTATE {state} out of a trigger", 1), bad)


def full_disk(stage: Stage) -> Outcome | None:
    """The table lies on a file system of one mebibyte, which gets full, and is then made larger; None where none can be made."""
    with small_disk(stage) as mounted:
        if mounted is None:
            return None
        with stage.look() as opened:
            opened.execute(f"CREATE TABLESPACE damage LOCATION '{mounted}'")
            opened.execute(f"ALTER TABLE {stage.binding.child.name} SET TABLESPACE damage")
        words = "The server's disk is full: could not extend file", "No space left on device", "Make room there"
        bad = refused(stage, stage.worker(), 1, *words) + quarantined(stage)
        subprocess.run(["mount", "-o", "remount,size=256m", str(mounted)], check=True)
        told = with_bad(stage.concluded("a disk that is full", 1), bad)
        with stage.look() as opened:
            opened.execute(f"ALTER TABLE {stage.binding.child.name} SET TABLESPACE pg_default")
            opened.execute("DROP TABLESPACE damage")
    return told


@contextmanager
def small_disk(stage: Stage) -> Iterator[Path | None]:
    """A directory of the server's with room for one mebibyte."""
    place = Path(tempfile.mkdtemp(prefix="damage-", dir="/tmp"))  # the server's account has to reach it
    place.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    able = os.geteuid() == 0 and shutil.which("mount") and subprocess.run(mount, capture_output=True).returncode == 0  # noqa: PLW1510
    try:
        if able:
            binaries.give(place, binaries.identity())
        yield place if able else None
    finally:
        if able:
            subprocess.run(["umount", "-l", str(place)], check=False)
        place.rmdir()


def read_only(stage: Stage) -> Outcome:
    """The connection is lost, and the database takes no writes any more: as after a failover to what is no primary."""
    worker, bad = stage.worker(), list[str]()
    wait_until(lambda: worker.code() is not None or stage.moves(), 60, "the work begins")
    stage.limit("default_transaction_read_only", "on")
    with stage.look() as opened:
        opened.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [APPLICATION]
        )
    words = "The database takes no writes: cannot execute", "in a read-only transaction.", "to the primary"
    bad += refused(stage, worker, 1, *words)
    bad += refused(stage, stage.worker(), 1, *words)
    stage.limit("default_transaction_read_only", None)
    return with_bad(stage.concluded("a database that takes no writes", 2), bad)


def with_bad(told: Outcome, bad: list[str]) -> Outcome:
    told.bad += bad
    return told


def column(stage: Stage) -> str:
    """The column that says of what kind an element is; every third element of history is an h2."""
    return FIELDS[stage.name][0]


def quarantined(stage: Stage) -> list[str]:
    """An error of the server is no fault of an element."""
    count = stage.ask("SELECT count(*) FROM cutover_quarantine")
    return [f"{count} elements are in quarantine"] if count else []


def slow(stage: Stage, seconds: float, when: str) -> None:
    condition = when if when == "TRUE" else f"NEW.{when}"
    with stage.look() as opened:
        values = {"seconds": seconds, "child": stage.binding.child.name, "when": condition}
        opened.execute(SLOW.format(**values))


def drop_trigger(stage: Stage, name: str) -> None:
    with stage.look() as opened:
        opened.execute(f"DROP TRIGGER {name} ON {stage.binding.child.name}")
