"""Writes the SQL that reads a text from left to right. Every expression is total; conditions say if it was right."""

from __future__ import annotations

from psycopg import sql

from cutover.codecs import quote

_INLINE = 2
"""So many separators are searched by strpos, which names the rest twice; more would double the statement each time."""


class Reader:
    """A place in a text that is an SQL expression; it moves to the right."""

    def __init__(self, text: sql.Composable) -> None:
        self.conditions: list[sql.Composable] = []
        self._text = text
        self._at = 1
        self._searched = 0

    @property
    def _rest(self) -> sql.Composable:
        if self._at == 1:
            return self._text
        return sql.SQL("substr({}, {})").format(self._text, quote.literal(self._at))

    def fixed(self, width: int) -> sql.Composable:
        """The next characters, so many; fewer at the end of the text."""
        piece = sql.SQL("substr({}, {}, {})").format(self._text, quote.literal(self._at), quote.literal(width))
        self._at += width
        return piece

    def literal(self, literal: str) -> None:
        """Step over literal text, which has to be there."""
        piece = self.fixed(len(literal))
        self.conditions.append(sql.SQL("{} = {}").format(piece, quote.literal(literal)))

    def until(self, separator: str | None) -> sql.Composable:
        """The text before the first occurrence of the separator, which has to be there; without one, the rest."""
        rest = self._rest
        if separator is None:
            self._text, self._at = sql.SQL("''::text"), 1
            return rest
        found = quote.literal(separator)
        self.conditions.append(sql.SQL("strpos({}, {}) > 0").format(rest, found))
        self._searched += 1
        if self._searched <= _INLINE:
            behind = sql.SQL("substr({rest}, strpos({rest}, {found}) + {length})")
        else:
            behind = sql.SQL("array_to_string((string_to_array({rest}, {found}))[2:], {found})")
        self._text, self._at = behind.format(rest=rest, found=found, length=quote.literal(len(separator))), 1
        return sql.SQL("split_part({}, {}, 1)").format(rest, found)

    def end(self) -> None:
        """The text has to end here."""
        self.conditions.append(sql.SQL("{} = ''").format(self._rest))
