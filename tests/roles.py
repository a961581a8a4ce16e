"""A role of its own for a test: no superuser, no rights but those it is given."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from databases import Database


@pytest.fixture
def role(database: Database, server_uri: str) -> Iterator[Callable[[], str]]:
    """Make a role that can log in; it is gone after the test."""
    made: list[str] = []

    def make() -> str:
        name = f"cutover_role_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(database.uri, autocommit=True) as connection:
            connection.execute(sql.SQL("create role {} login nosuperuser").format(sql.Identifier(name)))
        made.append(name)
        return name

    yield make
    for name in made:
        with psycopg.connect(database.uri, autocommit=True) as connection:
            connection.execute(
                "set lock_timeout = '5s'"
            )  # a test that leaves a transaction open fails, and does not hang
            for statement in ("reassign owned by {} to current_user", "drop owned by {}", "drop role {}"):
                connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def give_everything(connection: psycopg.Connection[Any], name: str) -> None:
    """Make the role the owner of all tables and functions, as the role that migrates is; it stays no superuser."""
    everything = """
        SELECT 'TABLE', c.oid::regclass::text FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
        UNION ALL SELECT 'SEQUENCE', 'cutover_position_v1'
        UNION ALL SELECT 'FUNCTION', p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
    """
    for kind, what in connection.execute(everything).fetchall():
        connection.execute(f'ALTER {kind} {what} OWNER TO "{name}"')
    connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(name)))
