"""Fill one segment to its end: chunk after chunk, each with its attempts, on a connection that may break."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from django.db import Error

from cutover.backfill import attempts, lease, throttle, visit
from cutover.backfill.attempts import Kind
from cutover.backfill.crew import Post
from cutover.backfill.lease import Segment
from cutover.backfill.progress import Progress, totals
from cutover.backfill.throttle import Custom, Rest
from cutover.backfill.visit import Visited
from cutover.chunk import Pace
from cutover.errors import Busy, Incomplete
from cutover.mapping import Binding

T = TypeVar("T")
Attempt = Callable[[Pace, bool], Visited | None]
NOTES_EVERY = 10.0  # seconds
STRAIN_EVERY = 0.2  # seconds: beside others chunks take 0.05; to ask before each took 4 % of the time, this takes 1


@dataclass
class Job:
    """What a worker needs for every chunk.

    Attributes:
        target: of a chunk, where nobody has set another; None is the default, which is shorter while others are at work.
        alone: whether nobody else was at work at the last look, so that a second connection may keep another core busy.
    """

    binding: Binding
    worker: str
    pace: Pace
    stop: Callable[[], bool]
    hold: Custom | None
    target: timedelta | None = None
    alone: bool = False
    rest: Rest = field(default_factory=Rest)
    notes: str = ""
    notes_due: float = 0.0
    strain_due: float = 0.0

    def __post_init__(self) -> None:
        self.post = Post(self.binding, self.worker)
        self.most = self.pace.target if self.binding.cutover.rewrites else timedelta.max  # where parents are locked

    def steady(self, question: Callable[[], T]) -> T:
        """Ask, on a new connection where the old one is gone; only for what may be asked twice."""
        return attempts.steady(self.binding.alias, question)

    def reasons(self) -> str:
        if time.monotonic() >= self.notes_due:
            self.notes = " ".join(throttle.notes(self.binding))
            self.notes_due = time.monotonic() + NOTES_EVERY
        strained = time.monotonic() >= self.strain_due
        found = throttle.reasons(self.binding, self.hold, strained=strained)
        if strained and not found:
            self.strain_due = time.monotonic() + STRAIN_EVERY
        return " ".join(found)

    def look(self) -> str:
        """Take over what was set meanwhile; why there are too many workers for this one, or nothing."""
        seen = self.post.look()
        self.pace.retarget(min(self.most, seen.controls.chunks(others=seen.others, usual=self.target)))
        self.rest.share, self.alone = seen.controls.resting(others=seen.others), seen.alone
        return seen.surplus

    def surplus(self) -> str:
        """The same, on a new connection where the old one is gone."""
        return self.steady(self.look)

    def totals(self) -> Progress:
        """All segments together.

        Raises:
            Incomplete: there are none any more.
        """
        now = self.steady(lambda: totals(self.binding, worker=self.worker))
        if not now.segments:
            raise Incomplete(
                f"The segments of {self.binding.name} are gone: somebody has reset the backfill.",
                hint="Look at `cutover status`, then run the same command again.",
            )
        return now

    def wait(self, now: Progress, why: str) -> Progress:
        """What is told here, and for everybody in the worker's row."""
        self.steady(lambda: self.post.say(now.segment, why))
        return replace(now, worker=self.worker, waiting=why, notes=self.notes)


class Lost(Exception):
    """Somebody else has taken the segment over."""


@dataclass
class Held:
    """A segment, or the lane, in the hands of a worker; its token changes when the connection has to be made anew."""

    job: Job
    segment: Segment

    def chunk(self, attempt: Callable[[Segment, Pace, bool], Visited | None]) -> Visited:
        """One chunk, with all its attempts. Raises Lost."""
        done = self.restarted(lambda: tried(self.job, self.name, lambda p, precise: attempt(self.segment, p, precise)))
        if done is None:
            raise Lost
        return done

    def restarted(self, action: Callable[[], T]) -> T:
        """Do it; where the connection is gone, hold the segment under a new token first and do it again. Raises Lost."""
        return attempts.answered(action, self.retake)

    def retake(self) -> None:
        """Hold it under a new token, on a new connection; a chunk in which the old one has broken is followed by a smaller one.

        Raises:
            Lost: somebody else has taken it over.
        """
        again = attempts.reconnected(self.job.binding.alias, lambda: lease.retake(self.job.binding, self.segment))
        if again is None:
            raise Lost
        self.segment = again
        self.job.pace.halve()

    def waits(self) -> Iterator[Progress]:
        """Why the next chunk has to wait, after each look, until it need not; the segment stays held.

        Raises:
            Lost: somebody else has it, or there are more workers than are to work.
        """
        self.job.rest.take(self.job.stop)
        for _ in throttle.looks():
            if self.restarted(self.job.look):
                raise Lost
            why = self.restarted(self.job.reasons)
            if not why or self.job.stop():
                return
            if not self.restarted(lambda: lease.prolong(self.job.binding, self.segment)):
                raise Lost
            yield self.job.wait(self.told(), why)

    def told(self, seconds: float = 0.0, done: Visited | None = None) -> Progress:
        """All workers' progress, and this one's last chunk."""
        parents = 0 if done is None else done.parents
        more = {"worker": self.job.worker, "segment": self.segment.number, "chunk_parents": parents, "seconds": seconds}
        return self.restarted(lambda: totals(self.job.binding, **more))

    @property
    def name(self) -> str:
        return f"Segment {self.segment.number} of {self.job.binding.name}"


def segment(job: Job, mine: Segment) -> Iterator[Progress]:
    """All chunks of a segment; ends early where somebody has taken it over, or the worker is to stop."""
    held = Held(job, mine)
    try:
        while not job.stop():
            yield from held.waits()
            if job.stop():
                return
            started = time.monotonic()
            done = held.chunk(
                lambda now, pace, precise: visit.next_chunk(job.binding, now, pace, precise=precise, alone=job.alone)
            )
            yield learned(held, done, time.monotonic() - started)
            if done.done:
                return
    except Lost:
        return
    finally:
        lease.release(job.binding, held.segment)


def learned(held: Held, done: Visited, seconds: float) -> Progress:
    """Let the pace know what the chunk took; one for which others had to wait is followed by a smaller one."""
    pace = held.job.pace
    took = timedelta(seconds=done.seconds)  # of the attempt that was committed
    pace.learn(parents=done.parents, elements=done.listed, size_bytes=done.size_bytes, took=took)
    held.job.post.add(done.listed, seconds)
    held.job.rest.earn(seconds, blocked=done.blocked > 0)
    told = held.told(seconds, done)
    if done.blocked:
        pace.halve()
        return held.job.wait(told, f"{done.blocked} sessions waited for the last chunk; the next one is smaller.")
    return held.job.wait(told, done.held)


def tried(job: Job, what: str, attempt: Attempt) -> Visited | None:
    """Attempt a chunk: three times against locks, then half of it, at last one parent through Python.

    Raises:
        Busy: one parent alone stayed locked.
    """
    precise = False
    while True:
        try:
            return attempts.collisions(lambda: attempt(job.pace, precise), what)  # noqa: B023 - called at once
        except Busy:
            if not job.pace.halve():
                raise
        except Error as error:
            if attempts.kind(error) not in (Kind.DATA, Kind.TOO_MUCH):
                raise
            if not job.pace.halve():
                if precise:
                    raise
                precise = True
