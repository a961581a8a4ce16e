"""What the backfill waits for beyond its own server: a replica that lags, an archiver that fails or does not keep up."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import LazySettings
from django.db import connections

import databases
import servers
from backfilling import EXAMPLES, execute, parent
from cutover import backfill
from cutover.demo.server import Server
from cutover.mapping import Binding
from stages import at_phase
from waiting import wait_until

WAL = {
    **servers.SETTINGS,
    "wal_level": "replica",
    "archive_mode": "on",
    "archive_command": "true",
    "wal_receiver_status_interval": "1",
    "hot_standby": "on",
}


@pytest.fixture(scope="module")
def programs(request: pytest.FixtureRequest) -> Path | None:
    return servers.programs(request.config.getoption("--postgres"))


@pytest.fixture(scope="module")
def primary(programs: Path | None) -> Iterator[Server]:
    """A server that archives its WAL and may have replicas."""
    with Server.temporary(bin_path=programs, settings=WAL) as server:
        yield server


@pytest.fixture
def binding(primary: Server, django_db_blocker: Any) -> Iterator[Binding]:
    """A cutover in phase 2 with some history, in a database of the primary."""
    name = databases.fresh_name("wal")
    databases.create(primary, name)
    with django_db_blocker.unblock(), databases.django_at(primary, name):
        databases.migrate(primary, name)
        made = at_phase("job_logs", 2)
        for number in range(1, 11):
            parent(made, number, EXAMPLES["job_logs"])
        yield made
        connections.close_all()
    databases.drop(primary, name)


@contextmanager
def replica_of(primary: Server, programs: Path | None) -> Iterator[psycopg.Connection[Any]]:
    """A streaming replica, and a connection to it."""
    home = Path(tempfile.mkdtemp(prefix="replica-", dir="/tmp"))
    try:
        primary.run("pg_basebackup", "-D", str(home / "data"), "-R", "-X", "stream", "-c", "fast")
        with (
            Server.start(home, bin_path=programs, settings=WAL) as replica,
            psycopg.connect(replica.uri(), autocommit=True) as connection,
        ):
            yield connection
    finally:
        shutil.rmtree(home, ignore_errors=True)


def archive_by(primary: Server, command: str) -> None:
    """Another archive_command, in force once the archiver has read it."""
    with psycopg.connect(primary.uri(), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET archive_command = '{command}'")
        connection.execute("SELECT pg_reload_conf()")
        wait_until(lambda: connection.execute("SHOW archive_command").fetchone() == (command,))


def switch_wal() -> None:
    """Finish a file of WAL, so that there is one more to archive."""
    execute(None, "SELECT pg_logical_emit_message(false, 'test', 'something')")
    execute(None, "SELECT pg_switch_wal()")


def reasons(binding: Binding) -> list[str]:
    return backfill.status(binding).waiting


def test_a_replica_that_lags_holds_it_until_it_has_caught_up(
    primary: Server, programs: Path | None, binding: Binding, settings: LazySettings
) -> None:
    settings.CUTOVER_REPLICA_LAG_SECONDS = 0.3
    with replica_of(primary, programs) as replica:
        wait_until(lambda: execute(None, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"), 30)
        replica.execute("SELECT pg_wal_replay_pause()")
        wait_until(lambda: replica.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",))

        def lagging() -> list[str]:
            execute(
                None, "UPDATE jobs_job SET progress = progress + 1 WHERE id = 1"
            )  # the lag is measured by what is sent
            return reasons(binding)

        (why,) = wait_until(lagging, 30)
        assert why.startswith("The replica walreceiver is ")
        assert why.endswith(" s behind.")
        told = backfill.run(binding)
        for _ in range(3):
            assert next(told).waiting.startswith("The replica walreceiver is ")
        assert execute(None, "SELECT count(*) FROM jobs_joblog") == [(0,)]
        replica.execute("SELECT pg_wal_replay_resume()")
        assert list(told)[-1].finished
        assert reasons(binding) == []


def test_a_role_that_may_not_see_the_lag_is_told_so(primary: Server, programs: Path | None, binding: Binding) -> None:
    name = f"cutover_role_{uuid.uuid4().hex[:8]}"
    execute(None, f"CREATE ROLE {name}")
    execute(None, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    with replica_of(primary, programs):
        wait_until(lambda: execute(None, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"), 30)
        assert backfill.status(binding).notes == []
        execute(None, f"SET ROLE {name}")
        (note,) = backfill.status(binding).notes
    assert note == (
        "This role may not see whether another session is at work nor how far 1 replicas are behind nor how much WAL waits to be "
        "archived: grant it pg_monitor."
    )
    connections.close_all()
    execute(None, f"GRANT pg_monitor TO {name}")
    execute(None, f"SET ROLE {name}")
    assert backfill.status(binding).notes == []
    execute(None, f"RESET ROLE; DROP OWNED BY {name}; DROP ROLE {name}")


def test_an_archiver_that_fails_holds_it_until_it_archives_again(primary: Server, binding: Binding) -> None:
    archive_by(primary, "false")
    switch_wal()
    (why,) = wait_until(lambda: reasons(binding), 60)
    assert why.startswith("The archiving of WAL fails at 0000000")
    told = backfill.run(binding)
    assert next(told).waiting == why
    archive_by(primary, "true")
    wait_until(lambda: not reasons(binding), 90)
    assert list(told)[-1].finished


def test_an_archiver_that_does_not_keep_up_holds_it(primary: Server, binding: Binding, settings: LazySettings) -> None:
    """A command that takes its time: nothing has failed, and more and more files wait."""
    settings.CUTOVER_ARCHIVE_BACKLOG_FILES = 2
    archive_by(primary, "sleep 5")
    for _ in range(4):
        switch_wal()
    (why,) = wait_until(lambda: reasons(binding), 30)
    assert why.endswith(" files of WAL wait to be archived.")
    assert int(why.split()[0]) > 2
    settings.CUTOVER_ARCHIVE_BACKLOG_FILES = 1000
    assert reasons(binding) == []
    archive_by(primary, "true")
