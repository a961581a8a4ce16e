"""The toolkit's mark on its own statements, and the marks that the watch trigger left on those of others."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from cutover import db
from cutover.sql import query

# It names the statement: a plain "on" would also hide a foreign write later in the same transaction. It must stand where the
# executor evaluates it: in the target list of a query whose result is read.
OWN = sql.SQL("set_config('cutover.mark', statement_timestamp()::text, true)")


@dataclass(frozen=True)
class Dirty:
    """A parent that a foreign write has touched."""

    id: int
    parent_key: str
    operation: str


@dataclass(frozen=True)
class Writer:
    """Somebody who writes to the JSON column behind the toolkit's back."""

    application_name: str
    db_user: str
    writes: int
    last_at: datetime

    def __str__(self) -> str:
        return f"{self.application_name or 'no application_name'} as {self.db_user}, last at {self.last_at:%H:%M:%S}"


def dirty(alias: str, name: str, *, after: int = 0, limit: int = 1000) -> list[Dirty]:
    """Marks not visited yet, oldest first."""
    found = db.rows(alias, query("marks", "dirty"), {"name": name, "after": after, "limit": limit})
    return [Dirty(*row) for row in found]


def count_dirty(alias: str, name: str) -> int:
    return int(db.scalar(alias, query("marks", "count_dirty"), {"name": name}))


def visited(alias: str, ids: list[int]) -> None:
    """Say that these marks have been visited; by their own ids, for a newer one may be on the same parent."""
    db.run(alias, query("marks", "visited"), {"ids": ids})


def writers(alias: str, name: str, since: datetime, *, updates: bool = False) -> list[Writer]:
    """Who has written since that time (clock of the database), the latest first.

    With `updates`, only those who changed a document that was there: a new parent may bring elements as long as JSON is
    written, and its mark sends the backfill to it.
    """
    found = db.rows(alias, query("marks", "writers"), {"name": name, "since": since, "updates": updates})
    return [Writer(*row) for row in found]
