"""How large the next chunk is: by time, predicted from what parents, elements and bytes have cost so far.

Pure: it holds numbers and reads no clock.

Note [Three costs]
    A parent, an element and a byte cost something each, and a chunk takes their sum. One rate in parents alone would let a run of
    empty parents blow up the next chunk with heavy ones. After each chunk the costs are corrected so that they would have
    predicted it, each by its share in the prediction (a normalised least mean squares step: Widrow and Hoff, 1960): empty
    parents teach nothing about elements. A cost falls by half at most, so a chunk is at most twice as large as experience allows;
    it rises at once. What a transaction takes whatever it holds is no fault of its parents and is left out: as it was measured,
    and a tenth of the rest. It takes part of the target, but never so much of a chunk that it is hardly anything else: a server
    far away, or one that waits for a standby, would otherwise be given a parent at a time.
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
FIXED = 0.1  # of the time for its contents: what a chunk without anything may take beyond what was measured
WORTH = 2  # the contents of a chunk take so many times what it takes without them, at least
LONGEST = timedelta(seconds=2)
STRETCHED = (
    8  # times the target is the most a chunk gets for that: its commit, which looks fixed, grows with its contents
)


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
        longest: that a chunk gets for the sake of what it takes without its contents.
        fixed: seconds that it takes without them.
        per_stored: seconds for each stored byte of a long document, by the elements that it turned out to hold.
    """

    parents: float = FIRST_PARENTS
    target: timedelta = TARGET
    most_elements: int = MOST_ELEMENTS
    most_bytes: int = MOST_BYTES
    smallest: int = 1
    largest: int = 1_000_000
    longest: timedelta = LONGEST
    fixed: float = 0.0
    costs: Costs = field(default_factory=Costs)
    per_stored: float = 10e-6

    @property
    def size(self) -> int:
        """How many parents to look at."""
        return max(self.smallest, min(self.largest, int(self.parents)))

    @property
    def room(self) -> float:
        """Seconds for the contents of a chunk."""
        target = self.target.total_seconds()
        longest = min(STRETCHED * target, self.longest.total_seconds())
        return max(target - self.fixed, min(WORTH * self.fixed, longest - self.fixed), FIXED * min(target, longest))

    @property
    def most_parents(self) -> float:
        """How many parents without any element fill the target time."""
        return self.room / self.costs.parent

    @property
    def elements(self) -> float:
        """How many elements alone fill the target time."""
        return min(self.most_elements, self.room / self.costs.element)

    @property
    def size_bytes(self) -> float:
        """How many bytes alone fill the target time."""
        return min(self.most_bytes, self.room / self.costs.byte)

    @property
    def stored_bytes(self) -> float:
        """How many stored bytes of long documents to read: a little more than fit, for what they hold is known only then."""
        return min(self.size_bytes, AHEAD * self.room / self.per_stored)

    def weigh(self, documents: Iterable[tuple[int, int, int]]) -> None:
        """Take what long documents held into account: their elements, their bytes, and how many are stored of them."""
        heaviest = max(
            (self.costs.seconds(1, each[0], each[1]) / each[2] for each in documents), default=self.per_stored
        )
        self.per_stored = max(heaviest, self.per_stored / 2)

    def retarget(self, target: timedelta) -> None:
        """Take another target time from now on, and at once so many parents more or less as there is room."""
        before, self.target = self.room, target
        self.parents = max(1.0, self.parents * self.room / before)

    def learn(self, *, parents: int, elements: int, size_bytes: int, took: timedelta, fixed: float = 0.0) -> None:
        """Take one chunk into account: at most double, half way towards what would have filled the target time.

        `fixed` are the seconds of it that its contents had no part in, where they were measured.
        """
        if parents == 0:
            return
        self.fixed += (fixed - self.fixed) * SMOOTHING
        seconds = max(took.total_seconds() - fixed, 1e-4)
        self.learn_costs(parents, elements, size_bytes, seconds)
        wanted = parents * self.room / seconds
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
        above = max(expected, seconds - FIXED * self.room)
        aim = above if expected <= seconds else expected + (seconds - expected) * SMOOTHING
        self.costs = self.costs.corrected(parents, elements, size_bytes, aim)

    def halve(self) -> bool:
        """Take half as much; False when there is but one parent left to take."""
        if self.size <= 1:
            return False
        self.parents = self.size / 2
        self.costs = Costs(self.costs.parent * 2, self.costs.element * 2, self.costs.byte * 2)
        return True
