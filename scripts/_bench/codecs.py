"""Element codecs as a project writes them for itself: Python alone. What they cannot take apart is Undecodable."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cutover.codecs import Codec, Undecodable

LINE_TIME = "%Y-%m-%d %H:%M:%S"
EVENT_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Line(Codec):
    """`[YYYY-MM-DD HH:MM:SS] LEVEL message`."""

    columns = ("created_at", "level", "message")

    def decode(self, element: object) -> dict[str, object]:
        try:
            day, time, level, message = str(element).split(" ", 3)
            moment = datetime.strptime(f"{day[1:]} {time[:-1]}", LINE_TIME).replace(tzinfo=UTC)
        except ValueError as error:
            raise Undecodable("It is no line of a log", element) from error
        return {"created_at": moment, "level": level, "message": message}

    def encode(self, row: Mapping[str, object]) -> object:
        moment: Any = row["created_at"]
        return f"[{moment.astimezone(UTC).strftime(LINE_TIME)}] {row['level']} {row['message']}"


class Event(Codec):
    """`{"kind": ..., "count": ..., "at": ..., anything else}`."""

    columns = ("kind", "count", "at", "extra")

    def decode(self, element: object) -> dict[str, object]:
        if not isinstance(element, dict):
            raise Undecodable("It is no event", element)
        rest = dict(element)
        try:
            moment = datetime.strptime(rest.pop("at"), EVENT_TIME).replace(tzinfo=UTC)
            return {"kind": rest.pop("kind"), "count": rest.pop("count"), "at": moment, "extra": rest}
        except (KeyError, ValueError) as error:
            raise Undecodable("It is no event", element) from error

    def encode(self, row: Mapping[str, object]) -> object:
        moment, extra = row["at"], row["extra"]
        assert isinstance(moment, datetime) and isinstance(extra, dict)  # noqa: S101, PT018 - as decoded
        at = moment.astimezone(UTC).strftime(EVENT_TIME)
        return {"kind": row["kind"], "count": row["count"], "at": at, **extra}
