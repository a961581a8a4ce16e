"""Why the backfill waits: a list of reasons, each asked of the database, so that `status` anywhere can say the same.

It holds no transaction while it waits.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from cutover import db, ledger
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.sql import query

LAG = timedelta(seconds=1.5)  # gh-ost, --max-lag-millis
FIRST_LOOK = 0.05
LAST_LOOK = 2.0

Custom = Callable[[], str | None]


def reasons(binding: Binding, custom: Custom | None = None) -> list[str]:
    """Every reason to wait, now; none is a reason to go on."""
    found = [held(ledger.read(binding.alias, binding.name)), lag(binding.alias), archiver(binding.alias)]
    found.append(custom() if custom is not None else None)
    return [reason for reason in found if reason]


def held(entry: Entry) -> str | None:
    """What the ledger says against going on."""
    if entry.paused:
        return f"{entry.name} is paused."
    if entry.phase < Phase.DUAL_WRITE:
        return f"{entry.name} is at {entry.phase.name}."
    if not entry.settled:
        return f"{entry.name} is at {entry.phase.name}, which has not settled."
    return None


def lag(alias: str) -> str | None:
    """A replica that is further behind than it should be."""
    found = db.one(alias, query("throttle", "lag"), {"seconds": LAG.total_seconds()})
    return f"The replica {found[0]} is {found[1]:.1f} s behind." if found else None


def archiver(alias: str) -> str | None:
    """An archiver of WAL that fails."""
    found = db.one(alias, query("throttle", "archiver"))
    return f"The archiving of WAL fails at {found[0]}." if found else None


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
