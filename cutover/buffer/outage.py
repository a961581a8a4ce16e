"""What this process knows of Redis: whether it answers, and how many lines were written past it since.

One message when it begins and one when it ends, through the logger `cutover.buffer`, which no handler of the toolkit takes.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

RETRY_SECONDS = 1.0  # for so long nobody asks again
TELL_SECONDS = 5.0  # between two rows that tell `status` of it

logger = logging.getLogger("cutover.buffer")


@dataclass
class Outage:
    """Of one cutover in one process."""

    name: str
    reason: str = ""
    lines: int = 0
    untold: int = 0
    asked_at: float = 0.0
    told_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def known(self) -> bool:
        """Whether Redis did not answer a moment ago."""
        return bool(self.reason) and time.monotonic() - self.asked_at < RETRY_SECONDS

    def begin(self, reason: str) -> None:
        """Redis did not take an entry."""
        first = not self.reason
        self.reason, self.asked_at = reason or "no reason was given", time.monotonic()
        if first:
            logger.warning("%s is written straight to PostgreSQL, past the buffer: %s.", self.name, reason)

    def end(self) -> None:
        """Redis took one."""
        if self.reason:
            self.reason = ""
            logger.warning("%s is buffered again; %s lines went past the buffer.", self.name, self.lines)

    def count(self, lines: int) -> int:
        """Some lines were written past the buffer; how many are to be told now, or 0."""
        with self._lock:
            self.lines += lines
            self.untold += lines
            if time.monotonic() - self.told_at < TELL_SECONDS:
                return 0
            told, self.untold, self.told_at = self.untold, 0, time.monotonic()
            return told


_known: dict[str, Outage] = {}


def of(name: str) -> Outage:
    found = _known.get(name)
    return _known.setdefault(name, Outage(name)) if found is None else found


def forget() -> None:
    """Know of none; for tests."""
    _known.clear()
