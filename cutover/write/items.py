"""A row before it is written: its values, and the element that it is in each stream, proven to come back as the same row.

No SQL. Whether a stream shows the row is for the database to say, except where the stream shows every row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from cutover.codecs import Kind, Undecodable
from cutover.codecs.element import same
from cutover.errors import NotEncodable
from cutover.mapping import Binding, BoundStream, path
from cutover.write import columns
from cutover.write.columns import LEFT_OUT


@dataclass(frozen=True)
class Element:
    """What a row is in one stream; `reason` says why it cannot be one, and then there is no `value`."""

    value: Any = None
    reason: str = ""

    @property
    def wrapped(self) -> list[Any] | None:
        """In a list of one, so that JSON null and no element differ."""
        return None if self.reason else [self.value]


class Item:
    """A row to write.

    Attributes:
        values: by field name; what the database gives is LEFT_OUT.
        row: the same as a codec sees it.
        certain: whether the row is known to be an element of every stream, told without making one.
    """

    __slots__ = ("_elements", "certain", "row", "streams", "values")

    def __init__(self, streams: tuple[BoundStream, ...], values: Mapping[str, Any]) -> None:
        self.streams, self.values, self.row = streams, values, values
        if LEFT_OUT in values.values():
            self.row = {name: None if value is LEFT_OUT else value for name, value in values.items()}
        self.certain = True
        for stream in streams:
            if not self.known_to(stream):
                self.certain = False
        self._elements: tuple[Element, ...] | None = None

    def known_to(self, stream: BoundStream) -> bool:
        key = stream.key_field
        return (key is None or self.row[key] is not None) and stream.codec.certain(self.row)

    @property
    def elements(self) -> tuple[Element, ...]:
        """What the row is in each stream; made when it is first asked for: a row alone needs none."""
        if self._elements is None:
            made = encoded if self.certain else element
            self._elements = tuple(made(stream, self.row) for stream in self.streams)
        return self._elements

    @property
    def sound(self) -> bool:
        """Whether every stream could show the row, so that nothing has to be asked about what shows it."""
        return self.certain or not any(each.reason for each in self.elements)

    @property
    def keys(self) -> tuple[str | None, ...]:
        """The dynamic key of each stream, None where its path is fixed."""
        return tuple(key_of(stream, self.row) for stream in self.streams)

    @property
    def given(self) -> tuple[str, ...]:
        """The fields that the row gives itself; the others are the database's."""
        if self.row is self.values:
            return tuple(self.values)
        return tuple(name for name, value in self.values.items() if value is not LEFT_OUT)


def item(binding: Binding, fields: Mapping[str, Any]) -> Item:
    """The row of some fields, completed and checked.

    Raises:
        NotEncodable: a column does not take its value, or a stream that shows every row cannot show this one.
    """
    return completed(binding, columns.values(binding, fields))


def completed(binding: Binding, values: Mapping[str, Any]) -> Item:
    """The row of a value for each column, as the column holds it. Raises as `item`."""
    found = Item(binding.streams, values)
    if not found.certain:
        for stream, each in zip(binding.streams, found.elements, strict=True):
            if each.reason and stream.spec.where is None:
                raise refusal(binding, stream, each.reason)
    return found


def refusal(binding: Binding, stream: BoundStream, reason: str) -> NotEncodable:
    return NotEncodable(
        f"{binding.name}.{stream.name} cannot hold the row: {reason.rstrip('.')}; nothing was written.",
        hint="Write values that the stream's codec can write and read back the same.",
    )


def key_of(stream: BoundStream, row: Mapping[str, Any]) -> str | None:
    """The dynamic key of a row as text."""
    if stream.key_field is None or row[stream.key_field] is None:
        return None
    return str(row[stream.key_field])


def encoded(stream: BoundStream, row: Mapping[str, Any]) -> Element:
    """The element of a row that is certain to give the same row back."""
    return Element(stream.codec.encode(row))


def element(stream: BoundStream, row: Mapping[str, Any]) -> Element:
    """The element of a row, if reading it gives the same row back."""
    if stream.key_field is not None and row[stream.key_field] is None:
        return Element(reason=f"{stream.key_field} is NULL, and it is the key of the list")
    try:
        found = stream.codec.encode(row)
        back = stream.codec.decode_exactly(found)
    except (ValueError, Undecodable) as error:
        return Element(reason=str(error))
    for field, value in back.items():
        if not stands_for(stream, row, field, value, found):
            return Element(reason=f"{field} is {row[field]!r} and would be read back as {value!r}")
    return Element(found)


def stands_for(stream: BoundStream, row: Mapping[str, Any], field: str, value: Any, found: Any) -> bool:
    """Whether a value that was read back is the row's own, at the precision of the codec: both give one element.

    A time in whole seconds stands for its microseconds. `A B` as a level, followed by a message, is read back as `A`.
    """
    mine = row[field]
    if mine == value and type(mine) is type(value):
        return True
    try:
        return same(stream.codec.encode({**row, field: value}), found)
    except ValueError:
        return False


def payload(binding: Binding, items: list[Item], given: tuple[str, ...]) -> str:
    """The items as the JSON text that the statement takes apart: `c<n>` the columns, `e<n>` the elements."""
    kinds = [binding.kinds[name] for name in given]
    records = []
    for number, each in enumerate(items):
        record: dict[str, Any] = {"cutover_n": number}
        for place, (name, kind) in enumerate(zip(given, kinds, strict=True)):
            value = each.values[name]
            if not is_null(kind, value):
                record[f"c{place}"] = [value] if kind.family == "json" else text(value)
        for place, encoded in enumerate(each.elements):
            record[f"e{place}"] = encoded.wrapped
        records.append(record)
    return path.dump(records)


def is_null(kind: Kind, value: Any) -> bool:
    """Whether the value is SQL NULL; in a JSON column that takes no NULL, None is JSON null."""
    return value is None and (kind.nullable or kind.family != "json")


def parameter(kind: Kind, value: Any) -> Any:
    """A value as a parameter, or a field of a COPY: what the input function of the column's type reads."""
    if type(value) is str and kind.family != "json":
        return value
    if is_null(kind, value):
        return None
    return path.dump(value) if kind.family == "json" else text(value)


def text(value: Any) -> Any:
    """A value as JSON that PostgreSQL's input function for the column's type reads; text, wherever that is exact."""
    if value is None or isinstance(value, bool | list):
        return value
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, timedelta):
        return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
    if isinstance(value, bytes | memoryview):
        return f"\\x{bytes(value).hex()}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
