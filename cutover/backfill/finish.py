"""After the last segment: visit what was touched, look over everything once more, and only then say "complete"."""

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from django.db import Error

from cutover import db, ledger, marks
from cutover.backfill import attempts, complete, dirty, lease, quarantine, throttle
from cutover.backfill.attempts import Kind
from cutover.backfill.lease import Segment
from cutover.backfill.progress import Progress
from cutover.backfill.visit import Visited
from cutover.backfill.work import Held, Job, Lost, learned
from cutover.chunk import Pace
from cutover.errors import Incomplete
from cutover.marks import Dirty

ROUNDS = 5


def finish(job: Job) -> Iterator[Progress]:
    """Complete the backfill, or wait until another worker has; the last Progress is `finished`.

    Raises:
        Incomplete: a parent has elements without a row after every round.
    """
    before = job.steady(partial(ledger.read, job.binding.alias, job.binding.name)).backfilled_at
    for number, _ in enumerate(throttle.looks()):
        if job.stop():
            return
        if number and job.steady(partial(completed, job, before)):
            yield replace(job.totals(), finished=True)
            return
        surplus = job.surplus()
        lane = None if surplus else job.steady(partial(lease.take, job.binding, job.worker, lane=True))
        if lane is not None:
            held = Held(job, lane)
            try:
                yield from rounds(held)
                return
            except Lost:
                continue
            finally:
                lease.release(job.binding, held.segment)
        yield job.wait(job.totals(), surplus or "Another worker takes the last look.")


def completed(job: Job, before: datetime | None) -> bool:
    """Whether another worker has completed it since."""
    entry = ledger.read(job.binding.alias, job.binding.name)
    dirty_marks = marks.count_dirty(job.binding.alias, job.binding.name)
    return entry.backfilled_at not in (None, before) and not dirty_marks


def rounds(held: Held) -> Iterator[Progress]:
    """Visit and look, a few times at most: foreign writes that go on would go on for ever."""
    job, gaps = held.job, dict[str, dict[str, int]]()
    for _ in range(ROUNDS):
        yield from held.waits()
        yield from visits(held)
        gaps = yield from last_look(held)
        if job.stop():
            return
        if not gaps and held.restarted(partial(concluded, held)):
            yield job.wait(replace(held.told(), finished=True), "")
            return
        yield from revisited(held, dirty.suspects(gaps))
    raise Incomplete(held.restarted(partial(why, job, gaps)), hint=held.restarted(partial(remedy, job)))


def why(job: Job, gaps: dict[str, dict[str, int]]) -> str:
    """The first gap of the last round, or what is left to visit."""
    for parent, streams in gaps.items():
        return complete.gap(job.binding, parent, streams)
    return f"{marks.count_dirty(job.binding.alias, job.binding.name)} foreign writes wait for a visit."


def remedy(job: Job) -> str:
    """What to do while new elements keep coming into JSON without rows: it is no loss as long as JSON is written."""
    phase = ledger.read(job.binding.alias, job.binding.name).phase
    if phase.writes_json:
        return (
            "All that was there at the start has its row. New parents with elements, or old code, keep bringing more: "
            "convert old code and go on with `cutover advance`; run the same again from STOP_JSON_WRITES on."
        )
    return "See who writes the JSON column in `cutover status`, then run the same again."


def visits(held: Held) -> Iterator[Progress]:
    """Visit the parents of all marks that are there now; those of a writer that goes on wait for the next round."""
    last = held.restarted(partial(dirty.newest, held.job.binding))
    while not held.job.stop():
        found = held.restarted(partial(dirty.waiting, held.job.binding))
        if not found or found[0].id > last:
            return
        yield from one_visit(held, found)


def revisited(held: Held, found: list[Dirty]) -> Iterator[Progress]:
    """Visit parents in which a look found a gap, once each."""
    while found and not held.job.stop():
        done = yield from one_visit(held, found)
        found = [each for each in found if each.parent_key not in done.over]


def one_visit(held: Held, found: list[Dirty]) -> Generator[Progress, None, Visited]:
    """Visit as many of the first of these as a chunk takes."""
    yield from held.waits()
    started = time.monotonic()

    def attempt(lane: Segment, pace: Pace, precise: bool) -> Visited | None:
        return dirty.again(held.job.binding, lane, found, pace, precise=precise, alone=held.job.alone)

    done = held.chunk(attempt)
    yield learned(held, done, time.monotonic() - started)
    return done


def last_look(held: Held) -> Generator[Progress, None, dict[str, dict[str, int]]]:
    """The anti-join over everything; what it finds. The lane stays held. Raises Lost."""
    job, found = held.job, dict[str, dict[str, int]]()
    pace, cursor = Pace(), None
    held.restarted(partial(quarantine.forget_gone, job.binding))
    while not job.stop():
        look = held.restarted(partial(one_look, held, cursor, pace))
        if look.cursor is None:
            break
        cursor = look.cursor
        found.update(look.gaps)
        yield from held.waits()
        if not held.restarted(partial(lease.prolong, job.binding, held.segment)):
            raise Lost
        yield job.wait(held.told(), "")
    return found


def one_look(held: Held, cursor: str | None, pace: Pace) -> complete.Look:
    """The next chunk of the anti-join; where the database ends it, half as many parents."""
    while True:
        try:
            return complete.look(held.job.binding, cursor, pace)
        except Error as error:
            if attempts.kind(error) is not Kind.TOO_MUCH or not pace.halve():
                raise


def concluded(held: Held) -> bool:
    """Say in the ledger that it is complete, under the token; False where a write came in between, or the ledger moved.

    Raises:
        Lost: somebody else has the lane.
    """
    binding = held.job.binding
    with db.read_committed(binding.alias):
        if lease.lock(binding, held.segment) is None:
            raise Lost
        entry = ledger.read(binding.alias, binding.name)
        if throttle.held(entry) or marks.count_dirty(binding.alias, binding.name):
            return False
        ledger.set_backfilled(binding.alias, binding.name, True)
    return True
