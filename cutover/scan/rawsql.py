"""Does a piece of SQL name the table and the column? By words, without comments and texts in quotes; no parser."""

import re
from functools import lru_cache

COMMENT_OR_TEXT = re.compile(r"--[^\n]*|'[^']*'")
STATEMENT = re.compile(r"\b(select|update|insert|delete|alter|copy|merge|with|create)\b", re.IGNORECASE)


@lru_cache
def patterns(table: str, column: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    named = re.compile(rf'(?<![\w])"?{re.escape(table)}"?(?!\w)', re.IGNORECASE)
    holds = re.compile(rf'(?<![\w])"?{re.escape(column)}"?(?![\w.(])', re.IGNORECASE)
    writes = re.compile(
        rf'\b(update(\s+only)?|insert\s+into|merge\s+into|copy)\s+("?\w+"?\.)?"?{re.escape(table)}"?(?!\w)',
        re.IGNORECASE,
    )
    return named, holds, writes


def touches(text: str, table: str, column: str) -> bool:
    """Whether SQL names both."""
    if column not in text:
        return False
    named, holds, _ = patterns(table, column)
    bare = COMMENT_OR_TEXT.sub(" ", text)
    return bool(named.search(bare) and holds.search(named.sub(" ", bare)))


def is_statement(text: str) -> bool:
    return bool(STATEMENT.search(text))


def names_column(text: str, table: str, column: str) -> bool:
    """The column alone, as in RawSQL, where the table is understood."""
    return bool(patterns(table, column)[1].search(COMMENT_OR_TEXT.sub(" ", text)))


def writes(text: str, table: str, column: str) -> bool:
    """Whether the statement writes to the column: INSERT with it in the list, or UPDATE that sets it."""
    _, holds, writing = patterns(table, column)
    bare = COMMENT_OR_TEXT.sub(" ", text)
    found = writing.search(bare)
    if found is None:
        return False
    if not found[1].lower().startswith("update"):
        return bool(holds.search(bare, found.end()))
    setting = re.search(rf'\bset\b.*?"?{re.escape(column)}"?\s*(=|\[)', bare[found.end() :], re.IGNORECASE | re.DOTALL)
    return setting is not None
