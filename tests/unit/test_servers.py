"""The private PostgreSQL server: it is the one that was asked for, survives a crash, and leaves nothing behind."""

import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

import servers
from cutover.demo.server import Server, ServerFailed
from waiting import wait_until

# A shell that starts the tests in the background has them ignore SIGINT, and a child inherits that.
STARTED_AND_LEFT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from cutover.demo.server import Server
server = Server.temporary()
print(server.socket_directory, server.home, flush=True)
time.sleep(600)
"""


def test_server_is_the_version_that_was_asked_for(server: Server, request: pytest.FixtureRequest) -> None:
    with psycopg.connect(server.uri()) as connection:
        served = connection.execute("show server_version").fetchone()
    assert served is not None
    assert served[0].split()[0] == server.version
    choice = request.config.getoption("--postgres")
    if choice.isdigit():
        assert server.version.split(".")[0] == choice


def test_committed_row_outlives_a_crash_and_open_connections_do_not() -> None:
    # A server of its own: a crash of the shared one would end the connections of other tests.
    with Server.temporary() as own, psycopg.connect(own.uri(), autocommit=True) as before:
        before.execute("create table kept as select 1 as one")
        own.restart("immediate")
        with pytest.raises(psycopg.OperationalError):
            before.execute("select 1")
        with psycopg.connect(own.uri()) as after:
            assert after.execute("select one from kept").fetchone() == (1,)


def test_programs_of_the_server_run_against_it(server: Server) -> None:
    assert f"-- Dumped by pg_dump version {server.version}" in server.run("pg_dump", "postgres")


def test_failed_program_says_what_it_said(server: Server) -> None:
    with pytest.raises(ServerFailed, match=r'pg_dump ended with 1: .*database "absent" does not exist'):
        server.run("pg_dump", "absent")


def test_setting_with_a_quote_reaches_the_server() -> None:
    with Server.temporary(settings={"cluster_name": "it's"}) as own, psycopg.connect(own.uri()) as connection:
        assert connection.execute("show cluster_name").fetchone() == ("it's",)


def test_given_directory_stays_and_can_be_started_again() -> None:
    with Server.temporary() as outer:  # only to have a directory that the server's account may enter
        directory = outer.home / "second"
        with Server.start(directory) as first, psycopg.connect(first.uri(), autocommit=True) as connection:
            connection.execute("create table kept ()")
        with Server.start(directory) as second:
            assert "kept" in second.run("psql", "-Atc", "select relname from pg_class where relname = 'kept'")
        assert directory.exists()
        assert not second.socket_directory.exists()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_server_is_gone_when_its_process_is_killed(how: signal.Signals) -> None:
    command = [sys.executable, "-c", STARTED_AND_LEFT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        left = [Path(place) for place in process.stdout.readline().split()]
        assert len(left) == 2
        assert all(place.exists() for place in left)
        process.send_signal(how)
    wait_until(lambda: not any(place.exists() for place in left), 30, f"{left} are removed after {how.name}")


def test_borrowed_server_keeps_user_password_and_host_for_other_databases() -> None:
    borrowed = servers.Borrowed("postgresql://ann:p%40ss@db.example:5433/first")
    assert borrowed.uri("other") == "postgresql://ann:p%40ss@/other?host=db.example&port=5433"
    assert {"HOST": "db.example", "PASSWORD": "p@ss", "NAME": "other"}.items() <= borrowed.dsn_parts("other").items()


def test_unknown_postgres_is_a_fact_with_its_place() -> None:
    with pytest.raises(LookupError, match=r"^--postgres=/absent: there is no initdb in /absent\.$"):
        servers.programs("/absent")
