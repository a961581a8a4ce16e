"""What the workers' transactions began and committed, as the database itself wrote it down: triggers, and its log.

A line in the log outlives a rollback and a crash; a row of a table does not. The difference is work that has to be done again.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from damage.workers import APPLICATION

INSTALL = """
CREATE TABLE damage_rows (xid xid8, rows bigint);
CREATE TABLE damage_moves (
    id bigint GENERATED ALWAYS AS IDENTITY, xid xid8, number int, before text, after text, elements bigint);

CREATE FUNCTION damage_begins() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('application_name') = {application} THEN
        RAISE LOG 'damage: % in %', pg_current_xact_id(), current_database();
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION damage_writes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('application_name') = {application} THEN
        INSERT INTO damage_rows SELECT pg_current_xact_id(), count(*) FROM written;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION damage_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO damage_moves (xid, number, before, after, elements)
    SELECT pg_current_xact_id(), NEW.number, ROW(OLD.cursor, OLD.inside)::text, ROW(NEW.cursor, NEW.inside)::text,
           NEW.elements - OLD.elements;
    RETURN NULL;
END $$;
CREATE TRIGGER damage_begins BEFORE INSERT ON {child} FOR EACH STATEMENT EXECUTE FUNCTION damage_begins();
CREATE TRIGGER damage_writes AFTER INSERT ON {child} REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION damage_writes();
CREATE TRIGGER damage_moves AFTER UPDATE ON cutover_segment FOR EACH ROW
    WHEN (NEW.parents > OLD.parents OR NEW.elements > OLD.elements) EXECUTE FUNCTION damage_moves();
"""
TORN = """
SELECT count(*) FROM (SELECT xid, sum(rows) AS rows FROM damage_rows GROUP BY xid HAVING sum(rows) > 0) r
FULL JOIN (SELECT xid, sum(elements) AS elements FROM damage_moves GROUP BY xid HAVING sum(elements) > 0) m USING (xid)
WHERE r.rows IS DISTINCT FROM m.elements
"""
TWICE = """
SELECT count(*) FROM (
    SELECT before, after, lag(after, 1, '(,)') OVER (PARTITION BY number ORDER BY id) AS last FROM damage_moves WHERE number >= 0
) m WHERE before IS DISTINCT FROM last OR after IS NOT DISTINCT FROM before
"""
FIGURES = """
SELECT (SELECT count(*) FROM damage_moves WHERE elements >= 0), COALESCE((SELECT sum(rows) FROM damage_rows), 0)::bigint,
       COALESCE((SELECT sum(elements) FROM cutover_segment), 0)::bigint
"""

DEADLOCK = "deadlock detected"


@dataclass(frozen=True)
class Account:
    """What came of the chunks.

    Attributes:
        chunks: committed.
        again: begun and not committed, so that they had to be done again.
        torn: transactions that inserted another number of rows than they said, or moved a cursor without its rows.
        twice: movements of a cursor, or inside of a parent, that do not begin where the one before ended: something was done
            twice, or left out.
        rows, elements: inserted by workers; and what all segments say that was inserted.
        silenced: sessions that the server has ended because their worker stood still inside a chunk.
        deadlocks: that the server has found.
    """

    chunks: int
    again: int
    torn: int
    twice: int
    rows: int
    elements: int
    silenced: int
    deadlocks: int

    @property
    def faults(self) -> list[str]:
        found = []
        if self.torn:
            found.append(f"{self.torn} transactions say another number of elements than they have inserted")
        if self.twice:
            found.append(f"{self.twice} movements of a cursor do not follow the one before")
        if self.rows != self.elements:
            found.append(f"{self.rows} rows were inserted, and the segments say {self.elements}")
        return found


def install(connection: "psycopg.Connection[object]", child: str) -> None:
    """From now on it is written down."""
    parts = {"application": sql.Literal(APPLICATION), "child": sql.Identifier(child)}
    connection.execute(sql.SQL(INSTALL).format(**parts))


def account(connection: "psycopg.Connection[object]", log: Path, since: int = 0) -> Account:
    """Everything that was written down in this database; the log is read from a place in it on."""
    text = written(log, since)
    began = {int(each) for each in re.findall(rf"damage: (\d+) in {connection.info.dbname}\b", text)}
    committed = {int(row[0]) for row in connection.execute("SELECT xid::text FROM damage_moves").fetchall()}  # type: ignore[index]
    figures: Any = connection.execute(FIGURES).fetchone()
    chunks, rows, elements = figures
    return Account(
        chunks=chunks,
        again=len(began - committed),
        torn=number(connection, TORN),
        twice=number(connection, TWICE),
        rows=rows,
        elements=elements,
        silenced=text.count("due to idle-in-transaction timeout"),
        deadlocks=text.count(DEADLOCK),
    )


def deadlocks(log: Path, since: int = 0) -> int:
    """How many the server has found."""
    return written(log, since).count(DEADLOCK)


def written(log: Path, since: int) -> str:
    with log.open("rb") as opened:
        opened.seek(since)
        return opened.read().decode(errors="replace")


def number(connection: "psycopg.Connection[object]", query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])  # type: ignore[index]
