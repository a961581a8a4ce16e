"""What stands in a stream: the rows of one call for one parent, and who wrote it as his how-many-eth. Text and back, exactly.

Values travel as the column holds them, each with its type, so that nothing is converted a second time when it is flushed. An
entry is data: reading one never runs what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from cutover.mapping import path

Row = Mapping[str, Any]


class NotCarried(ValueError):
    """A value of a type that an entry cannot carry, or a text that is no entry."""


@dataclass(frozen=True)
class Entry:
    """One call of a writer.

    Attributes:
        id: as Redis gave it; empty where the entry was never seen there.
        writer, number: who wrote it; the numbers of a writer ascend without a gap within a stream.
        payload: its rows as text.
    """

    id: str
    writer: str
    number: int
    parent_key: str
    payload: str

    @property
    def age_base(self) -> float:
        """When Redis took it, in seconds since 1970 by the clock of Redis; 0 where that is not known."""
        return int(self.id.partition("-")[0]) / 1000 if self.id else 0.0


def dump(rows: Sequence[Row]) -> str:
    """Rows as text: field name to value as the column holds it.

    Raises:
        NotCarried: a value has a type that no entry carries.
    """
    try:
        return path.dump([{name: packed(value) for name, value in row.items()} for row in rows])
    except (TypeError, ValueError) as error:
        raise NotCarried(str(error)) from error


def load(payload: str) -> list[dict[str, Any]]:
    """The rows of a text.

    Raises:
        NotCarried: the text is no entry.
    """
    try:
        return [{name: unpacked(value) for name, value in row.items()} for row in path.parse(payload)]
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise NotCarried(f"The entry cannot be read: {error}") from error


def packed(value: Any) -> Any:
    """What JSON has of its own stands for itself, all else is `{type: text}`; lists and objects are `{"json": ...}`."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"float": repr(value)} if isinstance(value, float) else value
    if isinstance(value, bytes | memoryview):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, timedelta):
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    for kind in (datetime, date, time):
        if type(value) is kind:
            return {kind.__name__: value.isoformat()}
    if isinstance(value, Decimal | UUID):
        return {type(value).__name__: str(value)}
    return packed_whole(value)


def packed_whole(value: Any) -> Any:
    if type(value) is dict or (type(value) is list and all(plain(each) for each in value)):
        return {"json": value}
    if type(value) is list:
        return {"list": [packed(each) for each in value]}
    raise NotCarried(f"An entry of the buffer carries no {type(value).__name__}.")


def plain(value: Any) -> bool:
    """Whether JSON gives the same back."""
    if isinstance(value, list):
        return all(map(plain, value))
    return value is None or isinstance(value, str | bool | int | float | Decimal | dict)


READ = {
    "float": float,
    "bytes": bytes.fromhex,
    "timedelta": lambda parts: timedelta(*parts),
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "Decimal": Decimal,
    "UUID": UUID,
    "json": lambda value: value,
    "list": lambda values: [unpacked(each) for each in values],
}


def unpacked(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    return READ[kind](text)  # type: ignore[operator]
