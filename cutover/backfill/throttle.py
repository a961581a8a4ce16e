"""Why the backfill waits: a list of reasons, each asked of the database, so that `status` anywhere can say the same.

It holds no transaction while it waits.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cutover import conf, db, ledger
from cutover.backfill import strain
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.sql import query

FIRST_LOOK = 0.05
LAST_LOOK = 0.5  # whoever pauses, or lets go on, is obeyed within a second

LONGEST_REST = 5.0

Custom = Callable[[], str | None]


def reasons(binding: Binding, custom: Custom | None = None, *, strained: bool = True) -> list[str]:
    """Every reason to wait, now; none is a reason to go on. Where not `strained`, the database is not asked what it suffers.

    Raises:
        DeclarationError: a setting is not what it should be, or its query fails.
    """
    found = [held(ledger.read(binding.alias, binding.name))]
    found += strain.reasons(binding.alias) if strained else []
    found.append(custom() if custom is not None else None)
    return [reason for reason in found if reason]


def notes(binding: Binding) -> list[str]:
    """What is worth saying and no reason to wait."""
    return list(strain.notes(binding.alias))


def check(binding: Binding) -> None:
    """Ask everything once: what is wrong with a setting is told before anything is done. Raises DeclarationError."""
    conf.decoding_processes()
    reasons(binding)
    notes(binding)


def held(entry: Entry) -> str | None:
    """What the ledger says against going on."""
    if entry.paused:
        return f"{entry.name} is paused."
    if entry.phase < Phase.DUAL_WRITE:
        return f"{entry.name} is at {entry.phase.name}."
    if not entry.settled:
        return f"{entry.name} is at {entry.phase.name}, which has not settled."
    return None


def blocked(alias: str) -> int:
    """How many sessions wait for a lock of this transaction; asked before its end, or there are none."""
    return int(db.scalar(alias, query("throttle", "blocked")))


def looks() -> Iterator[None]:
    """A pause after each look, longer each time."""
    pause = FIRST_LOOK
    while True:
        yield
        time.sleep(pause)
        pause = min(pause * 2, LAST_LOOK)


@dataclass
class Rest:
    """The pause that a worker has earned by its last chunk; `share` is that of the time in which it rests."""

    share: float = 0.0
    earned: float = 0.0

    def earn(self, seconds: float, *, blocked: bool) -> None:
        """A chunk took so long; one for which others had to wait is followed by a rest as long as itself at least."""
        rest = seconds * self.share / (1 - self.share)
        self.earned = min(LONGEST_REST, max(rest, seconds) if blocked else rest)

    def take(self, stop: Callable[[], bool]) -> None:
        """Rest, unless told to stop meanwhile."""
        until, self.earned = time.monotonic() + self.earned, 0.0
        while (left := until - time.monotonic()) > 0 and not stop():
            time.sleep(min(left, LAST_LOOK))
