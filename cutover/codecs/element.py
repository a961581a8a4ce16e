"""JSON elements as Python objects: which ones jsonb can hold, when two are the same, and how to parse without loss.

Nothing here knows columns. Two elements are the same when jsonb prints them alike: 1, 1.0 and true are three elements.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal

SHOWN = 128
"""Characters of a value that a message shows."""

_MISSING = object()
_PLAIN_BITS = 64
_DIGITS_INT_PARSES = 4000
_JSONB_BITS = 435_411
"""131,072 digits before the point: the most that numeric, and so jsonb, can hold."""


def shown(value: object) -> str:
    """The value for a message, cut; never raises, not even for integers of 5,000 digits."""
    if isinstance(value, str):
        value = value[: SHOWN + 1]
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        text = f"<{type(value).__name__} that is too large to show>"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def why_not_jsonb(element: object) -> str | None:
    """Say why jsonb cannot hold the element, or None. Walks without recursion, for JSON may be deep."""
    waiting = [element]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
            reason = next(filter(None, map(_why_not_key, value)), None)
        elif isinstance(value, list):
            waiting.extend(value)
            reason = None
        else:
            reason = _why_not_leaf(value)
        if reason:
            return reason
    return None


def _why_not_key(key: object) -> str | None:
    return _why_not_text(key) if isinstance(key, str) else f"a key is of type {type(key).__name__}"


def _why_not_leaf(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _why_not_text(value)
    if isinstance(value, int):
        return "an integer has more digits than jsonb can hold" if value.bit_length() > _JSONB_BITS else None
    if isinstance(value, (float, Decimal)):
        return None if math.isfinite(value) else "a number is not finite"
    return f"a value is of type {type(value).__name__}, which JSON does not have"


def _why_not_text(text: str) -> str | None:
    if "\x00" in text:
        return "a string holds the character NUL"
    return None if is_storable(text) else "a string holds a lone surrogate"


def is_storable(text: str) -> bool:
    """Whether PostgreSQL has a place for every character: no NUL, no half of a pair."""
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def same(one: object, other: object) -> bool:
    """Tell whether jsonb would print both alike; stricter than `==`, for which 1, 1.0 and True are equal."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        if len(one) != len(other):
            return False
        for key, value in one.items():
            found = other.get(key, _MISSING)
            if value is not found and not same(value, found):
                return False
        return True
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def plain(element: object) -> bool:
    """Whether it is made of texts that jsonb holds, integers of 64 bits, booleans and nulls: all JSON libraries agree on them."""
    kind = type(element)
    if kind is bool or element is None:
        return True
    if isinstance(element, str):
        return kind is str and _why_not_text(element) is None
    if isinstance(element, int):
        return kind is int and element.bit_length() < _PLAIN_BITS
    if isinstance(element, dict):
        return all(type(key) is str and plain(key) and plain(value) for key, value in element.items())
    return isinstance(element, list) and all(map(plain, element))


def positional(number: float) -> str:
    """The shortest text of a finite float, written without an exponent, as jsonb prints it."""
    return format(Decimal(repr(number)), "f")


def loads(text: str) -> object:
    """`json.loads`, but lossless for the text of a jsonb value.

    A fraction that a float cannot give back digit by digit (`1.50`, or twenty digits) comes out as a Decimal, which the
    number columns refuse as the compiled SQL does. Integers may have any number of digits.
    """
    return _DECODER.decode(text)


def _fraction(text: str) -> float | Decimal:
    number = float(text)
    return number if math.isfinite(number) and positional(number) == text else Decimal(text)


def _integer(text: str) -> int:
    # int() refuses more than 4,300 digits (CVE-2020-10735); Decimal does not.
    return int(text) if len(text) <= _DIGITS_INT_PARSES else int(Decimal(text))


# Made once: that costs more than a short text does.
_DECODER = json.JSONDecoder(parse_float=_fraction, parse_int=_integer)
