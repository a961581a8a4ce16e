"""A database per test, copied from a template that was migrated once."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from servers import Postgres


@dataclass(frozen=True)
class Database:
    """A database of one test."""

    name: str
    uri: str


def fresh_name(purpose: str) -> str:
    """A name that no other worker or run has."""
    return f"cutover_{purpose}_{uuid.uuid4().hex[:12]}"


def create(postgres: Postgres, name: str, template: str = "template1") -> Database:
    """Create a database as a copy of the template."""
    _command(postgres, sql.SQL("create database {} template {}"), name, template)
    return Database(name, postgres.uri(name))


def rename(postgres: Postgres, name: str, new: str) -> Database:
    """Give a database another name. Raises psycopg.Error if somebody is connected to it."""
    _command(postgres, sql.SQL("alter database {} rename to {}"), name, new)
    return Database(new, postgres.uri(new))


def drop(postgres: Postgres, name: str) -> None:
    """Drop a database and end whoever is still connected to it, prepared transactions included."""
    with psycopg.connect(postgres.uri(name), autocommit=True) as connection:
        for (gid,) in connection.execute("select gid from pg_prepared_xacts where database = current_database()"):
            connection.execute(sql.SQL("rollback prepared {}").format(sql.Literal(gid)))
    _command(postgres, sql.SQL("drop database {} with (force)"), name)


@contextmanager
def django_at(postgres: Postgres, name: str) -> Iterator[None]:
    """Let Django's default connection, in every thread and in every child process, lead to this database."""
    settings = connections.settings["default"]  # the one dict that the connections of all threads refer to
    before, address = dict(settings), os.environ.get("DATABASE_URL")
    connections.close_all()
    settings.update(postgres.dsn_parts(name))
    os.environ["DATABASE_URL"] = postgres.uri(name)
    try:
        yield
    finally:
        connections.close_all()
        settings.update(before)
        if address is None:
            del os.environ["DATABASE_URL"]
        else:
            os.environ["DATABASE_URL"] = address


def migrate(postgres: Postgres, name: str) -> None:
    """Apply the migrations of the test project."""
    with django_at(postgres, name):
        call_command("migrate", verbosity=0, interactive=False)


def _command(postgres: Postgres, statement: sql.SQL, *names: str) -> None:
    with psycopg.connect(postgres.uri(), autocommit=True) as connection:
        connection.execute(statement.format(*map(sql.Identifier, names)))
