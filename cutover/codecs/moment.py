"""A time column as text of a fixed width. What a naive text means is declared here and never taken from the session.

Python and PostgreSQL each bring their own copy of the time zone database. Where these differ (by release, or in how they
were built for the years before 1970), so does the meaning of a text in a zone other than UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo

from psycopg import sql

from cutover.codecs import quote
from cutover.codecs.clock import Clock
from cutover.codecs.codec import Undecodable
from cutover.codecs.form import TextForm
from cutover.codecs.kinds import Kind

_TYPES = ("timestamp with time zone", "timestamp without time zone", "timestamptz", "timestamp")


@dataclass(frozen=True)
class Moment(TextForm):
    """A timestamp column. `zone` is None for a column without time zone, which keeps the local time as it is."""

    field: str
    clock: Clock
    zone: str | None

    @cached_property
    def _zone(self) -> tzinfo:
        return UTC if self.zone in (None, "UTC") else ZoneInfo(str(self.zone))

    def read(self, text: str) -> object:
        time = self.clock.read(text)
        if time is None:
            raise Undecodable(f"{self.field} takes a time like {self.clock.format}", text)
        if self.zone is None:
            return time
        # Where the clock shows an hour twice PostgreSQL takes the later one (DetermineTimeZoneOffset), so fold is 1.
        try:
            instant = time.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
            back = instant.astimezone(self._zone).replace(tzinfo=None)
        except OverflowError:
            raise Undecodable(f"{self.field} takes times of the years 1 to 9999 in UTC", text) from None
        if back != time:
            raise Undecodable(f"{self.field} takes times that the clocks of {self.zone} have shown", text)
        return instant

    def write(self, value: object) -> str:
        if not isinstance(value, datetime) or (value.tzinfo is None) != (self.zone is None):
            wanted = "without" if self.zone is None else "with"
            raise ValueError(f"{self.field} is {value!r}; the codec takes a datetime {wanted} time zone.")
        if self.zone is None:
            return self.clock.write(value)
        try:
            return self.clock.write(value.astimezone(self._zone))
        except OverflowError:
            raise ValueError(f"{self.field} is {value!r}, which is outside the years 1 to 9999.") from None

    def certain(self, value: object, separator: str | None) -> bool:  # noqa: ARG002 - it has a width of its own
        """Every time that UTC's clock shows, and every local one; in other zones an hour comes twice."""
        if type(value) is not datetime:
            return False
        return value.tzinfo is None if self.zone is None else self.zone == "UTC" and value.tzinfo is UTC

    def fits_sql(self, text: sql.Composable) -> sql.Composable:
        read = self.read_sql(text)
        back = self.clock.write_sql(read if self.zone is None else self._shifted_sql(read))
        return sql.SQL("CASE WHEN {right} THEN {back} = {text} AND {within} ELSE false END").format(
            right=self.clock.looks_right_sql(text), back=back, text=text, within=self._within_sql(text, read)
        )

    def _within_sql(self, text: sql.Composable, read: sql.Composable) -> sql.Composable:
        """Whether the instant is in the years 1 to 9999 of UTC; only times of those two years need to be asked."""
        if self.zone in (None, "UTC"):
            return sql.SQL("true")
        return sql.SQL(
            "CASE WHEN {year} IN (1, 9999) THEN {read} >= '0001-01-01 00:00:00+00'::timestamptz"
            " AND {read} < '10000-01-01 00:00:00+00'::timestamptz ELSE true END"
        ).format(year=self.clock.number_sql("year", text), read=read)

    def safe_sql(self, text: sql.Composable) -> sql.Composable:
        return self.clock.looks_right_sql(text)

    def read_sql(self, text: sql.Composable) -> sql.Composable:
        time = self.clock.read_sql(text)
        return time if self.zone is None else self._shifted_sql(time)

    def write_sql(self, column: sql.Composable) -> sql.Composable:
        time = self._time_sql(column)
        return sql.SQL("CASE {usual} WHEN {within} THEN {text} END").format(
            usual=self._usual_sql(column, time), within=self._years_sql(column, time), text=self.clock.write_sql(time)
        )

    def writes_sql(self, column: sql.Composable) -> sql.Composable:
        return self._years_sql(column, self._time_sql(column))

    def _time_sql(self, column: sql.Composable) -> sql.Composable:
        """What the clock shows, or back to the column. UTC by its distance: a zone by its name is looked up for every row."""
        if self.zone == "UTC":
            return sql.SQL("({} AT TIME ZONE interval '0')").format(column)
        return column if self.zone is None else self._shifted_sql(column)

    def _usual_sql(self, column: sql.Composable, time: sql.Composable) -> sql.Composable:
        """The times that nearly all are, written as PostgreSQL prints them; the DateStyle is asked once in a statement."""
        printed = self.clock.printed_sql(time)
        if printed is None:
            return sql.SQL("")
        # A day from the end of what can be printed: whatever the zone, no clock is further off.
        return sql.SQL(
            "WHEN {column} >= '2000-01-03 00:00:00+00'::{type} AND {column} < '9999-12-30 00:00:00+00'::{type}"
            " AND (SELECT left(current_setting('DateStyle'), 3) = 'ISO') THEN {printed}"
        ).format(column=column, type=self._type(), printed=printed)

    def _years_sql(self, column: sql.Composable, time: sql.Composable) -> sql.Composable:
        """Whether the year has four digits; where the zone does not move it, asked without moving."""
        own = self.zone in (None, "UTC")
        type_ = self._type() if own else sql.SQL("timestamp")
        return sql.SQL(
            "{time} >= '0001-01-01 00:00:00+00'::{type} AND {time} < '10000-01-01 00:00:00+00'::{type}"
        ).format(time=column if own else time, type=type_)

    def _type(self) -> sql.SQL:
        return sql.SQL("timestamp" if self.zone is None else "timestamptz")

    def direct_sql(self, text: sql.Composable) -> sql.Composable:
        return self._time_sql(self.clock.direct_sql(text))

    def back_sql(self, column: sql.Composable) -> sql.Composable:
        return self.clock.back_sql(self._time_sql(column))

    def within_sql(self, column: sql.Composable) -> sql.Composable | None:
        if self.zone in (None, "UTC"):
            return None
        return sql.SQL(
            "{column} >= '0001-01-01 00:00:00+00'::timestamptz AND {column} < '10000-01-01 00:00:00+00'::timestamptz"
        ).format(column=column)

    def _shifted_sql(self, time: sql.Composable) -> sql.Composable:
        return sql.SQL("({} AT TIME ZONE {})").format(time, quote.literal(str(self.zone)))


def moment(field: str, kind: Kind, format: str, tz: str | None) -> Moment:
    """The form of a time column. Raises ValueError if it is none, or if `tz` is needed and not given."""
    if kind.family != "time" or kind.sql_type.partition("(")[0] not in _TYPES:
        raise ValueError(f"{field} is a column of type {kind.sql_type}; a time format needs a timestamp.")
    if kind.aware and tz is None:
        raise ValueError(f"{field} is a column of type {kind.sql_type}; the codec has to say tz, what its times mean.")
    return Moment(field, Clock(format), tz if kind.aware else None)


def check_zone(tz: str | None) -> None:
    """Raises ValueError for a name that is not UTC or Area/City.

    PostgreSQL takes short names (CET, EST) for abbreviations with a fixed offset, Python for zones with summer time.
    """
    if tz is None or tz == "UTC":
        return
    if "/" not in tz:
        raise ValueError(f"tz {tz!r} is neither UTC nor a name like Europe/Berlin.")
    try:
        ZoneInfo(tz)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"tz {tz!r} is not a time zone that Python knows.") from None
