"""A backfill beside others: shorter chunks on one connection while they are at work, more while it is alone."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction

from backfilling import execute, parent
from cutover import beside, chunk, db
from cutover.backfill import controls, crew, strain, work
from cutover.backfill.run import pace
from cutover.cli import project
from cutover.mapping import Binding, bind
from cutover.sql import query
from damage.workers import nursery
from databases import Database
from stages import at_phase
from waiting import wait_until

Connect = Callable[..., psycopg.Connection[Any]]
VALUES = {"name": "job_logs", "id": 1, "seconds": 60.0}


def at_work(binding: Binding) -> tuple[timedelta, float, bool]:
    """The target of the next chunk, the share of the time at rest, and whether it may use a second connection."""
    job = work.Job(binding, "one", pace(binding, chunk.TARGET), lambda: False, None)
    job.look()
    job.post.leave()
    return job.pace.target, job.rest.share, job.alone


def alone(binding: Binding) -> bool:
    return at_work(binding) == (chunk.TARGET, 0.0, True)


def test_a_chunk_is_short_and_on_one_connection_while_others_are_at_work(database: Database, connect: Connect) -> None:
    binding, other = at_phase("job_logs", 2), connect()
    wait_until(lambda: alone(binding), 10)
    other.execute("SELECT 1")
    assert at_work(binding) == (chunk.BESIDE, controls.BESIDE_REST, False)
    wait_until(lambda: alone(binding), 10)
    other.pgconn.send_query(b"SELECT pg_sleep(3)")
    other.pgconn.flush()
    sleeping = (
        "SELECT state = 'active' AND state_change < now() - interval '1.5 s' FROM pg_stat_activity WHERE pid = {}"
    )
    wait_until(lambda: execute(None, sleeping.format(other.info.backend_pid)) == [(True,)], 10)
    assert at_work(binding) == (chunk.BESIDE, controls.BESIDE_REST, False)


def test_what_was_set_holds_beside_others_too(database: Database, connect: Connect) -> None:
    binding, other = at_phase("job_logs", 2), connect()
    controls.change(binding, who="ann", target=0.3)
    other.execute("SELECT 1")
    assert at_work(binding) == (timedelta(seconds=0.3), controls.BESIDE_REST, False)
    controls.change(binding, who="ann", rest=0)
    other.execute("SELECT 1")
    assert at_work(binding) == (timedelta(seconds=0.3), 0.0, False)
    target, rest = controls.PRESETS["usual"]
    controls.change(binding, who="ann", target=target, rest=rest)
    other.execute("SELECT 1")
    assert at_work(binding) == (chunk.BESIDE, controls.BESIDE_REST, False)


def test_its_own_second_connection_is_nobody_else(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    wait_until(lambda: alone(binding), 10)
    try:
        beside.answer(beside.begun("default", "BEGIN READ ONLY").pgconn, b"COMMIT")
        assert alone(binding)
    finally:
        beside.close("default")


@pytest.mark.parametrize("name", ["cutover backfill", "cutover status - 10.0.0.1:5432"])
def test_the_toolkits_own_sessions_are_none_of_the_others(database: Database, connect: Connect, name: str) -> None:
    """Through a pooler that adds an address as well.

    Whoever waits for a segment, starts workers or looks at the status asks again and again, and writes nothing.
    """
    binding, other = at_phase("job_logs", 2), connect(application_name=name)
    other.pgconn.send_query(b"SELECT pg_sleep(4)")
    other.pgconn.flush()
    wait_until(lambda: alone(binding), 3)
    crew.Post(bind("ticket_history"), "two").enter()
    assert at_work(binding) == (chunk.TARGET, 0.0, False), "another worker keeps a core of its own"


def test_the_sessions_of_a_command_have_its_name(
    database: Database, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the project has opened before as well; and nothing that comes after it."""
    monkeypatch.setitem(connections.settings["default"]["OPTIONS"], "application_name", "web")
    asked = "SELECT current_setting('application_name')"
    connection.close()
    assert db.scalar("default", asked) == "web"
    with project.named("backfill"):
        assert db.scalar("default", asked) == "cutover backfill"
    assert db.scalar("default", asked) == "web"
    with transaction.atomic(), project.named("backfill"):
        assert db.scalar("default", asked) == "web"
    transaction.set_autocommit(False)
    execute(None, "CREATE TABLE not_committed ()")
    with project.named("backfill"):
        assert db.scalar("default", "SELECT to_regclass('not_committed')::text") == "not_committed"
    transaction.rollback()
    transaction.set_autocommit(True)
    monkeypatch.undo()
    connection.close()


def test_a_database_whose_driver_is_not_here_is_none_of_a_commands_business(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings, "other", {**connections.settings["default"], "ENGINE": "nowhere"})
    with project.named("status"):
        assert connections.settings["default"]["OPTIONS"]["application_name"] == "cutover status"


def test_two_workers_of_one_command_are_alone(database: Database) -> None:
    """With the process that has started them: they ask the database several times a second."""
    binding = at_phase("job_logs", 2)
    for number in range(1, 2001):
        parent(binding, number, {"stdout": [f"[2024-01-01 00:00:00] INFO {n}" for n in range(20)]})
    seen = set()
    with nursery() as made:
        command = made.worker("backfill", "job_logs", "--workers", "2")
        while command.code() is None:
            seen |= {row[-1] for row in db.rows("default", query("crew", "look"), {**VALUES, "own": []})}
            time.sleep(0.02)
    assert command.ended == 0, command.words()
    assert seen == {False}


def test_what_a_role_may_not_see_counts_as_work(database: Database, connect: Connect) -> None:
    """The statement as a worker asks it, by a role that sees only itself."""
    binding, other = at_phase("job_logs", 2), connect()
    wait_until(lambda: alone(binding), 10)
    execute(None, "DROP ROLE IF EXISTS cutover_blind")
    execute(None, "CREATE ROLE cutover_blind")
    execute(None, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO cutover_blind")
    values = {**VALUES, "own": []}
    try:
        with transaction.atomic():
            assert db.rows("default", query("crew", "look"), values)[0][-1] is False
            execute(None, "SET LOCAL ROLE cutover_blind")
            assert db.rows("default", query("crew", "look"), values)[0][-1] is True
            assert "other session" in str(strain.hidden("default"))
    finally:
        other.close()
        execute(None, "DROP OWNED BY cutover_blind")
        execute(None, "DROP ROLE cutover_blind")
