"""How large the next chunk is: by time, predicted from what parents, elements and bytes have cost so far.

Pure: it holds numbers and reads no clock.

Note [Three costs]
    A parent, an element and a byte cost something each, and a chunk takes their sum. One rate in parents alone would let a run of
    empty parents blow up the next chunk with heavy ones. After each chunk the costs are corrected so that they would have
    predicted it, each by its share in the prediction (a normalised least mean squares step: Widrow and Hoff, 1960): empty
    parents teach nothing about elements. A cost falls by half at most, so a chunk is at most twice as large as experience allows;
    it rises at once. What a transaction takes whatever it holds is no fault of its parents and is left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

TARGET = timedelta(seconds=0.5)  # Percona's pt-online-schema-change, --chunk-time
BESIDE = timedelta(seconds=0.05)  # while others are at work: their commits write out what a chunk has left in the WAL
FIRST_PARENTS = 100
MOST_ELEMENTS = 25_000
MOST_BYTES = 16 * 1024 * 1024
SMOOTHING = 0.5
LONG = 2_000  # stored bytes: about where PostgreSQL puts a document beside its row, and to read it costs
AHEAD = 1.25
FIXED = 0.1  # of the target: what a chunk without anything may take


@dataclass(frozen=True)
class Costs:
    """Seconds for each parent, element and byte; to begin with those of a slow machine: 5,000 elements in half a second."""

    parent: float = 100e-6
    element: float = 100e-6
    byte: float = 30e-9

    def corrected(self, parents: int, elements: int, size_bytes: int, to: float) -> Self:
        """The costs that give `to` seconds for this chunk, as far as none falls by more than half."""
        parts = (self.parent * parents, self.element * elements, self.byte * size_bytes)
        expected, squares = sum(parts), sum(part * part for part in parts)
        factors = [max(0.5, 1 + (to - expected) * part / squares) for part in parts]
        return type(self)(self.parent * factors[0], self.element * factors[1], self.byte * factors[2])

    def seconds(self, parents: int, elements: int, size_bytes: int) -> float:
        """What a chunk will take."""
        return self.parent * parents + self.element * elements + self.byte * size_bytes


@dataclass
class Pace:
    """What the next chunk may hold, learned from those before it.

    A chunk fits when the sum of its shares of `most_parents`, `elements` and `size_bytes` is one at most; so does every chunk of
    `size` parents like the last ones.

    Attributes:
        parents: how many parents like the last ones fill the target time.
        most_elements, most_bytes: ceilings, whatever was learned; they bound memory.
        smallest, largest: bounds of `size`.
        per_stored: seconds for each stored byte of a long document, by the elements that it turned out to hold.
    """

    parents: float = FIRST_PARENTS
    target: timedelta = TARGET
    most_elements: int = MOST_ELEMENTS
    most_bytes: int = MOST_BYTES
    smallest: int = 1
    largest: int = 1_000_000
    costs: Costs = field(default_factory=Costs)
    per_stored: float = 10e-6

    @property
    def size(self) -> int:
        """How many parents to look at."""
        return max(self.smallest, min(self.largest, int(self.parents)))

    @property
    def most_parents(self) -> float:
        """How many parents without any element fill the target time."""
        return self.target.total_seconds() / self.costs.parent

    @property
    def elements(self) -> float:
        """How many elements alone fill the target time."""
        return min(self.most_elements, self.target.total_seconds() / self.costs.element)

    @property
    def size_bytes(self) -> float:
        """How many bytes alone fill the target time."""
        return min(self.most_bytes, self.target.total_seconds() / self.costs.byte)

    @property
    def stored_bytes(self) -> float:
        """How many stored bytes of long documents to read: a little more than fit, for what they hold is known only then."""
        return min(self.size_bytes, AHEAD * self.target.total_seconds() / self.per_stored)

    def weigh(self, documents: Iterable[tuple[int, int, int]]) -> None:
        """Take what long documents held into account: their elements, their bytes, and how many are stored of them."""
        heaviest = max(
            (self.costs.seconds(1, each[0], each[1]) / each[2] for each in documents), default=self.per_stored
        )
        self.per_stored = max(heaviest, self.per_stored / 2)

    def learn(self, *, parents: int, elements: int, size_bytes: int, took: timedelta) -> None:
        """Take one chunk into account: at most double, half way towards what would have filled the target time."""
        if parents == 0:
            return
        seconds = max(took.total_seconds(), 1e-4)
        self.learn_costs(parents, elements, size_bytes, seconds)
        wanted = parents * self.target.total_seconds() / seconds
        if elements:
            wanted = min(wanted, parents * self.most_elements / elements)
        if size_bytes:
            wanted = min(wanted, parents * self.most_bytes / size_bytes)
        smoothed = self.parents + (wanted - self.parents) * SMOOTHING if wanted > self.parents else wanted
        # A chunk that one heavy parent has cut short says little about how many of the next ones fit.
        least = self.parents / 2 if parents < self.size else 1.0
        self.parents = max(1.0, least, min(smoothed, self.parents * 2))

    def learn_costs(self, parents: int, elements: int, size_bytes: int, seconds: float) -> None:
        """Correct the costs where they would not have predicted the chunk."""
        expected = self.costs.seconds(parents, elements, size_bytes)
        if expected > seconds:
            aim = expected + (seconds - expected) * SMOOTHING
        else:
            aim = max(expected, seconds - FIXED * self.target.total_seconds())
        self.costs = self.costs.corrected(parents, elements, size_bytes, aim)

    def halve(self) -> bool:
        """Take half as much; False when there is but one parent left to take."""
        if self.size <= 1:
            return False
        self.parents = self.size / 2
        self.costs = Costs(self.costs.parent * 2, self.costs.element * 2, self.costs.byte * 2)
        return True
