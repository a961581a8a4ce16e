"""Which parent a flusher waits for. It takes the rows that are free, and a row that is handed from one locker to the next is
never free: only who stands in the queue for it gets it. So what has been locked for too long is waited for, one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

OVERDUE_SECONDS = 1.0  # that a parent was found locked, before it is waited for
REST_SECONDS = 2.0  # after a wait in vain: who has the row locked may be waiting for the stream


@dataclass
class Patience:
    """One stream, as one flusher has seen it.

    Attributes:
        overdue: seconds that a parent is found locked before it is waited for.
    """

    overdue: float = OVERDUE_SECONDS
    _since: dict[str, float] = field(default_factory=dict)
    _not_before: float = 0.0

    def choose(self) -> str | None:
        """The parent to wait for now, the one that was locked the longest; None where none is."""
        now = time.monotonic()
        key = min(self._since, key=self._since.__getitem__, default=None)
        return key if key is not None and now >= max(self._not_before, self._since[key] + self.overdue) else None

    def saw(self, locked: Collection[str], awaited: str | None) -> None:
        """What a batch found locked. One that was waited for in vain goes behind the others."""
        now = time.monotonic()
        if awaited is not None and awaited in locked:
            self._since.pop(awaited, None)
            self._not_before = now + REST_SECONDS
        self._since = {key: self._since.get(key, now) for key in locked}
