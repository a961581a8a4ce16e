"""Try elements in quarantine again after their codec was mended: their parents are visited once more, whole.

It is the visit of dirty parents, under the token of the same lane, so it may run beside workers of the backfill. What becomes a
row leaves the quarantine in the transaction that inserts the row.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from cutover import chunk, db
from cutover.backfill import dirty, lease, plan, quarantine, throttle, work
from cutover.backfill.lease import Segment
from cutover.backfill.run import never, pace, permit
from cutover.backfill.visit import Visited
from cutover.backfill.work import Job, Lost
from cutover.chunk import Pace
from cutover.mapping import Binding
from cutover.sql import query


@dataclass(frozen=True)
class Retried:
    """What came of it so far.

    Attributes:
        elements: how many were asked for; `left` of them are still in quarantine.
        parents: how many hold them; `visited` of them were visited.
        rows: how many rows were inserted.
        waiting: why it waits; empty where it goes on.
    """

    elements: int
    parents: int
    visited: int = 0
    rows: int = 0
    left: int = 0
    waiting: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass
class Rest:
    """The parents that are still to be visited, in the order of their keys, and the count."""

    parents: list[str]
    told: Retried


def retry(
    binding: Binding, ids: Sequence[int] | None = None, *, worker: str = "", stop: Callable[[], bool] = never
) -> Iterator[Retried]:
    """Visit the parents of these elements, or of all that are open. It yields after each commit and while it waits.

    Raises:
        Refused: rows are not written yet, or the column is gone.
        Busy: a parent stayed locked by somebody else.
        DeclarationError: the declaration does not say how an element becomes a row.
    """
    permit(binding)
    throttle.check(binding)
    plan.make(binding)
    quarantine.forget_gone(binding)
    wanted = asked(binding, ids)
    parts = {"parent": binding.parent.identifier, "parent_key": binding.parent.key, "type": binding.parent.type}
    values = {"name": binding.name, "ids": wanted}
    parents = [row[0] for row in db.rows(binding.alias, query("quarantine", "parents", **parts), values)]
    job = Job(binding, worker or lease.this_worker(), pace(binding, chunk.TARGET), stop, None)
    rest = Rest(parents, Retried(len(wanted), len(parents), left=len(wanted)))
    try:
        yield from in_the_lane(job, rest)
    finally:
        job.post.leave()
    yield replace(rest.told, left=len(asked(binding, wanted)))


def asked(binding: Binding, ids: Sequence[int] | None) -> list[int]:
    """Those of the ids that are in quarantine; without ids, all that are open."""
    if ids is None:
        return [row[0] for row in db.rows(binding.alias, query("quarantine", "open_ids"), {"name": binding.name})]
    values = {"name": binding.name, "ids": list(ids)}
    return sorted(row[0] for row in db.rows(binding.alias, query("quarantine", "known_ids"), values))


def in_the_lane(job: Job, rest: Rest) -> Iterator[Retried]:
    """Hold the lane of dirty parents, or wait until nobody else does."""
    for _ in throttle.looks():
        if not rest.parents or job.stop():
            return
        lane = job.steady(partial(lease.take, job.binding, job.worker, lane=True))
        if lane is None:
            yield replace(rest.told, waiting="Another worker visits parents or takes the last look.")
            continue
        held = work.Held(job, lane)
        try:
            yield from visits(held, rest)
        except Lost:
            yield replace(rest.told, waiting=job.surplus() or "Another worker has taken the lane over.")
        finally:
            lease.release(job.binding, held.segment)


def visits(held: work.Held, rest: Rest) -> Iterator[Retried]:
    """Visit one chunk of parents after the other. Raises Lost."""
    while rest.parents and not held.job.stop():
        for step in held.waits():
            yield replace(rest.told, waiting=step.waiting)
        started = time.monotonic()
        done = held.chunk(partial(attempt, held.job.binding, rest.parents))
        work.learned(held, done, time.monotonic() - started)
        if not done.held:
            left = [each for each in rest.parents if each not in done.over]
            over, rest.parents = len(rest.parents) - len(left), left
            rest.told = replace(rest.told, visited=rest.told.visited + over, rows=rest.told.rows + done.inserted)
        yield replace(rest.told, waiting=done.held)


def attempt(binding: Binding, parents: list[str], lane: Segment, pace: Pace, precise: bool) -> Visited | None:
    return dirty.again(binding, lane, dirty.suspects(parents[: pace.size]), pace, precise=precise, alone=False)
