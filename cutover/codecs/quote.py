"""Literals and identifiers for SQL that runs with parameters. Nothing here knows what the SQL is for.

psycopg reads `%` in a statement with parameters as a placeholder, in literals and quoted names too; so it is
doubled here. SQL made of these pieces must therefore be run with at least one parameter: without any, psycopg leaves
`%%` as it is.
"""

from __future__ import annotations

from psycopg import sql
from psycopg.abc import AdaptContext


class _Doubled(sql.Composable):
    """A piece of SQL whose percent signs are doubled when it is rendered."""

    def __init__(self, piece: sql.Composable) -> None:
        super().__init__(piece)

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        piece: sql.Composable = self._obj
        return bytes(piece.as_bytes(context)).replace(b"%", b"%%")


def literal(value: object) -> sql.Composable:
    """The value as an SQL literal that survives the parsing of placeholders."""
    return _Doubled(sql.Literal(value))


def identifier(*names: str) -> sql.Composable:
    """The (dotted) name as an SQL identifier that survives the parsing of placeholders."""
    return _Doubled(sql.Identifier(*names))
