"""The database of a test is made once and used again by the next test, where nothing but rows has changed in it.

Making and dropping one costs more than most tests do. So a database is emptied, if its catalog is what it was: no object was
made, changed or dropped, nothing was analyzed, and the rows that the template brings are the same. Where in doubt it is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

import databases
from databases import Database
from servers import Postgres

# Every row of the catalog that is ours, by its place and version; and what statistics say, which changes in place.
CATALOG = """
SELECT md5(string_agg(row, ';' ORDER BY row)) FROM (
    SELECT 'class ' || oid || ' ' || xmin || ' ' || reltuples || ' ' || relpages AS row FROM pg_class
        WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'attribute ' || attrelid || ' ' || attnum || ' ' || xmin FROM pg_attribute
        WHERE attrelid >= 16384 AND attrelid NOT IN (SELECT oid FROM pg_class WHERE relnamespace = 'pg_toast'::regnamespace)
    UNION ALL SELECT 'default ' || oid || ' ' || xmin FROM pg_attrdef
    UNION ALL SELECT 'constraint ' || oid || ' ' || xmin FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT 'index ' || indexrelid || ' ' || indisvalid || ' ' || indisready || ' ' || indislive FROM pg_index
        WHERE indexrelid >= 16384
    UNION ALL SELECT 'trigger ' || oid || ' ' || xmin FROM pg_trigger
    UNION ALL SELECT 'function ' || oid || ' ' || xmin FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'type ' || oid || ' ' || xmin FROM pg_type
        WHERE oid >= 16384 AND typnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'namespace ' || oid || ' ' || xmin FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
    UNION ALL SELECT 'extension ' || oid || ' ' || xmin FROM pg_extension
    UNION ALL SELECT 'publication ' || oid || ' ' || xmin FROM pg_publication
    UNION ALL SELECT 'rule ' || oid || ' ' || xmin FROM pg_rewrite WHERE oid >= 16384
    UNION ALL SELECT 'policy ' || oid || ' ' || xmin FROM pg_policy
    UNION ALL SELECT 'event ' || oid || ' ' || xmin FROM pg_event_trigger
    UNION ALL SELECT 'large object ' || oid FROM pg_largeobject_metadata
    UNION ALL SELECT 'statistics ' || starelid || ' ' || staattnum FROM pg_statistic WHERE starelid >= 16384
    UNION ALL SELECT 'extended ' || oid || ' ' || xmin FROM pg_statistic_ext
    UNION ALL SELECT 'setting ' || setconfig::text FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT 'database ' || datconnlimit || ' ' || datallowconn || ' ' || datistemplate FROM pg_database
        WHERE datname = current_database()
    UNION ALL SELECT 'comment ' || objoid || ' ' || objsubid || ' ' || md5(description) FROM pg_description
        WHERE objoid >= 16384
    UNION ALL SELECT 'privileges ' || oid || ' ' || xmin FROM pg_default_acl
    UNION ALL SELECT 'privileges of all ' || datacl::text FROM pg_database
        WHERE datname = current_database() AND datacl IS NOT NULL
    UNION ALL SELECT 'label ' || oid || ' ' || xmin FROM pg_enum
    UNION ALL SELECT 'published ' || oid || ' ' || xmin FROM pg_publication_rel
    UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database()
) everything (row)
"""
TABLES = """
SELECT oid::regclass::text, pg_relation_size(oid) > 0 FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1
"""
OTHERS = """
SELECT coalesce(bool_and(pg_terminate_backend(pid, 5000)), true) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
PREPARED = "SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())"
SEQUENCES = """
SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE sequencename <> ALL(%(kept)s)
"""


@dataclass
class Recycler:
    """The databases of one process of pytest, one after the other.

    Attributes:
        template: from which they are made.
    """

    postgres: Postgres
    template: str
    _clean: Database | None = None
    _catalog: str = ""
    _seeds: dict[str, str] = field(default_factory=dict)

    def take(self) -> Database:
        """A database as it was made; of the caller alone until it is given back."""
        made, self._clean = self._clean, None
        if made is None:
            made = databases.create(self.postgres, databases.fresh_name("test"), self.template)
            with psycopg.connect(made.uri, autocommit=True) as connection:
                self._catalog = catalog(connection)
                self._seeds = {name: rows for name, _ in tables(connection) if (rows := contents(connection, name))}
        return made

    def give_back(self, used: Database) -> None:
        """Empty it for the next one, under another name; or drop it.

        A process that a failed test has left behind connects anew by the name that it knows, and is not to find a database.
        """
        try:
            if self.emptied(used):
                self._clean = databases.rename(self.postgres, used.name, databases.fresh_name("test"))
        except psycopg.Error:  # the server is gone, the connection was cut, or somebody is there again
            self._clean = None
        if self._clean is None:
            databases.drop(self.postgres, used.name)

    def emptied(self, used: Database) -> bool:
        with psycopg.connect(used.uri, autocommit=True) as connection:
            if connection.execute(OTHERS).fetchone() != (True,):
                return False
            if connection.execute(PREPARED).fetchone() != (False,) or catalog(connection) != self._catalog:
                return False
            if any(contents(connection, name) != rows for name, rows in self._seeds.items()):
                return False
            full = [name for name, has_pages in tables(connection) if has_pages and name not in self._seeds]
            if full:
                names = sql.SQL(", ").join(map(sql.SQL, full))
                connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))
            connection.execute(SEQUENCES, {"kept": [f"{name}_id_seq" for name in self._seeds]})
            connection.execute("SELECT pg_stat_reset()")
            self._catalog = catalog(connection)
            return all(contents(connection, name) == rows for name, rows in self._seeds.items())

    def close(self) -> None:
        if self._clean is not None:
            databases.drop(self.postgres, self._clean.name)


def catalog(connection: psycopg.Connection[tuple[str]]) -> str:
    found = connection.execute(CATALOG).fetchone()
    assert found is not None
    return found[0]


def tables(connection: psycopg.Connection[Any]) -> list[tuple[str, bool]]:
    """Their names, and whether they have pages: deleted rows take them too."""
    return connection.execute(TABLES).fetchall()


def contents(connection: psycopg.Connection[tuple[str]], name: str) -> str:
    """A hash of all rows; empty where there is none."""
    asked = sql.SQL("SELECT coalesce(md5(string_agg(t::text, ';' ORDER BY t::text)), '') FROM {} t").format(
        sql.SQL(name)
    )
    found = connection.execute(asked).fetchone()
    assert found is not None
    return found[0]
