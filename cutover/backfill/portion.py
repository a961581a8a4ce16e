"""A parent with more elements than a chunk holds is filled in several chunks: how much of it, and what the last one has left.

Note [Portions]
    The newest elements come first: then each portion finds what those before it have made as the newest elements of the list, and
    places come out as if it were one. Whoever made those rows, comparing them with their elements says whether that is so. It
    takes a third of the time of making them, so each portion leaves word, with the cursor, what the parent was like when it
    had proved that: while the parent's row is the same version and its rows are as many, nothing is compared. A worker may be
    killed and writers may append in between: what is not as it was is compared, and what cannot be filled so is paired.
"""

import json
from dataclasses import asdict, dataclass
from math import ceil
from typing import Self

from cutover.backfill.reach import Reach
from cutover.chunk import MOST_ELEMENTS, Pace
from cutover.mapping import Binding

SPLIT = 2  # times what a chunk may hold: a parent with less is taken whole
ROOM = 0.7  # of what a chunk may hold otherwise: lighter parents, maybe over two connections, tell little of it
PORTIONS = 6  # of one list at most: all of it is read for each
ENOUGH = 30  # of one parent: its rows do not stay, or it is another each time; the rest is taken in one


@dataclass(frozen=True)
class Inside:
    """What a parent was like after a portion.

    Attributes:
        stream: the number of the stream of which it was; of others it says nothing, each is read by a statement of its own.
        version: of the parent's row.
        rows: how many rows the parent had, of whatever kind.
        standing: how many of them the stream shows and stand for something.
        newest: the position of the newest row that is no history, or 0: with every such row it rises.
        number: how many portions there were.
    """

    parent: str
    stream: int
    version: str
    rows: int
    standing: int
    newest: int
    number: int = 1

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str | None) -> Self | None:
        """What `text` gave; None as well where another version of us has written it."""
        found = None if text is None else json.loads(text)
        return cls(**found) if found and found.keys() == cls.__dataclass_fields__.keys() else None


@dataclass(frozen=True)
class Portion:
    """So many elements of one parent are to be filled; `inside` is what the last portion has left, if any."""

    most: int
    inside: Inside | None

    def before(self, parent: str, stream: int) -> Inside | None:
        """What the last portion of this stream has left."""
        found = self.inside
        return found if found is not None and (found.parent, found.stream) == (parent, stream) else None

    @property
    def number(self) -> int:
        return 1 if self.inside is None else self.inside.number + 1


def wanted(binding: Binding, reach: Reach, pace: Pace, inside: str | None) -> Portion | None:
    """The portion that a chunk takes, or None where it takes its parents whole; order has to be a matter of positions."""
    if len(reach.keys) != 1 or binding.position is None:
        return None
    many = pace.times(len(reach.keys), reach.elements, reach.size_bytes) / ROOM
    left = Inside.of(inside)
    if left is None or left.parent != reach.keys[0]:
        left, many = None, max(many, reach.elements / MOST_ELEMENTS)
        if many < SPLIT:
            return None
    elif left.number >= ENOUGH:
        return None
    return Portion(ceil(reach.elements / min(many, PORTIONS)), left)
