"""Who works on which segment. A token, drawn anew at every start and restart, tells the holder from a former one.

The lease only says when somebody else may take a segment over; that nobody works beside its holder is the lock on its row.
"""

import os
import socket
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import Error, connections

from cutover import conf, db
from cutover.mapping import Binding
from cutover.sql import query

LEASES = 6  # a chunk takes half a second; a worker that has said nothing for so long is gone
SILENCE = 2  # leases of a worker that has begun a chunk and says nothing more, before the server takes its lock away
LANE = -1  # the number of the segment under which dirty parents are visited


@dataclass(frozen=True)
class Segment:
    """A range of keys, as this worker holds it; the bounds are texts, None is open."""

    id: int
    number: int
    lower: str | None
    upper: str | None
    token: UUID


def take(binding: Binding, worker: str, *, lane: bool = False) -> Segment | None:
    """The next segment that is free, or whose holder has been silent for too long; None where there is none."""
    values = {"name": binding.name, "worker": worker, "lane": lane, "seconds": hold()}
    found = db.one(binding.alias, query("backfill", "take"), values)
    return None if found is None else Segment(*found)


def retake(binding: Binding, segment: Segment) -> Segment | None:
    """The same segment under a new token, after the connection was lost; None where somebody has taken it over."""
    found = db.one(binding.alias, query("backfill", "retake"), {**mine(segment), "seconds": hold()})
    return None if found is None else replace(segment, token=found[4])


def prolong(binding: Binding, segment: Segment) -> bool:
    """Hold it for longer; False where somebody has taken it over."""
    return db.run(binding.alias, query("backfill", "prolong"), {**mine(segment), "seconds": hold()}) == 1


def release(binding: Binding, segment: Segment) -> None:
    """Let it go. A connection that cannot say so any more is closed: the lease ends by itself."""
    try:
        db.run(binding.alias, query("backfill", "release"), mine(segment))
    except Error:
        connections[binding.alias].close()


def lock(binding: Binding, segment: Segment) -> tuple[str | None, str | None] | None:
    """Lock its row until the end of the transaction: its cursor and what a portion has left, or None where it is taken over.

    A worker that stands still now, or whose machine is gone, would keep the row locked, and nobody could take it over: the
    server is told to end a transaction that is idle for so long.
    """
    silence = f"{hold() * SILENCE * 1000:.0f}ms"
    db.set_local(binding.alias, "idle_in_transaction_session_timeout", silence)
    return db.one(binding.alias, query("backfill", "lock"), mine(segment))


def advance(
    binding: Binding,
    segment: Segment,
    *,
    cursor: str | None,
    parents: int,
    elements: int,
    inside: str | None = None,
    done: bool = False,
) -> None:
    """Say what was done, in the transaction that has done it; a cursor of None stays where it is."""
    values = {
        **mine(segment),
        "cursor": cursor,
        "parents": parents,
        "elements": elements,
        "inside": inside,
        "done": done,
    }
    db.run(binding.alias, query("backfill", "advance"), {**values, "seconds": hold()})


def mine(segment: Segment) -> dict[str, Any]:
    return {"id": segment.id, "token": segment.token}


def hold() -> float:
    """How long a lease lasts, in seconds."""
    return (conf.lease() * LEASES).total_seconds()


def this_worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
