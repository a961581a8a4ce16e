"""Columns as text: plain text, whole numbers, UUIDs. One text for each value, so that it comes back the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from psycopg import sql

from cutover.codecs import quote
from cutover.codecs.codec import Undecodable
from cutover.codecs.form import TextForm, ends_at
from cutover.codecs.kinds import Kind

WHOLE = "(0|-?[1-9][0-9]{0,18})"
"""A whole number of at most 64 bits, give or take: the range is checked after it."""

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True)
class PlainText(TextForm):
    """Any text that the column takes."""

    field: str
    most: int | None

    def read(self, text: str) -> object:
        if self.most is not None and len(text) > self.most:
            raise Undecodable(f"{self.field} takes {self.most} characters and would get {len(text)}", text)
        return text

    def write(self, value: object) -> str:
        return str(value)

    def certain(self, value: object, separator: str | None) -> bool:
        return type(value) is str and (self.most is None or len(value) <= self.most) and ends_at(value, separator)

    def fits_sql(self, text: sql.Composable) -> sql.Composable:
        if self.most is None:
            return sql.SQL("true")
        return sql.SQL("char_length({}) <= {}").format(text, quote.literal(self.most))

    def read_sql(self, text: sql.Composable) -> sql.Composable:
        return text

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        return sql.SQL("{}::text").format(column)

    def within_sql(self, column: sql.Composable) -> sql.Composable | None:
        return None if self.most is None else self.fits_sql(column)


@dataclass(frozen=True)
class WholeText(TextForm):
    """A whole number without leading zeros or plus, in the range of the column."""

    field: str
    bits: int

    def read(self, text: str) -> object:
        if not re.fullmatch(WHOLE, text) or not in_range(int(text), self.bits):
            raise Undecodable(f"{self.field} takes a whole number of {self.bits} bits", text)
        return int(text)

    def write(self, value: object) -> str:
        return str(value)

    def certain(self, value: object, separator: str | None) -> bool:
        return type(value) is int and in_range(value, self.bits) and ends_at(str(value), separator)

    def fits_sql(self, text: sql.Composable) -> sql.Composable:
        return sql.SQL("CASE WHEN {text} ~ {pattern} THEN ({text})::numeric {within} ELSE false END").format(
            text=text, pattern=quote.literal(f"^{WHOLE}$"), within=within_sql(self.bits)
        )

    def read_sql(self, text: sql.Composable) -> sql.Composable:
        return sql.SQL("({})::{}").format(text, integer_type(self.bits))

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        return sql.SQL("{}::text").format(column)


@dataclass(frozen=True)
class UuidText(TextForm):
    """A UUID in lower case with its four dashes."""

    field: str

    def read(self, text: str) -> object:
        if not re.fullmatch(_UUID, text):
            raise Undecodable(f"{self.field} takes a UUID in lower case with dashes", text)
        return UUID(text)

    def write(self, value: object) -> str:
        return str(value)

    def fits_sql(self, text: sql.Composable) -> sql.Composable:
        return sql.SQL("({} ~ {})").format(text, quote.literal(f"^{_UUID}$"))

    def read_sql(self, text: sql.Composable) -> sql.Composable:
        return sql.SQL("({})::uuid").format(text)

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        return sql.SQL("{}::text").format(column)


def in_range(number: int, bits: int) -> bool:
    """Whether a signed integer of so many bits can hold the number."""
    limit: int = 2 ** (bits - 1)
    return -limit <= number < limit


def within_sql(bits: int) -> sql.Composable:
    """The end of a condition on a numeric: its range. Written as text, for a bare -9223372036854775808 is no bigint."""
    low, high = quote.literal(str(-(2 ** (bits - 1)))), quote.literal(str(2 ** (bits - 1) - 1))
    return sql.SQL("BETWEEN {}::numeric AND {}::numeric").format(low, high)


def integer_type(bits: int) -> sql.SQL:
    """The integer type of so many bits."""
    return {16: sql.SQL("smallint"), 32: sql.SQL("integer"), 64: sql.SQL("bigint")}[bits]


def text_form(field: str, kind: Kind) -> TextForm | None:
    """The form of a column as text without a format, or None if its family has none."""
    if kind.family == "text":
        return PlainText(field, kind.max_length)
    if kind.family == "integer":
        return WholeText(field, kind.bits or 64)
    return UuidText(field) if kind.family == "uuid" else None
