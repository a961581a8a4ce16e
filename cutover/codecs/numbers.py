"""Columns as JSON numbers. A value has one JSON text: no 1.0, no 1.50, no exponent.

Fractions go through float8 on both sides. Below 2^53 its shortest text is the same in Python and in PostgreSQL (above,
the two differ where a decimal lies exactly between two floats, as 1e23 does), so only those decode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from psycopg import sql

from cutover.codecs import quote
from cutover.codecs.codec import Undecodable
from cutover.codecs.element import positional
from cutover.codecs.form import JsonForm
from cutover.codecs.textforms import WHOLE, in_range, integer_type, within_sql

_EXACT = 2**53
_TINY = 1e-300
"""Nearer to zero the cast to float8 would come near its limit, where PostgreSQL raises."""


@dataclass(frozen=True)
class WholeNumber(JsonForm):
    """A JSON number without a fraction, in the range of the column."""

    field: str
    bits: int

    def read(self, value: object) -> object:
        if type(value) is not int or not in_range(value, self.bits):
            raise Undecodable(f"{self.field} takes a whole number of {self.bits} bits", value)
        return value

    def write(self, value: object) -> object:
        return value

    def fits_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL(
            "CASE WHEN jsonb_typeof({value}) <> 'number' THEN false WHEN ({value})::text !~ {pattern} THEN false"
            " ELSE ({value})::numeric {within} END"
        ).format(value=value, pattern=quote.literal(f"^{WHOLE}$"), within=within_sql(self.bits))

    def read_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL("({})::numeric::{}").format(value, integer_type(self.bits))

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        return sql.SQL("to_jsonb({})").format(column)

    def member_sql(self, column: sql.Composable) -> sql.Composable:
        return column

    def direct_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL("({})::{}").format(value, integer_type(self.bits))

    def proof_sql(self, value: sql.Composable, column: sql.Composable) -> sql.Composable:
        return sql.SQL("({})::text = ({} #>> '{{}}')").format(column, value)  # the cast has raised for all but numbers


@dataclass(frozen=True)
class FloatNumber(JsonForm):
    """A JSON number that float8 gives back digit by digit. A float without a fraction is written as 5, never as 5.0."""

    field: str

    def read(self, value: object) -> object:
        if type(value) is int and abs(value) < _EXACT:
            return float(value)
        if type(value) is float and _is_fraction(value):
            return value
        raise Undecodable(f"{self.field} takes a number that a float gives back digit by digit", value)

    def write(self, value: object) -> object:
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{self.field} is {value!r}, for which JSON has no number.")
        return _shortest(Decimal(repr(float(value))))

    def fits_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL(
            "CASE WHEN jsonb_typeof({value}) <> 'number' THEN false WHEN {bounded} THEN {faithful} ELSE false END"
        ).format(value=value, bounded=_bounded_sql(value), faithful=_faithful_sql(value))

    def read_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL("({})::numeric::float8").format(value)

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        return _finite_sql(column, sql.SQL("to_jsonb({})").format(column))

    def writes_sql(self, column: sql.Composable) -> sql.Composable:
        return _is_finite_sql(column)

    def member_sql(self, column: sql.Composable) -> sql.Composable:
        return column


@dataclass(frozen=True)
class DecimalNumber(JsonForm):
    """A whole number, or a fraction that also a float gives back; within the digits of the column, never rounded."""

    field: str
    digits: int | None
    places: int | None

    def read(self, value: object) -> object:
        if type(value) is int:
            number = Decimal(value)
        elif type(value) is float and _is_fraction(value):
            number = Decimal(repr(value))
        else:
            raise Undecodable(f"{self.field} takes a number that a float gives back digit by digit", value)
        if not self._has_room(number):
            raise Undecodable(f"{self.field} takes {self.digits} digits, {self.places} of them after the point", value)
        return number

    def _has_room(self, number: Decimal) -> bool:
        if self.digits is None:
            return True
        places = self.places or 0
        exponent = number.as_tuple().exponent
        return isinstance(exponent, int) and -exponent <= places and number.adjusted() < self.digits - places

    def write(self, value: object) -> object:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        if not number.is_finite():
            raise ValueError(f"{self.field} is {value!r}, for which JSON has no number.")
        return _shortest(number)

    def fits_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL(
            "CASE WHEN jsonb_typeof({value}) <> 'number' THEN false"
            " WHEN ({value})::text ~ '^-?[0-9]+$' THEN {room}"
            " WHEN {bounded} THEN {faithful} AND {room} ELSE false END"
        ).format(value=value, room=self._room_sql(value), bounded=_bounded_sql(value), faithful=_faithful_sql(value))

    def _room_sql(self, value: sql.Composable) -> sql.Composable:
        if self.digits is None:
            return sql.SQL("true")
        places = self.places or 0
        return sql.SQL("(abs(({value})::numeric) < {limit}::numeric AND scale(({value})::numeric) <= {places})").format(
            value=value, limit=quote.literal(f"1e{self.digits - places}"), places=quote.literal(places)
        )

    def read_sql(self, value: sql.Composable) -> sql.Composable:
        return sql.SQL("({})::numeric").format(value)

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        return _finite_sql(column, sql.SQL("to_jsonb(trim_scale({}))").format(column))

    def writes_sql(self, column: sql.Composable) -> sql.Composable:
        return _is_finite_sql(column)

    def member_sql(self, column: sql.Composable) -> sql.Composable:
        return sql.SQL("trim_scale({})").format(column)


def _is_fraction(number: float) -> bool:
    return _TINY <= abs(number) < _EXACT and not number.is_integer()


def _shortest(number: Decimal) -> int | float | Decimal:
    """The JSON number of a decimal, exactly: a Decimal only where no float has its digits."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if "." not in text:
        return int(Decimal(text))
    return float(text) if positional(float(text)) == text else Decimal(text)


def _bounded_sql(value: sql.Composable) -> sql.Composable:
    """Whether the number may be cast to float8; casting beyond its range raises."""
    return sql.SQL(
        "(({value})::numeric = 0 OR abs(({value})::numeric) BETWEEN 1e-300::numeric AND {most}::numeric)"
    ).format(value=value, most=quote.literal(str(_EXACT - 1)))


def _faithful_sql(value: sql.Composable) -> sql.Composable:
    return sql.SQL("to_jsonb(({value})::numeric::float8)::text = ({value})::text").format(value=value)


def _is_finite_sql(column: sql.Composable) -> sql.Composable:
    """Neither NaN nor an infinity: those minus themselves are not 0."""
    return sql.SQL("({column} - {column} = 0)").format(column=column)


def _finite_sql(column: sql.Composable, then: sql.Composable) -> sql.Composable:
    """NULL for what is not finite."""
    return sql.SQL("CASE WHEN {} THEN {} END").format(_is_finite_sql(column), then)
