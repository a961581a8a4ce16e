"""Element codecs as a project writes them for itself: Python alone. What they cannot take apart is Undecodable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cutover.codecs import Codec, Undecodable

LINE_TIME = "%Y-%m-%d %H:%M:%S"
EVENT_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Times:
    """How a codec reads and writes a time, always in UTC; the fields are the patterns of lines and of events."""

    name: str
    read: Callable[[str, str], datetime]
    write: Callable[[datetime, str], str]


def read_iso(text: str, _: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def write_iso(moment: datetime, pattern: str) -> str:
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat("T" if "T" in pattern else " ")
    return f"{text}Z" if pattern.endswith("Z") else text


def read_pattern(text: str, pattern: str) -> datetime:
    return datetime.strptime(text, pattern).replace(tzinfo=UTC)


def write_pattern(moment: datetime, pattern: str) -> str:
    return moment.astimezone(UTC).strftime(pattern)


STRPTIME = Times("strptime", read_pattern, write_pattern)
ISO = Times("fromisoformat", read_iso, write_iso)
TIMES = {each.name: each for each in (STRPTIME, ISO)}


class Line(Codec):
    """`[YYYY-MM-DD HH:MM:SS] LEVEL message`."""

    columns = ("created_at", "level", "message")

    def __init__(self, times: Times) -> None:
        self.times = times

    def decode(self, element: object) -> dict[str, object]:
        try:
            day, time, level, message = str(element).split(" ", 3)
            moment = self.times.read(f"{day[1:]} {time[:-1]}", LINE_TIME)
        except ValueError as error:
            raise Undecodable("It is no line of a log", element) from error
        return {"created_at": moment, "level": level, "message": message}

    def encode(self, row: Mapping[str, object]) -> object:
        moment: Any = row["created_at"]
        return f"[{self.times.write(moment, LINE_TIME)}] {row['level']} {row['message']}"


class Event(Codec):
    """`{"kind": ..., "count": ..., "at": ..., anything else}`."""

    columns = ("kind", "count", "at", "extra")

    def __init__(self, times: Times) -> None:
        self.times = times

    def decode(self, element: object) -> dict[str, object]:
        if not isinstance(element, dict):
            raise Undecodable("It is no event", element)
        rest = dict(element)
        try:
            moment = self.times.read(rest.pop("at"), EVENT_TIME)
            return {"kind": rest.pop("kind"), "count": rest.pop("count"), "at": moment, "extra": rest}
        except (KeyError, ValueError) as error:
            raise Undecodable("It is no event", element) from error

    def encode(self, row: Mapping[str, object]) -> object:
        moment, extra = row["at"], row["extra"]
        assert isinstance(moment, datetime) and isinstance(extra, dict)  # noqa: S101, PT018 - as decoded
        at = self.times.write(moment, EVENT_TIME)
        return {"kind": row["kind"], "count": row["count"], "at": at, **extra}
