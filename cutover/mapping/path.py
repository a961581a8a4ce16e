"""A document in Python: parse it exactly, find a stream's lists in it, put a list into it. The twin of `document` in SQL."""

import copy
import json
import re
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from cutover.codecs import element
from cutover.mapping.binding import BoundStream
from cutover.spec.stream import Key


def parse(text: str) -> Any:
    """A JSON text as Python values, without loss: a number that a float cannot hold exactly becomes a Decimal.

    Raises:
        ValueError: the text is no JSON.
    """
    return element.loads(text)


PLACE = uuid.uuid4().hex  # no text holds it: drawn anew in every process


def dump(value: Any) -> str:
    """The JSON text of what `parse` makes, without loss: a Decimal is written digit by digit.

    Raises:
        ValueError: a number is not finite.
        TypeError: JSON has no such value.
    """
    numbers: list[str] = []

    def place(found: object) -> str:
        if not isinstance(found, Decimal):
            raise TypeError(f"JSON has no value of the type {type(found).__name__}.")
        numbers.append(digits(found))
        return f"{PLACE}{len(numbers) - 1}"

    text = json.dumps(value, default=place, ensure_ascii=False, allow_nan=False)
    return re.sub(f'"{PLACE}([0-9]+)"', lambda match: numbers[int(match[1])], text) if numbers else text


def digits(number: Decimal) -> str:
    if not number.is_finite():
        raise ValueError(f"JSON has no number {number}.")
    return format(number, "f")


def lists(stream: BoundStream, document: Any) -> Iterator[tuple[str | None, Any]]:
    """`(key, value)` at every place where the stream's list may stand, whatever its type; null is no value.

    Where a dynamic key should be and there is no object, the value that is there instead comes with key None.
    """
    yield from walk(document, stream.steps, None)


def walk(value: Any, steps: tuple[str | Key, ...], key: str | None) -> Iterator[tuple[str | None, Any]]:
    if value is None:
        return
    if not steps:
        yield key, value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, Key):
        if not isinstance(value, dict):
            yield None, value
            return
        for each, inner in value.items():
            yield from walk(inner, rest, each)
    elif isinstance(value, dict):
        yield from walk(value.get(step), rest, key)


def has_place(stream: BoundStream, document: Any, key: str | None) -> bool:
    """Whether a list can be put there: every value on the way is an object, the one at the end a list; or absent or null."""
    value = document
    for step in stream.steps:
        if value is not None and not isinstance(value, dict):
            return False
        value = None if value is None else value.get(key if isinstance(step, Key) else step)
    return value is None or isinstance(value, list)


def put(stream: BoundStream, document: Any, key: str | None, new: list[Any]) -> Any:
    """A copy of the document with another list at the stream's path; objects on the way that are absent are made."""
    steps = [key if isinstance(step, Key) else step for step in stream.steps]
    if not steps:
        return new
    whole = copy.copy(document) if isinstance(document, dict) else {}
    inner = whole
    for step in steps[:-1]:
        below = inner.get(step)
        inner[step] = dict(below) if isinstance(below, dict) else {}
        inner = inner[step]
    inner[steps[-1]] = new
    return whole
