"""Named queries: `-- name: <query>` in `<module>.sql`, followed by a line that says what it answers.

A query is parsed once. Identifiers go in through `psycopg.sql` (`{table}`), values as parameters (`%(name)s`).
"""

from functools import cache
from importlib import resources

from psycopg import sql

MARK = "-- name: "


@cache
def load(module: str) -> dict[str, str]:
    """All queries of one file, by name."""
    text = resources.files(__name__).joinpath(f"{module}.sql").read_text(encoding="utf8")
    found: dict[str, str] = {}
    for part in text.split(MARK)[1:]:
        name, _, body = part.partition("\n")
        lines = [line for line in body.splitlines() if not line.lstrip().startswith("--")]
        found[name.strip()] = "\n".join(lines).strip().rstrip(";")
    return found


def query(module: str, name: str, **parts: sql.Composable) -> sql.Composed:
    """A named query with its identifiers and compiled parts put in."""
    return sql.SQL(load(module)[name]).format(**parts)
