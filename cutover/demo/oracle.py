"""What was committed, kept apart from the application: the driver's side. It asks by SQL and changes only its own tables."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from cutover.demo.comparison import CAP
from cutover.sql import query

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Compared:
    """The child table against the oracle.

    Attributes:
        expected: distinct elements that must have a row; those that are `cut` are not among them.
        lost: without a row.
        cut: without a row, from before dual write, and beyond the cap when the backfill came.
        followed, swapped: lines of one process and job that have one before them, and those whose row stands before that one's.
        doubled: rows beyond the number of times that an element was written; a row that nobody wrote is one of them.
    """

    expected: int
    rows: int
    lost: int
    cut: int
    doubled: int
    followed: int
    swapped: int
    examples: list[str] = field(default_factory=list)


def create(connection: Connection) -> None:
    connection.execute(query("demo", "create"))


def take_baseline(connection: Connection) -> None:
    """Keep what JSON holds, and mark the lines so far, in one snapshot. The connection is in autocommit."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(query("demo", "baseline"))
        connection.execute(query("demo", "mark_before"))


def lost_by_legacy(connection: Connection) -> tuple[int, int]:
    """Lines written before the baseline, and how many of them are gone though the cap did not cut them."""
    return one(connection, "legacy", cap=CAP)


def counts(connection: Connection) -> tuple[int, int]:
    """All lines sworn, and those since the baseline."""
    return one(connection, "count")


def now(connection: Connection) -> datetime:
    return one(connection, "now")[0]  # type: ignore[no-any-return]


def all_flushed_before(connection: Connection, dual_since: datetime) -> datetime:
    """A time before which every line since dual write has its row.

    What is open is asked first: a line that is committed between the two questions is seen by one of them.
    """
    opened: datetime = one(connection, "oldest_transaction")[0]
    flushed: datetime = one(connection, "all_flushed_before", dual_since=dual_since)[0]
    return min(opened, flushed)


def disorder(connection: Connection, since: datetime) -> None:
    """Lines written from then on have no order that an observer could know, until `order`."""
    connection.execute(query("demo", "disorder"), {"since": since})


def order(connection: Connection) -> None:
    connection.execute(query("demo", "order"))


def column_dropped(connection: Connection) -> bool:
    return bool(one(connection, "dropped")[0])


def compare_table(connection: Connection, *, dual_since: datetime, backfilled: datetime) -> Compared:
    """Compare the child table with the history and the lines since, element by element.

    `dual_since`: when dual write had settled; a later line must have its row. `backfilled`: when the backfill had ended;
    the cap may have cut, until then, what was in JSON alone.
    """
    values = {"dual_since": dual_since, "backfilled": backfilled, "cap": CAP}
    expected, rows, lost, cut, doubled, examples = one(connection, "table", **values)
    errors, lost_errors = one(connection, "stderr")
    swapped, followed = one(connection, "swapped", dual_since=dual_since)
    told = list(examples or [])[:3]
    return Compared(expected + errors, rows, lost + lost_errors, cut, doubled, followed, swapped, told)


def one(connection: Connection, name: str, **values: object) -> tuple[Any, ...]:
    found = connection.execute(query("demo", name), values).fetchone()
    if found is None:
        raise LookupError(f"The query {name} has no row.")
    return tuple(found)
