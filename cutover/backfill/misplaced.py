"""Where a document has something else in the place of a stream's list: in SQL whether, in Python what.

It changes nothing. What is found goes into quarantine whole: nobody can say what it should have been.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from cutover.mapping import BoundStream
from cutover.mapping.document import at, split
from cutover.mapping.path import parse
from cutover.spec.stream import Key

PLAIN = re.compile("[A-Za-z_][A-Za-z0-9_]*")  # a key that needs no quotes in a jsonpath
DOCUMENT = ""  # the stream name under which a document that is none is kept


@dataclass(frozen=True)
class Misplaced:
    """A value that is neither a list nor on the way to one; `stream` is DOCUMENT where it is the whole document.

    Attributes:
        path: where it stands, as a jsonpath of PostgreSQL.
    """

    stream: str
    key: str | None
    value: Any
    reason: str
    path: str


def condition(stream: BoundStream, document: sql.Composable) -> sql.Composable:
    """Whether a document has something misplaced for this stream; never NULL."""
    before, after = split(stream)
    if after is None:
        return sql.SQL("({})").format(sql.SQL(" OR ").join(unfit(document, before, "array")))
    tests = unfit(document, before, "object")
    keys = at(document, before)
    tests.append(
        sql.SQL(
            "EXISTS (SELECT FROM jsonb_each(CASE jsonb_typeof({keys}) WHEN 'object' THEN {keys} ELSE '{{}}'::jsonb END) k"
            " WHERE {inner})"
        ).format(keys=keys, inner=sql.SQL(" OR ").join(unfit(sql.SQL("k.value"), after, "array")))
    )
    return sql.SQL("({})").format(sql.SQL(" OR ").join(tests))


def unfit(value: sql.Composable, steps: tuple[str, ...], last: str) -> list[sql.Composable]:
    """A test for each value on the way, and for the one at its end."""
    test = sql.SQL("COALESCE(jsonb_typeof({}) NOT IN ({}, 'null'), FALSE)")
    tests = [test.format(at(value, steps[:place]), sql.Literal("object")) for place in range(len(steps))]
    return [*tests, test.format(at(value, steps), sql.Literal(last))]


def find(stream: BoundStream, document: Any) -> Iterator[Misplaced]:
    """What is misplaced in a document; null is no value and never misplaced."""
    yield from walk(stream, document, (), None)


def walk(stream: BoundStream, value: Any, trodden: tuple[str, ...], key: str | None) -> Iterator[Misplaced]:
    steps = stream.steps[len(trodden) :]
    if value is None or (isinstance(value, list) and not steps):
        return
    if not steps or not isinstance(value, dict):
        wanted = "an object" if steps else "a list"
        reason = f"A list of {stream.name} needs {wanted} here, and there is {noun(value)}."
        name = DOCUMENT if steps and not trodden else stream.name
        yield Misplaced(name, key, value, reason, jsonpath(trodden))
    elif isinstance(steps[0], Key):
        for each, inner in value.items():
            yield from walk(stream, inner, (*trodden, each), each)
    else:
        yield from walk(stream, value.get(steps[0]), (*trodden, steps[0]), key)


def jsonpath(steps: Iterable[str], index: int | None = None) -> str:
    """Keys, and the number of an element from 0, as a jsonpath of PostgreSQL: `$.stdout[17]`."""
    keys = "".join(f".{step if PLAIN.fullmatch(step) else json.dumps(step)}" for step in steps)
    return f"${keys}" if index is None else f"${keys}[{index}]"


def noun(value: Any) -> str:
    if isinstance(value, str) and holds_json(value):
        return "a string that holds JSON, as if it was encoded twice"
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return names.get(type(value), "a number")


def holds_json(text: str) -> bool:
    """Whether a string is an object or a list, written as JSON."""
    if text[:1] not in ("{", "["):
        return False
    try:
        parse(text)
    except (ValueError, RecursionError):
        return False
    return True
