"""The database of a test: its own, with real commits, the same for Django, further connections and child processes."""

import os
from collections.abc import Callable
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.db import connection as django_connection
from psycopg import sql

from databases import Database
from recycling import Recycler
from waiting import backend_pid, blocked_by, wait_until

Connect = Callable[..., psycopg.Connection[Any]]


def test_django_threads_children_and_further_connections_are_in_the_same_database(
    database: Database, connect: Connect
) -> None:
    def current_of_django() -> None:
        with django_connection.cursor() as cursor:
            cursor.execute("select current_database()")
            seen.append(cursor.fetchone()[0])
        django_connection.close()

    seen: list[str] = []
    current_of_django()
    thread = Thread(target=current_of_django)
    thread.start()
    thread.join()
    further = connect().execute("select current_database()").fetchone()
    assert further is not None
    assert {*seen, *further} == {database.name}
    assert os.environ["DATABASE_URL"] == database.uri


@pytest.mark.parametrize("run", ["first", "second"])
def test_what_is_committed_is_not_there_for_the_next_test(connect: Connect, run: str) -> None:
    connect().execute("create table left_behind ()")


@pytest.mark.parametrize("run", ["first", "second"])
def test_rows_numbers_and_statistics_are_not_there_for_the_next_test(connect: Connect, run: str) -> None:
    connection = connect()
    made = connection.execute(
        "insert into jobs_job (name, progress, logs) values ('', 0, '{}') returning id"
    ).fetchall()
    assert made == [(1,)]
    assert connection.execute("select count(*) from jobs_job").fetchone() == (1,)


CHANGES = (
    "alter table jobs_job alter name set default 'x'",
    "alter table jobs_job disable trigger all",
    "create function left_behind() returns int language sql return 1",
    "analyze jobs_job",
    "update django_migrations set name = name || 'x' where id = 1",
    "alter database {} set work_mem = '1MB'",
    "comment on table jobs_job is 'left behind'",
    "alter default privileges grant select on tables to public",
    "grant create on database {} to public",
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_database_that_was_changed_is_not_used_again(recycler: Recycler, change: str) -> None:
    used = recycler.take()
    used_oid = oid(used)
    with psycopg.connect(used.uri, autocommit=True) as connection:
        connection.execute("insert into jobs_job (name, progress, logs) values ('', 0, '{}')")
        connection.execute(sql.SQL(change).format(sql.Identifier(used.name)))
    recycler.give_back(used)
    after = recycler.take()
    assert oid(after) != used_oid
    oid_before = oid(after)
    recycler.give_back(after)
    again = recycler.take()
    assert oid(again) == oid_before
    recycler.give_back(again)


def oid(database: Database) -> object:
    with psycopg.connect(database.uri) as connection:
        return connection.execute("select oid from pg_database where datname = current_database()").fetchone()


def test_a_database_that_is_used_again_has_neither_pages_nor_numbers_nor_name_of_before(recycler: Recycler) -> None:
    used = recycler.take()
    used_oid = oid(used)
    with psycopg.connect(used.uri, autocommit=True) as connection:
        connection.execute("insert into jobs_job (name, progress, logs) values ('', 0, '{}')")
        connection.execute("delete from jobs_job")
        connection.execute("select setval('jobs_job_id_seq', 70, false)")
    recycler.give_back(used)
    after = recycler.take()
    assert oid(after) == used_oid
    assert after.name != used.name
    with pytest.raises(psycopg.OperationalError), psycopg.connect(used.uri):
        pass
    with psycopg.connect(after.uri) as connection:
        assert connection.execute("select pg_relation_size('jobs_job'), nextval('jobs_job_id_seq')").fetchone() == (
            0,
            1,
        )
    recycler.give_back(after)


def test_prepared_transaction_and_idle_backend_do_not_keep_the_database_alive(connect: Connect) -> None:
    connection = connect(autocommit=False)
    connection.execute("create table held ()")
    connection.execute("prepare transaction 'held'")
    connect(autocommit=False).execute("select 1")


def test_waiting_backend_is_blocked_by_the_holder_of_the_lock(connect: Connect) -> None:
    holder, waiter, watcher = connect(autocommit=False), connect(), connect()
    watcher.execute("create table wanted ()")
    holder.execute("lock table wanted")
    assert blocked_by(watcher, backend_pid(waiter)) == []
    thread = Thread(target=waiter.execute, args=["select * from wanted"])
    thread.start()
    try:
        seen = wait_until(lambda: blocked_by(watcher, backend_pid(waiter)), why="the reader waits for the lock")
        assert seen == [backend_pid(holder)]
    finally:
        holder.rollback()
        thread.join(10)


def test_wait_has_a_limit_and_says_what_it_waited_for() -> None:
    with pytest.raises(AssertionError, match=r"^Not so after 0\.05 s: pigs fly$"):
        wait_until(lambda: False, 0.05, "pigs fly")
