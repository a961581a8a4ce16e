"""What every test may ask for: a real server, a database of its own, more connections to it."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import psycopg
import pytest

import databases
import servers
from cutover import beside
from cutover.demo.redisserver import RedisServer
from cutover.demo.server import Server
from databases import Database
from recycling import Recycler

hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")

# Read once: `database` changes the variable for the time of a test.
BORROWED = os.environ.get("DATABASE_URL")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        default="embedded",
        help='"embedded" (default), a major version such as 15, or a directory of programs; DATABASE_URL goes first',
    )


def pytest_report_header(config: pytest.Config) -> str:
    if BORROWED:
        return "postgres: the server of DATABASE_URL"
    choice: str = config.getoption("--postgres")
    return f"postgres: {choice} ({servers.programs(choice) or 'PostgreSQL of the extra'})"


@pytest.fixture(scope="session")
def _postgres(request: pytest.FixtureRequest) -> Iterator[servers.Postgres]:
    """Ours or borrowed; what the databases are made on."""
    if BORROWED:
        yield servers.Borrowed(BORROWED)
        return
    with servers.start(request.config.getoption("--postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def server(_postgres: servers.Postgres) -> Server:
    """The server itself, for tests that restart it or run its programs."""
    if not isinstance(_postgres, Server):
        pytest.skip("DATABASE_URL names a server that is not ours to restart")
    return _postgres


@pytest.fixture(scope="session")
def server_uri(_postgres: servers.Postgres) -> str:
    """The address of the maintenance database."""
    return _postgres.uri()


@pytest.fixture(scope="session")
def _template(_postgres: servers.Postgres, django_db_blocker: Any) -> Iterator[str]:
    name = databases.fresh_name("template")
    databases.create(_postgres, name)
    with django_db_blocker.unblock():
        databases.migrate(_postgres, name)
    yield name
    databases.drop(_postgres, name)


@pytest.fixture(autouse=True)
def _own_flags() -> Iterator[None]:
    """Flags that a test sets, and what this process believes, end with the test."""
    from cutover import fleet, lease

    before = {key: value for key, value in os.environ.items() if key.startswith("CUTOVER_")}
    yield
    for key in [key for key in os.environ if key.startswith("CUTOVER_")]:
        del os.environ[key]
    os.environ.update(before)
    lease.forget()
    fleet._said.clear()


@pytest.fixture(scope="session")
def recycler(_postgres: servers.Postgres, _template: str) -> Iterator[Recycler]:
    recycler = Recycler(_postgres, _template)
    yield recycler
    recycler.close()


@pytest.fixture
def database(_postgres: servers.Postgres, recycler: Recycler, django_db_blocker: Any) -> Iterator[Database]:
    """A migrated database of this test alone, which Django's default connection leads to; commits are real."""
    made = recycler.take()
    with django_db_blocker.unblock(), databases.django_at(_postgres, made.name):
        yield made
        beside.close(
            "default"
        )  # or it leads the next test to a database that is gone, and is done without for a minute
        beside._held.not_before.clear()
    recycler.give_back(made)


@pytest.fixture
def connect(database: Database) -> Iterator[Callable[..., psycopg.Connection[Any]]]:
    """A factory of further connections to the test's database; autocommit unless told otherwise."""
    made: list[psycopg.Connection[Any]] = []

    def connection(*, autocommit: bool = True, **parameters: Any) -> psycopg.Connection[Any]:
        made.append(psycopg.connect(database.uri, autocommit=autocommit, **parameters))
        return made[-1]

    yield connection
    for each in made:
        each.close()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of this test alone, empty, which it may kill, freeze and start again; there is nothing on disk."""
    with RedisServer() as server:
        yield server
