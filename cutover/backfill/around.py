"""An element in quarantine with the JSON around it, as the document is now. It only reads."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from json import JSONDecodeError
from typing import Any

from cutover import db
from cutover.backfill import difference, spans
from cutover.backfill.misplaced import jsonpath
from cutover.backfill.quarantine import Held
from cutover.backfill.standing import steps
from cutover.mapping import Binding, BoundStream, path
from cutover.pairing import token
from cutover.sql import query

NEIGHBORS = 2
CUT = 128
EXCERPT = 60  # characters on each side of the place where a text stops to be JSON


@dataclass(frozen=True)
class Neighbor:
    """An element of the list, cut."""

    index: int
    text: str
    itself: bool


@dataclass(frozen=True)
class Around:
    """What is there now.

    Attributes:
        path: where the element stands now; None where it is not found.
        neighbors: a few elements of its list, itself among them; none where it is no element of a list.
        excerpt: a piece of the document, where there is no list to show.
        note: what else is to say.
    """

    path: str | None
    neighbors: list[Neighbor] = field(default_factory=list)
    excerpt: str = ""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def look(binding: Binding, held: Held) -> Around:
    """Read the parent's document and find the element in it."""
    parts = {**difference.tables(binding), "column": binding.parent.column(binding.column)}
    found = db.one(binding.alias, query("quarantine", "document", **parts), {"key": held.parent_key})
    if found is None:
        return Around(None, note="The parent is gone.")
    if found[0] is None:
        return Around(None, note="The column is NULL now.")
    return among(binding, held, found[0])


def among(binding: Binding, held: Held, text: str) -> Around:
    try:
        path.parse(text)
    except JSONDecodeError as error:
        return Around("$", excerpt=text[max(0, error.pos - EXCERPT) : error.pos + EXCERPT], note=f"{error}.")
    except (ValueError, RecursionError) as error:
        return Around("$", excerpt=shortened(text), note=f"{error}.")
    if held.index is None or not held.stream:
        return Around(held.path, excerpt=shortened(text))
    found = nearest(binding.stream(held.stream), held, text)
    if found is None:
        return Around(None, note="It is not in its list any more.")
    return found


def nearest(stream: BoundStream, held: Held, text: str) -> Around | None:
    """Of equal elements, the one that is nearest to where it stood."""
    wanted, best = token(path.parse(held.element)), None
    for key, places in spans.lists(text, stream.steps):
        for index, place in enumerate(places):
            if token(path.parse(text[slice(*place)])) != wanted:
                continue
            here = jsonpath(steps(stream, key), index)
            same_list = held.path is not None and held.path.startswith(jsonpath(steps(stream, key)) + "[")
            distance = (not same_list, abs(index - (held.index or 0)))
            if best is None or distance < best[0]:
                best = (distance, here, index, places)
    return None if best is None else Around(best[1], neighbors(text, best[3], best[2]))


def neighbors(text: str, places: Sequence[spans.Span], index: int) -> list[Neighbor]:
    first = max(0, index - NEIGHBORS)
    return [
        Neighbor(number, shortened(text[slice(*place)]), number == index)
        for number, place in enumerate(places[first : index + NEIGHBORS + 1], start=first)
    ]


def shortened(text: str) -> str:
    return text if len(text) <= CUT else f"{text[: CUT - 1]}…"
