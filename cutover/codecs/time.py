"""A time inside an element, with its format. It does nothing alone: Scalar, Object and Tuple take it for a column."""

from __future__ import annotations

from dataclasses import dataclass

from cutover.codecs.clock import Clock
from cutover.codecs.moment import check_zone


@dataclass(frozen=True)
class Time:
    """A JSON string that holds a time, for the named column.

    `format` takes %Y %m %d %H %M %S %f %% and literal text. `tz` is UTC or an IANA name such as Europe/Berlin: the zone
    whose clock the text shows; a column with time zone needs it. Raises ValueError for any other.
    """

    column: str
    format: str = "%Y-%m-%d %H:%M:%S"
    tz: str | None = None

    def __post_init__(self) -> None:
        Clock(self.format)
        check_zone(self.tz)


def field_of(where: str | Time) -> str:
    """The name of the column."""
    return where.column if isinstance(where, Time) else where
