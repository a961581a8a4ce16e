"""A schema change on a busy table: it waits briefly, tries again, lets the queue pass, and names who is in the way."""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Thread, Timer
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from psycopg import sql

from cutover import db
from cutover.errors import Busy
from cutover.mapping import Binding, bind
from cutover.schema import locks, watch
from cutover.schema.locks import Mode, Wanted
from databases import Database
from waiting import backend_pid, blocked_by, wait_until

Connect = Callable[..., psycopg.Connection[Any]]

JOBS = Wanted(sql.Identifier("jobs_job"))
ROWS = Wanted(sql.Identifier("jobs_joblog"))
LOOK = "SELECT * FROM jobs_job"
SHORT = timedelta(milliseconds=20)


def add_column(*, tries: int = 2, pause: Callable[[float], None] = lambda _: None) -> None:
    statement = sql.SQL("ALTER TABLE jobs_job ADD COLUMN was_added int")
    work = lambda: db.run("default", statement)  # noqa: E731
    locks.short_lock("default", work, [JOBS], timeout=SHORT, tries=tries, pause=pause)


def has_column() -> bool:
    return bool(db.rows("default", "SELECT FROM pg_attribute WHERE attname = 'was_added'"))


def test_blocker_is_named_when_no_try_obtained_the_lock(database: Database, connect: Connect) -> None:
    reader = connect(autocommit=False, application_name="nightly report")
    reader.execute(LOOK)
    with pytest.raises(Busy) as told:
        add_column()
    who = f"pid {backend_pid(reader)}, nightly report as {reader.info.user}, idle in transaction"
    said = re.sub(r"for \d+ s", "for N s", str(told.value))
    assert said == f"No lock on jobs_job in 2 tries of 0.02 s; it was held by {who} for N s: {LOOK}."
    assert told.value.hint == (
        "Wait for them or end them (pg_terminate_backend), then run the same again; nothing was changed."
    )
    assert not has_column()


def test_prepared_transaction_is_named(database: Database, connect: Connect) -> None:
    other = connect(autocommit=False)
    other.execute("INSERT INTO jobs_job (name, progress) VALUES ('x', 0)")
    other.execute("PREPARE TRANSACTION 'left over'")
    with pytest.raises(Busy) as told:
        add_column()
    assert re.search(
        rf"held by prepared transaction 'left over' of {other.info.user}, there for \d+ s\.$", str(told.value)
    )
    assert "end what is prepared (COMMIT PREPARED or ROLLBACK PREPARED)" in told.value.hint


def test_ordinary_role_is_told_pid_application_user_and_what_it_may_not_see(
    database: Database, connect: Connect, role: Callable[[], str]
) -> None:
    name = role()
    reader = connect(autocommit=False, application_name="nightly report")
    connect().execute(sql.SQL("ALTER TABLE jobs_job OWNER TO {}").format(sql.Identifier(name)))
    reader.execute("SELECT * FROM jobs_job")
    with connection.cursor() as cursor:
        cursor.execute(f'SET ROLE "{name}"')
    with pytest.raises(Busy) as told:
        add_column(pause=lambda _: time.sleep(1.1))
    assert str(told.value).endswith(
        f"held by pid {backend_pid(reader)}, nightly report as {reader.info.user}, there for 1 s at least, "
        "its query is hidden from this role."
    )
    assert told.value.hint.endswith("With GRANT pg_read_all_stats the role sees what others run, and since when.")
    reader.rollback()


def test_lock_that_conflicts_with_nothing_wanted_is_not_named(database: Database, connect: Connect) -> None:
    reader, writer = connect(autocommit=False), connect(autocommit=False)
    reader.execute("SELECT * FROM jobs_job")
    writer.execute("UPDATE jobs_job SET progress = 1")
    found = locks.blockers("default", [Wanted(JOBS.table, Mode.SHARE_ROW_EXCLUSIVE)])
    assert [blocker.pid for blocker in found] == [backend_pid(writer)]


def test_later_try_obtains_the_lock_once_the_blocker_is_gone(database: Database, connect: Connect) -> None:
    reader = connect(autocommit=False)
    reader.execute("SELECT * FROM jobs_job")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            reader.rollback()

    add_column(tries=30, pause=pause)
    assert has_column()
    assert len(pauses) == 3
    assert all(0 < seconds <= 2 for seconds in pauses)


def test_pauses_grow_up_to_a_limit() -> None:
    assert 0.05 <= locks.next_pause(0) <= 0.1
    assert all(1 <= locks.next_pause(number) <= 2 for number in range(6, 40))


def test_those_behind_the_change_go_on_after_the_short_wait(database: Database, connect: Connect) -> None:
    holder, behind, watcher = connect(autocommit=False), connect(), connect()
    holder.execute("SELECT * FROM jobs_job")
    ours = db.scalar("default", "SELECT pg_backend_pid()")
    seen: list[list[int]] = []

    def pause(_: float) -> None:
        seen.append(blocked_by(watcher, backend_pid(behind)))

    thread = Thread(target=lambda: [behind.execute("SELECT count(*) FROM jobs_job") for _ in range(50)])
    thread.start()
    with pytest.raises(Busy):
        add_column(tries=3, pause=pause)
    thread.join(10)
    assert not thread.is_alive()
    assert all(ours not in blocking for blocking in seen)


def test_inside_a_transaction_a_try_is_a_savepoint_and_the_setting_is_put_back(
    database: Database, connect: Connect
) -> None:
    reader = connect(autocommit=False)
    reader.execute("SELECT * FROM jobs_job")
    with transaction.atomic():
        db.set_local("default", "lock_timeout", "7s")
        with pytest.raises(Busy):
            add_column()
        assert db.scalar("default", "SHOW lock_timeout") == "7s"
        reader.rollback()
        add_column()
        assert db.scalar("default", "SHOW lock_timeout") == "7s"
    assert has_column()


def test_another_error_is_not_tried_again(database: Database) -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        db.run("default", "SELECT nonsense")

    with pytest.raises(DatabaseError):
        locks.short_lock("default", work, [JOBS])
    assert calls == [1]


def test_session_is_left_without_a_lock_timeout(database: Database) -> None:
    add_column()
    assert db.scalar("default", "SHOW lock_timeout") == "0"


def test_installing_the_watch_waits_for_no_reader_and_names_a_writer(
    database: Database, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = bind("job_logs")
    monkeypatch.setattr(locks.short_lock, "__kwdefaults__", {**(locks.short_lock.__kwdefaults__ or {}), "tries": 1})
    connect().execute("COMMENT ON FUNCTION cutover_watch_job_logs_v1() IS 'old'")
    reader, writer = connect(autocommit=False), connect(autocommit=False, application_name="importer")
    reader.execute("SELECT * FROM jobs_job")
    writer.execute("UPDATE jobs_job SET progress = 1")
    with pytest.raises(Busy, match=f"held by pid {backend_pid(writer)}, importer"):
        watch.install(binding)
    writer.rollback()
    watch.install(binding)
    assert watch.state(binding) == "current"


def test_deadlock_is_tried_again(database: Database, connect: Connect) -> None:
    other = connect(autocommit=False)
    other.execute("LOCK TABLE jobs_joblog")
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        db.run("default", "LOCK TABLE jobs_job")
        if len(tries) == 1:
            db.run("default", "SET LOCAL lock_timeout = 0")
            db.run("default", "SET LOCAL deadlock_timeout = '50ms'")
            thread.start()
            wait_until(lambda: blocked_by(watcher, backend_pid(other)), why="the other waits for jobs_job")
            db.run("default", "LOCK TABLE jobs_joblog")

    def wait_for_jobs() -> None:
        other.execute("LOCK TABLE jobs_job")
        other.rollback()

    watcher = connect()
    other.execute("SET deadlock_timeout = '1h'")
    thread = Thread(target=wait_for_jobs)
    locks.short_lock("default", work, [JOBS], pause=lambda _: thread.join(10))
    assert len(tries) == 2


def test_whoever_has_a_row_locked_passes_in_front_of_the_trigger(
    database: Database, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hot row of the case: locked for update, waited for by a writer, and then updated by who has it locked."""
    binding = bind("job_logs")
    watch.remove(binding.alias, binding.name, binding.parent.identifier)
    monkeypatch.setitem(
        locks.short_lock.__kwdefaults__, "timeout", timedelta(seconds=0.9)
    )  # less than deadlock_timeout
    monkeypatch.setitem(locks.short_lock.__kwdefaults__, "tries", 1)
    look, locker, writer = connect(), connect(autocommit=False), connect()
    look.execute("INSERT INTO jobs_job (name, progress) VALUES ('hot', 0)")
    locker.execute("SELECT FROM jobs_job FOR UPDATE")
    waiting = Thread(target=writer.execute, args=("UPDATE jobs_job SET progress = progress + 1",))
    waiting.start()
    wait_until(lambda: blocked_by(look, backend_pid(writer)))
    installing = Thread(target=installed, args=(binding,))
    installing.start()
    wait_until(
        lambda: look.execute(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND mode IN ('ExclusiveLock', 'ShareRowExclusiveLock')"
        ).fetchone()
    )
    locker.execute("UPDATE jobs_job SET progress = progress + 1")
    locker.commit()
    for thread in (waiting, installing):
        thread.join(20)
    assert watch.state(binding) is watch.State.CURRENT


def installed(binding: Binding) -> None:
    try:
        watch.install(binding)
    finally:
        connection.close()


def test_locks_of_one_try_share_one_limit(database: Database, connect: Connect) -> None:
    first, second = connect(autocommit=False), connect(autocommit=False)
    first.execute("LOCK TABLE jobs_job")
    second.execute("LOCK TABLE jobs_joblog")
    Timer(1.8, first.rollback).start()
    began = time.monotonic()
    with pytest.raises(Busy, match=r"^No lock on jobs_job and jobs_joblog in 1 tries of 2 s; it was held by pid \d+"):
        locks.short_lock("default", lambda: None, [JOBS, ROWS], timeout=timedelta(seconds=2), tries=1)
    assert 1.8 <= time.monotonic() - began < 3.6  # one limit for each lock would make it 3.8 at least
