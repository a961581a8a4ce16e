"""One place in an element where a JSON value, or null, stands for one column. Used by Scalar, Tuple and Object.

Null stands for SQL NULL if the column takes it. In a json column null is JSON null; there None in Python means either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from cutover.codecs import quote
from cutover.codecs.codec import Undecodable, kind_of
from cutover.codecs.form import JsonForm
from cutover.codecs.jsonforms import json_form
from cutover.codecs.kinds import Kind
from cutover.codecs.time import Time, field_of


@dataclass(frozen=True)
class Slot:
    """A column, and its form as a JSON value."""

    field: str
    kind: Kind
    form: JsonForm

    @property
    def holds_json(self) -> bool:
        """Whether the column is of the json family, where JSON null is a value."""
        return self.kind.family == "json"

    @property
    def takes_null(self) -> bool:
        """Whether null may stand here."""
        return self.kind.nullable or self.holds_json

    def read(self, value: object) -> object:
        """The column for the JSON value. Raises Undecodable."""
        if value is not None:
            return self.form.read(value)
        if not self.takes_null:
            raise Undecodable(f"{self.field} takes no null", value)
        return None

    def write(self, value: object) -> object:
        """The JSON value for the column. Raises ValueError."""
        if value is not None:
            return self.form.write(value)
        if not self.takes_null:
            raise ValueError(f"{self.field} is NULL; an element cannot be written without it.")
        return None

    def column_sql(self, alias: str) -> sql.Composable:
        """The column of the aliased row."""
        return quote.identifier(alias, self.kind.column)

    def fits_sql(self, value: sql.Composable) -> sql.Composable:
        """Whether `read` succeeds, for jsonb that is not NULL."""
        return sql.SQL("CASE WHEN jsonb_typeof({}) = 'null' THEN {} ELSE {} END").format(
            value, sql.SQL("true" if self.takes_null else "false"), self.form.fits_sql(value)
        )

    def read_sql(self, value: sql.Composable) -> sql.Composable:
        """The column for any value, total; it means nothing where the value does not fit."""
        if self.holds_json:
            return value
        return sql.SQL("CASE WHEN {} THEN {} END").format(self.form.safe_sql(value), self.form.read_sql(value))

    def write_sql(self, alias: str) -> sql.Composable:
        """The jsonb for the column; NULL where `write` raises."""
        column = self.column_sql(alias)
        written = self.form.write_sql(column)
        if not self.takes_null:
            return written
        return sql.SQL("CASE WHEN {} IS NULL THEN 'null'::jsonb ELSE {} END").format(column, written)


def slot_of(where: str | Time, kinds: Mapping[str, Kind]) -> Slot:
    """The slot of a column. Raises ValueError if it is missing or does not fit."""
    field = field_of(where)
    kind = kind_of(field, kinds)
    return Slot(field, kind, json_form(where, kind))
