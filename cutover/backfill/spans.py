"""Where the elements of a list stand in a JSON text, so that each can be cut out as it was written.

Pure: it walks a text that is known to be JSON and converts nothing on the way. Of equal keys the last one counts, as in
Python and in jsonb.
"""

import json
import re
from collections.abc import Iterator

from cutover.spec.stream import Key, Path

Span = tuple[int, int]

SPACE = re.compile(r"[ \t\n\r]*")
DECODER = json.JSONDecoder(parse_float=str, parse_int=str)  # it is asked for the end alone


def lists(text: str, steps: Path) -> Iterator[tuple[str | None, list[Span]]]:
    """`(key, spans of the elements)` for every list of a stream; what is no list is left out."""
    for key, start in places(text, skip(text, 0), steps, None):
        if text[start] == "[":
            yield key, list(items(text, start))


def places(text: str, start: int, steps: Path, key: str | None) -> Iterator[tuple[str | None, int]]:
    if not steps:
        yield key, start
    elif text[start] == "{":
        found = dict(members(text, start))
        if isinstance(steps[0], Key):
            for each, inner in found.items():
                yield from places(text, inner, steps[1:], each)
        elif steps[0] in found:
            yield from places(text, found[steps[0]], steps[1:], key)


def members(text: str, start: int) -> Iterator[tuple[str, int]]:
    """The keys of an object, and where their values begin."""
    at = skip(text, start + 1)
    while text[at] != "}":
        key, at = DECODER.raw_decode(text, at)
        at = skip(text, skip(text, at) + 1)  # behind the colon
        yield key, at
        at = following(text, end(text, at))


def items(text: str, start: int) -> Iterator[Span]:
    """The elements of a list."""
    at = skip(text, start + 1)
    while text[at] != "]":
        stop = end(text, at)
        yield at, stop
        at = following(text, stop)


def following(text: str, at: int) -> int:
    """Behind a comma, or at the bracket that ends it."""
    at = skip(text, at)
    return skip(text, at + 1) if text[at] == "," else at


def skip(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return at if found is None else found.end()


def end(text: str, at: int) -> int:
    """Where the value ends that begins here. Raises RecursionError where it is nested too deeply."""
    return DECODER.raw_decode(text, at)[1]
