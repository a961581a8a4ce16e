"""The stage of the story: what a step may do to the running system, and how it is watched meanwhile.

Each verb is a generator of events. While something is waited for, the system goes on and is looked at a few times per second.
"""

import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from cutover.demo import commands, oracle
from cutover.demo.comparison import Finding
from cutover.demo.events import Audited, Began, Event, Member, Noted, Ran, Ticked
from cutover.demo.fleet import Fleet
from cutover.demo.meter import INTERVAL, Gauge, Reading
from cutover.demo.project import NAME, Deployment, Project
from cutover.demo.redisserver import RedisServer
from cutover.demo.summary import Stretch, Summary
from cutover.errors import CutoverError
from cutover.phase import Phase

T = TypeVar("T")
LOOK = 0.25  # seconds between two looks
PATIENCE = 60.0  # seconds for a gate to open
LATER = (3, 4, 5, 7)  # exit codes after which the same line may be run again


class StoryFailed(CutoverError):
    """A command of the operator did not do what the story needs; the text carries its last words."""


@dataclass
class Stage:
    """Everything that the steps share.

    Attributes:
        share_of: seconds that the whole story should take, of which a step names its share.
        dual_since, backfilled: when dual write had settled, and when the backfill had ended, by the clock of the database.
        redis: what holds the buffer; None where there is none.
        since: when the baseline was taken, seconds since 1970; what went wrong before is the legacy handler's.
    """

    project: Project
    fleet: Fleet
    connection: oracle.Connection
    share_of: float
    summary: Summary
    gauge: Gauge
    redis: RedisServer | None = None
    deployment: Deployment = field(default_factory=lambda: Deployment("legacy"))
    since: float = float("inf")
    dual_since: datetime | None = None
    backfilled: datetime | None = None
    began: float = field(default_factory=time.monotonic)
    _looked: float = 0.0
    _stretch_began: float = 0.0

    def begin(self, title: str, phase: Phase | None) -> Iterator[Event]:
        """A new stretch of the story; what is measured from now on belongs to it."""
        yield from self.look()
        self.end_stretch()
        self.summary.stretches.append(Stretch(title))
        self._stretch_began = time.monotonic()
        yield Began(title, phase)

    def end_stretch(self) -> None:
        if self.summary.stretches and self.fleet.workers:  # nobody works after the end
            self.summary.stretches[-1].seconds = time.monotonic() - self._stretch_began

    def look(self) -> Iterator[Event]:
        """Read the meters; raises WorkerFailed if a process has ended by itself."""
        self.fleet.check()
        total = Reading()
        for reading in self.gauge.new():
            if reading.at - INTERVAL < self.since:  # what the legacy handler breaks is counted apart
                reading.errors, reading.examples = 0, []
            total.add(reading)
        self._looked = time.monotonic()
        if self.summary.stretches:
            self.summary.stretches[-1].reading.add(total)
            self.end_stretch()
        self.count(total)
        members = tuple(Member(worker.name, str(worker.deployment)) for worker in self.fleet.workers.values())
        yield Ticked(members, total, self._looked - self.began)

    def count(self, reading: Reading) -> None:
        self.summary.reads += reading.reads
        self.summary.short += reading.short
        self.summary.shown_twice += reading.doubled
        self.summary.errors += reading.errors
        self.summary.examples += reading.examples[: max(0, 5 - len(self.summary.examples))]

    def dwell(self, share: float, at_least: float = 2 * LOOK) -> Iterator[Event]:
        """Let the system run until this share of the time is over, and at least for some seconds."""
        limit = max(self.began + self.share_of * share, time.monotonic() + at_least)
        while time.monotonic() < limit:
            time.sleep(LOOK / 2)
            yield from self.look()

    def roll(self, deployment: Deployment) -> Iterator[Event]:
        """Bring a release or a flag to the fleet by a rolling restart."""
        yield Noted(f"rolling restart: {deployment}")
        self.deployment = deployment
        yield from self.watched(self.fleet.roll(deployment))

    def run(self, *lines: list[str], accept: tuple[int, ...] = (0,)) -> Generator[Event, None, list[commands.Done]]:
        """Run command lines side by side. Raises StoryFailed if one ends with a code that is not accepted."""
        finished = yield from self.watched(commands.run(self.project, self.deployment, lines))
        for done in finished:
            yield Ran(done.command, done.code, done.seconds, done.last_words)
            if done.code not in accept:
                raise StoryFailed(f"{done.command} ended with {done.code}: {(done.err or done.out).strip()[-2000:]}")
        return finished

    def insist(self, command: list[str]) -> Generator[Event, None, commands.Done]:
        """Run a command line again while a gate refuses or something is busy, as an operator would."""
        limit = time.monotonic() + PATIENCE
        while True:
            accept = (0, *LATER) if time.monotonic() < limit else (0,)
            (done,) = yield from self.run(command, accept=accept)
            if done.code == 0:
                return done
            yield from self.dwell(0)

    def audit(self) -> Iterator[Event]:
        """Read every job as the application does, and compare; with what waits in the buffer, while somebody fills it."""
        buffered = self.fleet.workers and self.project.buffer(self.deployment)
        role = "audit-unflushed" if buffered else "audit"
        (done,) = yield from self.run([*self.project.manage()[:1], "worker.py", role])
        found: dict[str, Any] = json.loads(done.out)
        jobs = found.pop("jobs")
        finding = Finding(**found)
        self.summary.audits += 1
        self.summary.audited += finding.elements
        self.count(Reading(short=finding.short, doubled=finding.doubled, examples=finding.examples))
        yield Audited(jobs, finding)

    def migrate(self, phase: Phase) -> Iterator[Event]:
        """Write the migration of a phase, and apply it."""
        yield from self.run(self.project.cutover("scaffold", NAME, phase.name))
        yield from self.insist(self.project.manage("migrate", "--no-input"))

    def advance(self, phase: Phase) -> Iterator[Event]:
        """Move the ledger by one phase; a new stretch begins when that has settled."""
        yield from self.insist(self.project.cutover("advance", NAME, phase.name, "--json"))
        yield from self.begin(phase.title, phase)

    def flag(self, phase: Phase) -> Iterator[Event]:
        """Bring the flag of a phase to the fleet."""
        yield from self.roll(Deployment(self.deployment.release, phase))

    def verify(self) -> Iterator[Event]:
        """Compare both sides in the database, and keep the checksums."""
        done = yield from self.insist(self.project.cutover("verify", NAME, "--json"))
        found = json.loads(done.out)
        self.summary.json_checksum = found["json_checksum"]
        self.summary.table_checksum = found["table_checksum"]

    def take_baseline(self) -> Iterator[Event]:
        """Keep what JSON holds now that the last legacy process has ended, and count what was lost until then."""
        oracle.take_baseline(self.connection)
        self.since = time.time()
        written, lost = oracle.lost_by_legacy(self.connection)
        self.summary.written_before, self.summary.lost_by_legacy = written, lost
        yield Noted(f"the legacy handler has lost {lost} of {written} lines")

    def compare(self) -> None:
        """Count every element in the table, now that nobody writes."""
        self.summary.written, self.summary.written_since = oracle.counts(self.connection)
        self.summary.column_dropped = oracle.column_dropped(self.connection)
        if self.dual_since is not None and self.backfilled is not None:
            found = oracle.compare_table(self.connection, dual_since=self.dual_since, backfilled=self.backfilled)
            self.summary.take(found)
        self.summary.seconds = time.monotonic() - self.began
        self.summary.complete = True

    def watched(self, waiting: Generator[None, None, T]) -> Generator[Event, None, T]:
        """Wait for something, and look at the system meanwhile; what is waited for is closed if nobody goes on."""
        with closing(waiting):
            while True:
                try:
                    next(waiting)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                if time.monotonic() - self._looked >= LOOK:
                    yield from self.look()
