"""Which parent a flusher waits for. It takes the rows that are free, and a row that is handed from one locker to the next is
never free: only who stands in the queue for it gets it. So what has been locked for too long is waited for, one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

OVERDUE_SECONDS = 1.0  # that a parent was found locked, before it is waited for
REST_SECONDS = (
    2.0  # after a wait in vain: who has the row locked may be waiting for the stream; the others go on meanwhile
)
Place = tuple[int, str]  # a stream, and the key of a parent


@dataclass
class Patience:
    """All streams, as one flusher has seen them.

    Attributes:
        overdue: seconds that a parent is found locked before it is waited for.
    """

    overdue: float = OVERDUE_SECONDS
    _since: dict[Place, float] = field(default_factory=dict)
    _not_before: float = 0.0

    def due(self) -> Place | None:
        """The parent to wait for now, the one that was locked the longest; None where none is."""
        now = time.monotonic()
        place = min(self._since, key=self._since.__getitem__, default=None)
        return place if place is not None and now >= max(self._not_before, self._since[place] + self.overdue) else None

    def choose(self) -> Place | None:
        """The same; from here on it counts as waited for in vain, however the wait ends, until `saw` knows better."""
        place = self.due()
        if place is not None:
            self._since[place] = time.monotonic()
            self._not_before = self._since[place] + REST_SECONDS
        return place

    def saw(self, shard: int, locked: Collection[str], written: Collection[str], awaited: Place | None) -> None:
        """What a batch of a stream found locked, or could not write to its end; and what it wrote."""
        now = time.monotonic()
        seen = {(shard, key): self._since.get((shard, key), now) for key in locked}
        if awaited is not None and awaited[1] in written:
            self._not_before = 0.0
            if awaited in seen:  # more waits than fits into a batch: its turn is not over
                seen[awaited] = now - self.overdue
        self._since = {place: since for place, since in self._since.items() if place[0] != shard} | seen
