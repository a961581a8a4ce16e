"""The fixed-width part of strftime, for both languages: a format as a Python pattern, an SQL pattern, and back.

It knows no time zone and no column. Every directive has one width, so that a time can stand before any text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from psycopg import sql

from cutover.codecs import quote


@dataclass(frozen=True)
class _Directive:
    part: str
    width: int
    pattern: str
    to_char: str


_DIRECTIVES = {
    "Y": _Directive("year", 4, "[0-9]{4}", "YYYY"),
    "m": _Directive("month", 2, "(?:0[1-9]|1[0-2])", "MM"),
    "d": _Directive("day", 2, "(?:0[1-9]|[12][0-9]|3[01])", "DD"),
    "H": _Directive("hour", 2, "(?:[01][0-9]|2[0-3])", "HH24"),
    "M": _Directive("minute", 2, "[0-5][0-9]", "MI"),
    "S": _Directive("second", 2, "[0-5][0-9]", "SS"),
    "f": _Directive("microsecond", 6, "[0-9]{6}", "US"),
}


_PRINTED = {"%Y-%m-%d %H:%M:%S": " ", "%Y-%m-%dT%H:%M:%S": "T"}
"""What PostgreSQL prints itself, under DateStyle ISO, five times as fast as to_char: the separator."""

_ISO = {*_PRINTED, "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S.%f"}


@dataclass(frozen=True)
class Clock:
    """A format of %Y %m %d %H %M %S %f %% and literal text. Raises ValueError for any other."""

    format: str

    def __post_init__(self) -> None:
        parts = [piece.part for piece in self._pieces if isinstance(piece, _Directive)]
        for part in parts:
            if parts.count(part) > 1:
                raise ValueError(f"the time format {self.format!r} gives the {part} twice.")
        missing = [part for part in ("year", "month", "day") if part not in parts]
        if missing:
            raise ValueError(f"the time format {self.format!r} does not give the {missing[0]}.")

    @cached_property
    def _pieces(self) -> tuple[_Directive | str, ...]:
        pieces: list[_Directive | str] = []
        for match in re.finditer(r"%(.?)|[^%]+", self.format, re.DOTALL):
            letter = match[1]
            if letter is None:
                pieces.append(match[0])
            elif letter == "%":
                pieces.append("%")
            elif letter in _DIRECTIVES:
                pieces.append(_DIRECTIVES[letter])
            else:
                raise ValueError(f"the time format {self.format!r} has {match[0]}; it takes %Y %m %d %H %M %S %f %%.")
        return tuple(pieces)

    @cached_property
    def width(self) -> int:
        """How many characters every time takes."""
        return sum(len(piece) if isinstance(piece, str) else piece.width for piece in self._pieces)

    @cached_property
    def _offsets(self) -> dict[str, tuple[int, int]]:
        """Start and width of each part."""
        offsets, at = {}, 0
        for piece in self._pieces:
            width = len(piece) if isinstance(piece, str) else piece.width
            if isinstance(piece, _Directive):
                offsets[piece.part] = (at, width)
            at += width
        return offsets

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("".join(re.escape(p) if isinstance(p, str) else p.pattern for p in self._pieces))

    def read(self, text: str) -> datetime | None:
        """The naive time that the text says, or None if it says none."""
        if not self._pattern.fullmatch(text):
            return None
        parts = {part: int(text[at : at + width]) for part, (at, width) in self._offsets.items()}
        try:
            # Naive on purpose: the zone is for the caller to say.
            return datetime(**parts)  # type: ignore[arg-type]  # noqa: DTZ001
        except ValueError:
            return None

    def write(self, time: datetime) -> str:
        """The text of a time. Not strftime, which does not pad years before 1000 on every platform."""
        return "".join(
            piece if isinstance(piece, str) else f"{getattr(time, piece.part):0{piece.width}d}"
            for piece in self._pieces
        )

    def looks_right_sql(self, text: sql.Composable) -> sql.Composable:
        """Whether `read_sql` may be asked. Literal text is only counted: `write_sql` has to be compared after it."""
        pattern = "".join(f".{{{len(p)}}}" if isinstance(p, str) else p.pattern for p in self._pieces)
        return sql.SQL("({} ~ {})").format(text, quote.literal(f"^{pattern}$"))

    def read_sql(self, text: sql.Composable) -> sql.Composable:
        """The timestamp (without time zone) that the text says. Total where the text looks right.

        The 30th of February becomes a day in March and the year 0 the year 1, so the text must be compared after it.
        """
        seconds = self.number_sql("second", text)
        if "microsecond" in self._offsets:
            seconds = sql.SQL("{} + {} / 1000000.0::float8").format(seconds, self.number_sql("microsecond", text))
        return sql.SQL(
            "(make_date(greatest({year}, 1), {month}, 1) + ({day} - 1) + make_time({hour}, {minute}, {seconds}))"
        ).format(
            seconds=seconds,
            **{part: self.number_sql(part, text) for part in ("year", "month", "day", "hour", "minute")},
        )

    def number_sql(self, part: str, text: sql.Composable) -> sql.Composable:
        """One part as an integer, 0 if the format does not give it; for text that looks right."""
        if part not in self._offsets:
            return sql.SQL("0")
        at, width = self._offsets[part]
        return sql.SQL("substr({}, {}, {})::integer").format(text, quote.literal(at + 1), quote.literal(width))

    @cached_property
    def _is_iso(self) -> bool:
        """Whether PostgreSQL reads such a text as it stands, whatever the DateStyle."""
        return self.format in _ISO

    def direct_sql(self, text: sql.Composable) -> sql.Composable:
        """The timestamp that the text says; raises for text that says none."""
        return sql.SQL("({})::timestamp").format(text) if self._is_iso else self.read_sql(text)

    def back_sql(self, timestamp: sql.Composable) -> sql.Composable:
        """The text of a timestamp, under DateStyle ISO; a longer one where the format cannot say it."""
        if self.format not in _PRINTED:
            return self.write_sql(timestamp)
        text = sql.SQL("({})::text").format(timestamp)
        return text if _PRINTED[self.format] == " " else sql.SQL("replace({}, ' ', 'T')").format(text)

    def printed_sql(self, timestamp: sql.Composable) -> sql.Composable | None:
        """What `write_sql` gives, at a third of its cost; None for a format that PostgreSQL does not print itself.

        Only under DateStyle ISO, and from 2000-01-02 on: before 2000 times are rounded the other way. The cast to whole
        seconds rounds, so half a second is taken away first: together they cut, as to_char does.
        """
        head = next((each for each in _PRINTED if self.format.startswith(each)), None)
        rest = self.format[len(head or "") :]
        if head is None or "%" in rest:
            return None
        text = sql.SQL("({} - interval '0.5 s')::timestamp(0)::text").format(timestamp)
        if _PRINTED[head] == "T":
            text = sql.SQL("replace({}, ' ', 'T')").format(text)
        return sql.SQL("({} || {})").format(text, quote.literal(rest)) if rest else text

    def write_sql(self, timestamp: sql.Composable) -> sql.Composable:
        """The text of a timestamp without time zone."""
        return sql.SQL("to_char({}, {})").format(timestamp, quote.literal("".join(map(_to_char, self._pieces))))


def _to_char(piece: _Directive | str) -> str:
    if isinstance(piece, _Directive):
        return piece.to_char
    escaped = piece.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
