"""One chunk, one transaction: its rows, its quarantine and its cursor commit together, under the token of a segment.

Killed anywhere, nothing is lost and nothing is there twice. The parent row is never written, and locked only where elements can
vanish (`rewrites`).

Note [Order of statements]
    The lock on the segment's row is a statement of its own, at READ COMMITTED: the next statement has a snapshot from after
    the lock, and sees what a former holder has committed. Checked inside the inserting statement the snapshot would be too old,
    and rows would be there twice.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ParamSpec

from cutover import db, ledger, marks, snapshot
from cutover.backfill import chunk, difference, lease, portion, quarantine, reach, streaming, throttle
from cutover.backfill.lease import Segment
from cutover.backfill.missing import Filled
from cutover.backfill.reach import Reach
from cutover.chunk import Pace
from cutover.mapping import Binding
from cutover.sql import query

P = ParamSpec("P")
WORK_MEM = "64MB"  # the lists of a chunk, its rows while they are sorted
PARENT_LOCK_TIMEOUT = "500ms"  # pgroll
SEGMENT_LOCK_TIMEOUT = "30s"  # a former holder ends its chunk; no writer ever waits here


@dataclass(frozen=True)
class Visited:
    """What one transaction has done.

    Attributes:
        parents: how many parents it has looked at; of those it was asked for, `over` need no visit any more.
        listed: how many elements their lists hold; of a portion, how many it has inserted.
        blocked: how many sessions waited for it.
        done: whether nothing is left behind the cursor.
        held: why it did nothing; empty where it did.
        waited: seconds that it waited for others to leave its segment.
        seconds: that the transaction took beside that.
    """

    parents: int = 0
    listed: int = 0
    size_bytes: int = 0
    inserted: int = 0
    quarantined: int = 0
    blocked: int = 0
    done: bool = False
    held: str = ""
    waited: float = 0.0
    seconds: float = 0.0
    over: frozenset[str] = frozenset()


Visit = Callable[P, Visited | None]


def timed(visit: Visit[P]) -> Visit[P]:
    """With the time of the transaction, its commit included."""

    @wraps(visit)
    def timing(*args: P.args, **more: P.kwargs) -> Visited | None:
        started = time.monotonic()
        done = visit(*args, **more)
        return done and replace(done, seconds=time.monotonic() - started - done.waited)

    return timing


@timed
def next_chunk(
    binding: Binding, segment: Segment, pace: Pace, *, precise: bool = False, alone: bool = True
) -> Visited | None:
    """Fill the next parents of a segment; None where somebody has taken it over. Where not `alone`, on one connection."""
    with db.read_committed(binding.alias):
        prepare(binding)
        arrived = time.monotonic()
        found = lease.lock(binding, segment)
        waited = time.monotonic() - arrived
        if found is None:
            return None
        held = throttle.held(ledger.read(binding.alias, binding.name))
        if held:
            return Visited(held=held)
        wanted = reach.after(binding, segment, found[0], pace)
        filled = fill(binding, wanted, pace, found[1], precise=precise, alone=alone)
        over, done = full(wanted, filled), not wanted.keys
        lease.advance(binding, segment, cursor=over[-1] if over else None, **told(over, filled), done=done)
        return visited(binding, wanted, filled, waited, done=done)


@timed
def again(
    binding: Binding,
    lane: Segment,
    dirty: Sequence[marks.Dirty],
    pace: Pace,
    *,
    precise: bool = False,
    alone: bool = True,
) -> Visited | None:
    """Fill parents that somebody has touched, and say so of their marks by their own ids; None where the lane is lost.

    The segments in which the parents lie are locked as well: their holders must not fill the same parents meanwhile.
    """
    with db.read_committed(binding.alias):
        prepare(binding)
        arrived = time.monotonic()
        found = lease.lock(binding, lane)
        if found is None:
            return None
        held = throttle.held(ledger.read(binding.alias, binding.name))
        if held:
            return Visited(held=held)
        keys = sorted({each.parent_key for each in dirty})
        parts = {"parent": binding.parent.identifier, "parent_key": binding.parent.key, "type": binding.parent.type}
        db.rows(binding.alias, query("backfill", "cover", **parts), {"name": binding.name, "keys": keys})
        waited = time.monotonic() - arrived
        there = reach.existing(binding, keys)
        wanted = reach.among(binding, keys, pace)
        filled = fill(binding, wanted, pace, found[1], precise=precise, alone=alone)
        over = set(full(wanted, filled)) | (set(keys) - there)
        marks.visited(binding.alias, [each.id for each in dirty if each.parent_key in over])
        lease.advance(binding, lane, cursor=None, **told(full(wanted, filled), filled))
        return replace(visited(binding, wanted, filled, waited), over=frozenset(over))


def prepare(binding: Binding) -> None:
    """Settings of this transaction: patience for the lock on a segment; no scan of whole tables, no nested loops over lists.

    Without statistics of the child the planner thinks that each parent has a large part of its rows, and that pairing by
    nested loops is cheap; both would be quadratic. Before PostgreSQL 18 that shows as a cost so high that every statement
    would be compiled, which takes longer than to run it.
    """
    settings = {
        "lock_timeout": SEGMENT_LOCK_TIMEOUT,
        "enable_seqscan": "off",
        "enable_nestloop": "off",
        "enable_memoize": "off",
        "jit": "off",
        "max_parallel_workers_per_gather": "0",
        "datestyle": "ISO, YMD",
        "work_mem": WORK_MEM,
    }
    db.set_locals(binding.alias, settings)


def fill(
    binding: Binding, wanted: Reach, pace: Pace, inside: str | None = None, *, precise: bool, alone: bool = True
) -> Filled:
    """Fill parents by SQL, and through Python where SQL cannot; their quarantine holds afterwards what is left.

    One parent that is far more than a chunk holds is filled by a portion where it can be; `inside` is what the last one has left.
    """
    if not wanted.keys:
        return Filled(0, [])
    db.set_local(binding.alias, "lock_timeout", PARENT_LOCK_TIMEOUT)
    if binding.cutover.rewrites:
        snapshot.lock(binding, [binding.key(key) for key in wanted.keys])
    by_python = wanted.keys if precise or not difference.compiles(binding) else wanted.unreadable
    by_sql = [key for key in wanted.keys if key not in set(by_python)]
    part = portion.wanted(binding, wanted, pace, inside)
    done = chunk.fill(binding, by_sql, wanted.lengths, alone=alone, portion=part) if by_sql else Filled(0, [])
    if done.unfinished:
        return done
    if by_python:
        whole = not precise and not difference.compiles(binding)
        helped = alone and not binding.cutover.rewrites  # whom a helper keeps waiting, writers wait for
        more = streaming.fill(binding, by_python, wanted.lengths, whole=whole, alone=helped)
        done = Filled(done.inserted + more.inserted, done.refused + more.refused)
    quarantine.settle(binding, wanted.keys, done.refused)
    return done


def full(wanted: Reach, filled: Filled) -> list[str]:
    """The parents that need nothing more."""
    return [] if filled.unfinished else wanted.keys


def told(over: list[str], filled: Filled) -> dict[str, Any]:
    """What the segment is told of a chunk."""
    inside = filled.inside.text() if filled.unfinished and filled.inside else None
    return {"parents": len(over), "elements": filled.inserted, "inside": inside}


def visited(binding: Binding, wanted: Reach, filled: Filled, waited: float, *, done: bool = False) -> Visited:
    share = filled.inserted / wanted.elements if filled.unfinished else 1.0
    return Visited(
        parents=len(wanted.keys),
        listed=round(wanted.elements * share),
        size_bytes=round(wanted.size_bytes * share),
        inserted=filled.inserted,
        quarantined=len({each.identity for each in filled.refused}),
        blocked=throttle.blocked(binding.alias),
        done=done,
        waited=waited,
    )
