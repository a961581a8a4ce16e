"""What a codec in Python makes of lists: slices of them come as text, and go as lines of COPY. No database, no models.

So a process of its own can do it as well (`pool`); whatever it needs is in a `Recipe`, which is data.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from json import JSONEncoder
from typing import Any, NamedTuple
from uuid import uuid4

from cutover.backfill.missing import Missing
from cutover.codecs import Codec, Undecodable
from cutover.codecs.codec import proved
from cutover.codecs.element import loads, plain, same, why_not_jsonb
from cutover.mapping import path

Line = Sequence[Any]
"""Consecutive elements of one list: parent, key, the position of the oldest, and the elements, the first three and the last
as JSON. Without elements it names a parent that needs nothing more."""

Write = Callable[[Any], str]

NULL = "\\N"
PLAIN = JSONEncoder()


class Inexact(Exception):
    """A value that the column might give back as another."""


class Given(NamedTuple):
    """A field that the codec gives: its name, the type whose values its column gives back, and what bounds them."""

    name: str
    kind: type
    max_length: int | None
    aware: bool


@dataclass(frozen=True, eq=False)
class Recipe:
    """How the elements of a stream become lines of COPY. It is its own identity: a project's codec may have no hash.

    Attributes:
        given: in the order of the columns, after the parent's key and the position.
        keyed: whether the dynamic key of the list follows.
        constants: what follows then, as COPY spells it.
        drawn: how many UUIDs follow at the end.
    """

    codec: Codec
    newest_first: bool
    given: tuple[Given, ...]
    keyed: bool
    constants: tuple[str, ...]
    drawn: int


@dataclass
class Made:
    """Rows as COPY takes them; the parents that need nothing more of the stream; what can be no row, with the reason."""

    rows: bytes = b""
    count: int = 0
    parents: set[str] = field(default_factory=set)
    refused: list[tuple[Missing, str]] = field(default_factory=list)


def made(recipe: Recipe, lines: Iterable[Line]) -> Made:
    """Decode and prove every element. Raises Inexact, and whatever the codec raises that is no Undecodable."""
    done, fields = Made(), [writer(each) for each in recipe.given]
    found = [record for line in lines for record in records(recipe, fields, line, done)]
    done.count = len(found)
    try:
        done.rows = "".join(found).encode()
    except UnicodeEncodeError as error:  # half of a pair
        raise Inexact from error
    return done


def records(recipe: Recipe, fields: list[tuple[str, Write]], line: Line, done: Made) -> Iterator[str]:
    """The records of one line; what can be none is kept in `done`."""
    found: list[Any] = [None if each is None else loads(each) for each in (line[0], line[1], line[3])]
    parent, key, elements = found
    if elements is None:
        done.parents.add(parent)
        return
    if recipe.newest_first:
        elements.reverse()
    decode, encode = recipe.codec.decode, recipe.codec.encode
    before = copied(parent)
    behind = ([NULL if key is None else copied(key)] if recipe.keyed else []) + list(recipe.constants)
    for position, element in enumerate(elements, int(line[2])):
        try:
            values = proved(decode, encode, element)
        except Undecodable as error:
            done.refused.append((Missing(parent, key, element, 0, position), error.reason))
            continue
        given = [NULL if (value := values[name]) is None else write(value) for name, write in fields]
        drawn = [str(uuid4()) for _ in range(recipe.drawn)]
        yield "\t".join([before, str(position), *given, *behind, *drawn]) + "\n"


# One value


def writer(given: Given) -> tuple[str, Write]:
    """The name of a field, and what writes its value for COPY.

    That raises Inexact where the column might give back another. A text column cuts spaces off at its length without a word.
    """
    name, kind, most, aware = given

    def text(value: Any) -> str:
        if type(value) is not str or (most is not None and len(value) > most):
            raise Inexact(value)
        return copied(value)

    def moment(value: Any) -> str:
        if type(value) is not datetime or (value.tzinfo is not None) != aware:
            raise Inexact(value)
        return value.isoformat()

    def other(value: Any) -> str:
        if type(value) is not kind:
            raise Inexact(value)
        try:
            return str(value)
        except ValueError as error:  # an integer of thousands of digits
            raise Inexact from error

    own: dict[type, Write] = {
        str: text,
        datetime: moment,
        object: lambda value: copied(json_text(value)),
    }
    return name, own.get(kind, other)


def copied(value: str) -> str:
    """A text as COPY spells it."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def json_text(value: object) -> str:
    """The JSON of a value that comes back the same. Raises Inexact."""
    if plain(value):
        return PLAIN.encode(value)
    if why_not_jsonb(value) is None:
        text = path.dump(value)
        if same(loads(text), value):
            return text
    raise Inexact(value)
