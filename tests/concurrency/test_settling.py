"""Settling waits for every transaction from before, and for nobody else."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from cutover import settling
from databases import Database
from waiting import backend_pid, wait_until

Connect = Callable[..., psycopg.Connection[Any]]
pytestmark = pytest.mark.usefixtures("database")


def left(holders: dict[str, settling.Holder], waived: set[int] | None = None) -> list[settling.Holder]:
    """Who is still waited for at the first look."""
    return next(settling.wait("default", holders, waived or set()), [])


def test_nobody_is_waited_for_on_an_idle_database() -> None:
    assert settling.collect("default") == {}


def test_an_open_transaction_is_named_and_waited_for_until_it_ends(connect: Connect) -> None:
    other = connect(autocommit=False, application_name="a report")
    other.execute("SELECT 1")
    holders = settling.collect("default")
    (holder,) = holders.values()
    assert holder.pid == backend_pid(other)
    assert str(holder).startswith(f"backend {holder.pid}, a report, as ")
    assert left(holders) == [holder]
    other.rollback()
    assert left(holders) == []


def test_a_transaction_without_a_transaction_id_counts_too(connect: Connect) -> None:
    other = connect(autocommit=False)
    other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM jobs_job")
    assert len(settling.collect("default")) == 1


def test_a_transaction_that_began_later_is_not_waited_for(connect: Connect) -> None:
    first, second = connect(autocommit=False), connect(autocommit=False)
    first.execute("SELECT 1")
    holders = settling.collect("default")
    second.execute("SELECT 1")
    first.commit()
    assert left(holders) == []


def test_the_same_backend_in_its_next_transaction_is_not_waited_for(connect: Connect) -> None:
    other = connect(autocommit=False)
    other.execute("SELECT 1")
    holders = settling.collect("default")
    other.commit()
    other.execute("SELECT 1")
    assert left(holders) == []


def test_a_waived_backend_is_not_waited_for(connect: Connect) -> None:
    other = connect(autocommit=False)
    other.execute("SELECT 1")
    assert left(settling.collect("default"), {backend_pid(other)}) == []


def test_another_database_does_not_matter(server_uri: str) -> None:
    with psycopg.connect(server_uri) as elsewhere:
        elsewhere.execute("SELECT 1")
        assert settling.collect("default") == {}


def test_a_prepared_transaction_is_named_and_waited_for(connect: Connect) -> None:
    other = connect()
    other.execute("BEGIN")
    other.execute("INSERT INTO jobs_job (name, progress) VALUES ('prepared', 0)")
    other.execute("PREPARE TRANSACTION 'late'")
    holders = settling.collect("default")
    assert [str(holder).split(" of ")[0] for holder in holders.values()] == ["prepared transaction 'late'"]
    assert left(holders) == list(holders.values())
    other.execute("COMMIT PREPARED 'late'")
    assert left(holders) == []


def test_a_transaction_that_is_prepared_during_the_wait_is_waited_for_still(connect: Connect) -> None:
    other = connect()
    other.execute("BEGIN")
    other.execute("INSERT INTO jobs_job (name, progress) VALUES ('prepared', 0)")
    looks = settling.wait("default", settling.collect("default"), set())
    assert next(looks)[0].pid == backend_pid(other)
    other.execute("PREPARE TRANSACTION 'late'")
    assert "prepared transaction 'late'" in str(next(looks)[0])
    other.execute("ROLLBACK PREPARED 'late'")
    assert list(looks) == [[]]


def test_a_vacuum_is_not_waited_for(connect: Connect) -> None:
    blocker, vacuum = connect(autocommit=False), connect()
    connect().execute("INSERT INTO jobs_job (name, progress) SELECT 'x', 0 FROM generate_series(1, 1000)")
    blocker.execute("DECLARE held CURSOR FOR SELECT * FROM jobs_job")
    blocker.execute("FETCH 1 FROM held")
    vacuum.execute("SET vacuum_cost_delay = 100")
    vacuum.execute("SET vacuum_cost_limit = 1")
    pid = backend_pid(vacuum)
    look = connect()

    def run() -> None:
        with contextlib.suppress(psycopg.errors.QueryCanceled):
            vacuum.execute("VACUUM jobs_job")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: look.execute("SELECT 1 FROM pg_stat_progress_vacuum WHERE pid = %s", [pid]).fetchone())
        assert pid not in {holder.pid for holder in settling.collect("default").values()}
    finally:
        look.execute("SELECT pg_cancel_backend(%s)", [pid])
        thread.join(10)


def test_an_ordinary_role_sees_the_transactions_of_others(connect: Connect, database: Database) -> None:
    other = connect(autocommit=False)
    other.execute("SELECT 1")
    admin = connect()
    role = f"ordinary_{database.name[-12:]}"
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)).as_string(None))
        assert {holder.pid for holder in settling.collect("default").values()} == {backend_pid(other)}
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
    finally:
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
