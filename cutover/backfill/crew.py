"""The workers of a backfill: each has a row that says what it does or waits for, so that `status` anywhere can tell."""

import os
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connections

from cutover import beside, db
from cutover.backfill import controls, lease
from cutover.backfill.controls import Controls
from cutover.mapping import Binding
from cutover.sql import query

EVERY_SECONDS = 1.0  # a worker that has nothing new to say still says that it is there,
OFTEN = 3  # and so many times before it would be taken for gone


@dataclass(frozen=True)
class Worker:
    """A worker as it last said.

    Attributes:
        segment: where it works; -1 are the parents to visit again, and the last look over everything.
        waiting: why it waits; empty where it works.
        since: from when on it has been waiting, or working.
    """

    id: int
    name: str
    host: str
    pid: int
    segment: int | None
    waiting: str
    since: datetime

    def __str__(self) -> str:
        if self.waiting:
            return f"{self.name} waits: {self.waiting}"
        return self.name if self.segment is None else f"{self.name} on {self.segment}"

    @property
    def gone(self) -> bool:
        """Whether its process has ended, as far as this machine can tell."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


def live(binding: Binding) -> list[Worker]:
    """The workers that have been heard of lately, in the order in which they came."""
    values = {"name": binding.name, "seconds": lease.hold()}
    return [Worker(*row) for row in db.rows(binding.alias, query("crew", "live"), values)]


def others(binding: Binding) -> bool:
    """Whether sessions are at work that are none of our command line's backfills and status."""
    return bool(looked(binding, 0)[-1])


def looked(binding: Binding, worker: int | None) -> tuple[Any, ...]:
    own = beside.backends(binding.alias)
    values = {"name": binding.name, "id": worker, "seconds": lease.hold(), "own": own}
    return db.rows(binding.alias, query("crew", "look"), values)[0]


@dataclass(frozen=True)
class Look:
    """What a worker goes by.

    Attributes:
        surplus: why there are too many workers for this one; empty where there are not.
        others: whether sessions of the database other than those of our command line's backfills and status are at work.
        alone: whether neither they nor another worker of a backfill are.
    """

    controls: Controls
    surplus: str
    others: bool
    alone: bool


@dataclass
class Post:
    """The row of one worker, and what it has not yet told of its chunks."""

    binding: Binding
    worker: str
    id: int | None = None
    said: tuple[int | None, str] = (None, "")
    said_at: float = 0.0
    elements: int = 0
    seconds: float = 0.0

    def look(self) -> Look:
        """The controls, and who else is at work."""
        if self.id is None:
            self.enter()
        *found, before, workers, others = looked(self.binding, self.id)
        now = controls.made(tuple(found))
        return Look(now, self.surplus(now, before), others, alone=not others and workers <= 1)

    def surplus(self, now: Controls, before: int) -> str:
        """Why there are too many workers for this one, where so many came before it; empty where there are not."""
        if now.workers is None or before < now.workers:
            return ""
        number = before + 1
        more = f"`cutover backfill {self.binding.name} --workers {number}` lets this one work."
        return f"At most {now.workers} may work, and {before} came before this worker; {more}"

    def enter(self) -> None:
        values = {"host": socket.gethostname(), "pid": os.getpid(), "worker": self.worker, "seconds": lease.hold()}
        self.id = db.scalar(self.binding.alias, query("crew", "enter"), {"name": self.binding.name, **values})

    def say(self, segment: int | None, waiting: str) -> None:
        """What it does or waits for: at once where that is new, and again before it would be taken for gone."""
        every = min(EVERY_SECONDS, lease.hold() / OFTEN)
        if (segment, waiting) == self.said and time.monotonic() - self.said_at < every:
            return
        values: dict[str, Any] = {"id": self.id, "segment": segment, "waiting": waiting}
        if self.id is None or not db.run(self.binding.alias, query("crew", "say"), values):
            self.enter()
            db.run(self.binding.alias, query("crew", "say"), {**values, "id": self.id})
        self.said, self.said_at = (segment, waiting), time.monotonic()
        self.tell()

    def add(self, elements: int, seconds: float) -> None:
        """What a chunk has held and taken."""
        self.elements += elements
        self.seconds += seconds

    def tell(self) -> None:
        """Add to the speed of this backfill what the chunks since have held and taken."""
        if self.elements:
            values = {"name": self.binding.name, "elements": self.elements, "took": self.seconds}
            db.run(self.binding.alias, query("crew", "measured"), values)
            self.elements, self.seconds = 0, 0.0

    def leave(self) -> None:
        """Sign off. A connection that cannot say so any more is closed: the row is forgotten after a while."""
        if self.id is None:
            return
        try:
            self.tell()
            db.run(self.binding.alias, query("crew", "leave"), {"id": self.id})
        except DatabaseError:
            connections[self.binding.alias].close()
