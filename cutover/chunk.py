"""How large the next chunk is: by time, predicted from what parents, elements and bytes have cost so far.

Pure: it holds numbers and reads no clock.

Note [Three costs]
    A parent, an element and a byte cost something each, and a chunk takes their sum. One rate in parents alone would let a run of
    empty parents blow up the next chunk with heavy ones. After each chunk the costs are corrected so that they would have
    predicted it, each by its share in the prediction (a normalised least mean squares step: Widrow and Hoff, 1960): empty
    parents teach nothing about elements. A cost falls by half at most, so a chunk is at most twice as large as experience allows;
    it rises at once.

Note [What a chunk takes without its contents]
    Round trips, planning and a commit take their time whatever a chunk holds: milliseconds here, most of a second where the
    server is far away or waits for a standby. Charged to the parents it would ask for ever smaller chunks, each of them as long,
    down to one parent at a time. It is where the line through two chunks, one after the other and clearly apart in size, meets
    none (a secant). Sizes that stay alike teach nothing about it, so when they have come down clearly since it was last seen, the
    next chunk is a trial with as much more in it, or somewhat less where that keeps it within twice the target. Where chunks
    begin with one parent and stay there, two are tried instead: a few times, and only where that is short in itself. It takes
    part of the target, but the contents stay worth it: twice as long, within bounds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

TARGET = timedelta(seconds=0.5)  # Percona's pt-online-schema-change, --chunk-time
LOCKING = timedelta(seconds=0.1)  # at most, where parents are locked: writers wait as long as a chunk takes
BESIDE = timedelta(seconds=0.05)  # while others are at work: less at a time that they wait out
FIRST_PARENTS = 100
MOST_ELEMENTS = 25_000
MOST_BYTES = 16 * 1024 * 1024
SMOOTHING = 0.5
LONG = 2_000  # stored bytes: about where PostgreSQL puts a document beside its row, and to read it costs
AHEAD = 1.25
FIXED = 0.1  # of the time for its contents: noise
WORTH = 2  # the contents of a chunk take so many times what it takes without them
LONGEST = timedelta(seconds=2)
STRETCHED = 8  # times the target is the most the contents get for that
APART = 1.4  # times the contents of another: enough to tell what both take without any
KIN = 1.2  # parents, elements and bytes of two chunks of a kind are in the same proportion, within this
TRIAL, LEAST_TRIAL = 1.7, 1.45  # times the contents: what is otherwise the next chunk, to be apart from the last one
SECOND = 2.1  # times those of one parent: two of a kind
SECOND_TRIALS = 3  # with a second parent; parents that are not alike may teach nothing
SHORT = TARGET / 2  # a trial with a second parent may take as long, however short the target


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


@dataclass(frozen=True)
class Chunk:
    """What one has held, and the seconds that it took."""

    parents: int
    elements: int
    size_bytes: int
    seconds: float

    def times(self, other: Self) -> float:
        """How many times the contents of another it has held, where both are of a kind; 0 where they are not."""
        mine, others = ((each.parents, each.elements, each.size_bytes) for each in (self, other))
        ratios = [a / b if a and b else 0.0 for a, b in zip(mine, others, strict=True) if a or b]
        return ratios[0] if max(ratios) <= KIN * min(ratios) else 0.0

    def costs(self, known: Costs) -> float:
        """The seconds that its contents take by these costs."""
        return known.seconds(self.parents, self.elements, self.size_bytes)


@dataclass
class Pace:
    """What the next chunk may hold, learned from those before it.

    A chunk fits when the sum of its shares of `most_parents`, `elements` and `size_bytes` is one at most; so does every chunk of
    `size` parents like the last ones.

    Attributes:
        parents: how many parents like the last ones fill the target time.
        most_elements, most_bytes: ceilings, whatever was learned; they bound memory.
        smallest, largest: bounds of `size`.
        longest: that a chunk gets for the sake of what it takes without its contents; no more than `target` where others wait.
        fixed: seconds that it takes without them.
        seen_at: parents of the chunk in which that was last seen; 0 where it never was.
        trial: times its usual contents the next chunk may hold; 1 unless it is one. `second_trials` were with a second parent.
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
    last: Chunk | None = None
    seen_at: int = 0
    trial: float = 1.0
    second_trials: int = 0

    @property
    def size(self) -> int:
        """How many parents to look at."""
        wanted = int(self.parents) + 1 if self.trial >= SECOND else int(self.parents * self.trial)
        return max(self.smallest, min(self.largest, wanted))

    @property
    def usual(self) -> float:
        """Seconds for the contents of a chunk."""
        target, longest = self.target.total_seconds(), self.longest.total_seconds()
        left = max(longest - self.fixed, min(target, FIXED * longest))
        return max(target - self.fixed, min(WORTH * self.fixed, STRETCHED * target, left))

    @property
    def room(self) -> float:
        """Seconds for the contents of the next one."""
        return self.usual * self.trial

    @property
    def most_parents(self) -> float:
        """How many parents without any element fill the target time."""
        return self.room / self.costs.parent

    @property
    def elements(self) -> float:
        """How many elements alone fill the target time; more than at first are at most twice as many as in the last chunk.

        Light chunks let the cost of an element fall until a heavy parent seems to fit beside others.
        """
        known = max(MOST_ELEMENTS, 2 * self.last.elements) if self.last else MOST_ELEMENTS
        return min(self.most_elements, known, self.room / self.costs.element)

    @property
    def size_bytes(self) -> float:
        """How many bytes alone fill the target time."""
        return min(self.most_bytes, self.room / self.costs.byte)

    def times(self, parents: int, elements: int, size_bytes: int) -> float:
        """How many chunks these would fill: the sum of their shares."""
        return parents / self.most_parents + elements / self.elements + size_bytes / self.size_bytes

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
        """Take another target time from now on, and at once so many parents more or less as there is room; then try nothing."""
        if target == self.target:
            return
        before, self.target, self.trial = self.usual, target, 1.0
        self.parents = max(1.0, self.parents * self.usual / before)

    def learn(self, *, parents: int, elements: int, size_bytes: int, took: timedelta) -> None:
        """Take one chunk into account: at most double, half way towards what would have filled the target time."""
        if parents == 0:
            return
        now = Chunk(parents, elements, size_bytes, took.total_seconds())
        times = 0.0 if self.last is None else now.times(self.last) or self.times_of_one(now, self.last)
        self.learn_fixed(now, times)
        seconds = max(now.seconds - self.fixed, FIXED * now.seconds, 1e-4)
        self.learn_costs(now, seconds)
        wanted = parents * self.usual / seconds
        if elements:
            wanted = min(wanted, parents * self.most_elements / elements)
        if size_bytes:
            wanted = min(wanted, parents * self.most_bytes / size_bytes)
        smoothed = self.parents + (wanted - self.parents) * SMOOTHING if wanted > self.parents else wanted
        # A chunk that one heavy parent has cut short says little about how many of the next ones fit.
        least = self.parents / 2 if parents < self.size else 1.0
        self.parents = max(1.0, least, min(smoothed, self.parents * 2))
        self.last, self.trial = now, 1.0
        if self.longest > self.target:
            self.try_more(now, times)

    def try_more(self, now: Chunk, times: float) -> None:
        """Let the next chunk be a trial, where there is something to learn from it."""
        left = 2 * self.target.total_seconds() / max(now.seconds, 1e-4)
        if times and now.parents <= self.seen_at / TRIAL:
            self.trial = left if LEAST_TRIAL <= left < TRIAL else TRIAL
            self.seen_at = now.parents
        elif not self.seen_at and now.parents == 1 and self.second_trials < SECOND_TRIALS and self.second_is_short(now):
            self.trial = SECOND * max(1.0, now.costs(self.costs) / self.usual)
            self.second_trials += 1

    def second_is_short(self, now: Chunk) -> bool:
        """Whether twice what this one parent took is no harm; or it took far more than a slow machine would for its contents."""
        if SECOND * now.elements > self.most_elements or SECOND * now.size_bytes > self.most_bytes:
            return False
        bound, slow = max(2 * self.target, SHORT).total_seconds(), now.costs(Costs())
        return SECOND * now.seconds <= bound or (now.seconds > WORTH * slow and SECOND * slow <= bound)

    def times_of_one(self, now: Chunk, last: Chunk) -> float:
        """The same where the last one has held one parent, by what they cost; until more is known: 0 otherwise."""
        if self.seen_at or last.parents > 1 or now.parents == 1:
            return 0.0
        return now.costs(self.costs) / last.costs(self.costs)

    def learn_fixed(self, now: Chunk, times: float) -> None:
        """Where the line through this chunk and the last one meets none; Note [What a chunk takes without its contents]."""
        if self.last is not None and times and not 1 / APART < times < APART:
            meets = (self.last.seconds * times - now.seconds) / (times - 1)
            self.fixed = max(meets, (self.fixed + max(meets, 0.0)) / 2)  # too little is worse than too much
            self.seen_at = now.parents
        self.fixed = min(self.fixed, now.seconds)

    def learn_costs(self, chunk: Chunk, seconds: float) -> None:
        """Correct the costs where they would not have predicted what the contents took."""
        expected = chunk.costs(self.costs)
        above = max(expected, seconds - FIXED * self.usual)
        aim = above if expected <= seconds else expected + (seconds - expected) * SMOOTHING
        self.costs = self.costs.corrected(chunk.parents, chunk.elements, chunk.size_bytes, aim)

    def halve(self) -> bool:
        """Take half as much, and try nothing; False when there is but one parent left to take."""
        size, self.trial = self.size, 1.0
        if size <= 1:
            return False
        self.parents = size / 2
        self.costs = Costs(self.costs.parent * 2, self.costs.element * 2, self.costs.byte * 2)
        return True
