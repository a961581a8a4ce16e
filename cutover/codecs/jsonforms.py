"""Columns as JSON values. One JSON text for each value, so that it comes back the same; numbers are in numbers.py."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from cutover.codecs.codec import Undecodable
from cutover.codecs.form import JsonForm, TextForm
from cutover.codecs.kinds import Kind
from cutover.codecs.moment import moment
from cutover.codecs.numbers import DecimalNumber, FloatNumber, WholeNumber
from cutover.codecs.textforms import text_form
from cutover.codecs.time import Time


@dataclass(frozen=True)
class Quoted(JsonForm):
    """A JSON string that holds the text form of the column."""

    field: str
    inner: TextForm

    def read(self, value: object) -> object:
        if not isinstance(value, str):
            raise Undecodable(f"{self.field} takes a string", value)
        return self.inner.read(value)

    def write(self, value: object) -> object:
        return self.inner.write(value)

    def fits_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL("CASE WHEN jsonb_typeof({}) = 'string' THEN {} ELSE false END").format(
            value, self.inner.fits_sql(_text_sql(value))
        )

    def safe_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL("(jsonb_typeof({}) = 'string' AND {})").format(value, self.inner.safe_sql(_text_sql(value)))

    def read_sql(self, value: sql.Composable) -> sql.Composable:
        return self.inner.read_sql(_text_sql(value))

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        return sql.SQL("to_jsonb({})").format(self.inner.write_sql(column))

    def writes_sql(self, column: sql.Composable) -> sql.Composable | None:
        return self.inner.writes_sql(column)

    def member_sql(self, column: sql.Composable) -> sql.Composable:
        return self.inner.write_sql(column)

    def direct_sql(self, value: sql.Composable) -> sql.Composable:
        return self.inner.direct_sql(_text_sql(value))

    def proof_sql(self, value: sql.Composable, column: sql.Composable) -> sql.Composable:
        tests = [
            sql.SQL("jsonb_typeof({}) = 'string'").format(value),
            sql.SQL("{} = {}").format(self.inner.back_sql(column), _text_sql(value)),
            self.inner.within_sql(column),
        ]
        return sql.SQL(" AND ").join(test for test in tests if test is not None)


@dataclass(frozen=True)
class Truth(JsonForm):
    """true or false."""

    field: str

    def read(self, value: object) -> object:
        if not isinstance(value, bool):
            raise Undecodable(f"{self.field} takes true or false", value)
        return value

    def write(self, value: object) -> object:
        return bool(value)

    def fits_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL("(jsonb_typeof({}) = 'boolean')").format(value)

    def read_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL("(({})::text = 'true')").format(value)

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        return sql.SQL("to_jsonb({})").format(column)

    def member_sql(self, column: sql.Composable) -> sql.Composable:
        return column


@dataclass(frozen=True)
class AnyJson(JsonForm):
    """Any JSON, as it is."""

    def read(self, value: object) -> object:
        return value

    def write(self, value: object) -> object:
        return value

    def fits_sql(self, value: sql.Composable) -> sql.Composable:  # noqa: ARG002  # every value fits
        return sql.SQL("true")

    def read_sql(self, value: sql.Composable) -> sql.Composable:
        return value

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        return sql.SQL("{}::jsonb").format(column)


def json_form(where: str | Time, kind: Kind) -> JsonForm:
    """The form of a column as a JSON value. Raises ValueError if the column does not fit."""
    if isinstance(where, Time):
        return Quoted(where.column, moment(where.column, kind, where.format, where.tz))
    if kind.family == "time":
        raise ValueError(f"{where} is a column of type {kind.sql_type}; write Time({where!r}, ...) to say its format.")
    if kind.family == "integer":
        return WholeNumber(where, kind.bits or 64)
    if kind.family == "float":
        return FloatNumber(where)
    if kind.family == "decimal":
        return DecimalNumber(where, kind.digits, kind.places)
    return _other_form(where, kind)


def _other_form(field: str, kind: Kind) -> JsonForm:
    if kind.family == "boolean":
        return Truth(field)
    if kind.family == "json":
        return AnyJson()
    inner = text_form(field, kind)
    if inner is None:
        raise ValueError(f"{field} is of the family {kind.family}, for which there is no JSON value.")
    return Quoted(field, inner)


def _text_sql(value: sql.Composable) -> sql.Composable:
    return sql.SQL("(({}) #>> '{{}}')").format(value)
