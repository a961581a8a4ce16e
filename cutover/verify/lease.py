"""Whose turn it is to repair, or to rehydrate: one at a time, under a token that is drawn anew at every start.

The lease only says when somebody else may take over; that nobody works beside its holder is the lock on the row of the token, in
every transaction that changes something. Killed anywhere, the same again goes on behind the last cursor.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connections

from cutover import conf, db
from cutover.errors import Busy
from cutover.mapping import Binding
from cutover.sql import query

LEASES = 6  # a transaction takes a tenth of a second; a holder that has said nothing for so long is gone
LOOK_SECONDS = 0.5
Told = Callable[[str], None]


@dataclass
class Turn:
    """How far a piece of work is, all starts together: parents mended, differences mended in them, and left alone."""

    id: int
    work: str
    epoch: int
    token: UUID
    cursor: str | None
    parents: int
    elements: int
    left: int

    def after(self, binding: Binding) -> Any:
        """The key behind which it goes on."""
        return None if self.cursor is None else binding.key(self.cursor)


def silent(text: str) -> None:
    """Say nothing."""


@contextmanager
def held(binding: Binding, work: str, epoch: int, *, fresh: bool = False, told: Told = silent) -> Iterator[Turn]:
    """Hold the turn until the end; what was done stays, and where the end was not reached, the next one goes on there.

    Where the last holder says nothing any more, it is waited for until its lease is over; `told` says so.

    Raises:
        Busy: somebody else is at it.
    """
    turn = taken(binding, work, epoch, fresh, told)
    done = False
    try:
        yield turn
        done = True
    finally:
        release(binding, turn, done=done)


def taken(binding: Binding, work: str, epoch: int, fresh: bool, told: Told) -> Turn:
    values = {"name": binding.name, "work": work}
    more = {"epoch": epoch, "fresh": fresh, "worker": f"{socket.gethostname()}:{os.getpid()}", "seconds": hold()}
    seen = None
    while True:
        found = db.one(binding.alias, query("mending", "take"), {**values, **more})
        if found is not None:
            return Turn(found[0], work, epoch, *found[1:])
        holder = db.one(binding.alias, query("mending", "holder"), values)
        if seen is not None and holder is not None and holder != seen:
            raise Busy(f"Another {work} of {binding.name} is running: {holder[0]}.", hint="Wait for it to end.")
        if seen is None and holder is not None:
            told(f"Waits for {holder[0]}: it goes on, or its lease is over at {holder[1]:%H:%M:%S}.")
        seen = holder
        time.sleep(LOOK_SECONDS)


def lock(binding: Binding, turn: Turn) -> None:
    """Keep everybody else from it until the end of the transaction.

    Raises:
        Busy: somebody else has taken over.
    """
    if db.one(binding.alias, query("mending", "lock"), mine(turn)) is None:
        raise lost(binding, turn)


def advance(
    binding: Binding, turn: Turn, *, cursor: str | None = None, parents: int = 0, elements: int = 0, left: int = 0
) -> None:
    """Say what was done, in the transaction that has done it, and hold it for longer. Raises Busy as `lock`."""
    values = {**mine(turn), "cursor": cursor, "parents": parents, "elements": elements, "left": left}
    found = db.one(binding.alias, query("mending", "advance"), {**values, "seconds": hold()})
    if found is None:
        raise lost(binding, turn)
    turn.parents, turn.elements, turn.left = found
    turn.cursor = turn.cursor if cursor is None else cursor


def release(binding: Binding, turn: Turn, *, done: bool) -> None:
    """Let it go. A connection that cannot say so any more is closed: the lease ends by itself."""
    try:
        db.run(binding.alias, query("mending", "release"), {**mine(turn), "done": done})
    except DatabaseError:
        connections[binding.alias].close()


def lost(binding: Binding, turn: Turn) -> Busy:
    return Busy(
        f"Another {turn.work} of {binding.name} has taken over.", hint="Wait for it to end, then run `cutover verify`."
    )


def mine(turn: Turn) -> dict[str, Any]:
    return {"id": turn.id, "token": turn.token}


def hold() -> float:
    """How long a lease lasts, in seconds."""
    return (conf.lease() * LEASES).total_seconds()
