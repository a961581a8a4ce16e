"""Wait until every transaction that may still act on the phase before a move has ended.

As CREATE INDEX CONCURRENTLY does: by virtual transaction ids, granted locks only, collected after the COMMIT of the move has
returned. It polls in autocommit and holds no transaction of its own, or it and an index build would wait for each other.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from cutover import db
from cutover.sql import query

POLL = timedelta(seconds=0.1)


@dataclass(frozen=True)
class Holder:
    """A transaction that is waited for: a running one by its virtual id, or a prepared one by its gid."""

    id: str
    pid: int | None
    text: str

    def __str__(self) -> str:
        return self.text


def collect(alias: str) -> dict[str, Holder]:
    """Every transaction to wait for, from now."""
    return {**running(alias), **prepared(alias)}


def running(alias: str) -> dict[str, Holder]:
    found = {}
    for pid, virtual_id, application, user, since, state, statement in db.rows(alias, query("settling", "running")):
        parts = [f"backend {pid}", application or "no application_name", f"as {user}"]
        parts += [f"since {since:%H:%M:%S}"] if since else []
        parts += [f"{state}: {' '.join(statement.split())}"] if state else []
        found[virtual_id] = Holder(virtual_id, pid, ", ".join(parts))
    return found


def prepared(alias: str) -> dict[str, Holder]:
    found = {}
    for gid, owner, at in db.rows(alias, query("settling", "prepared")):
        text = f"prepared transaction {gid!r} of {owner}, since {at:%H:%M:%S}"
        found[f"prepared {gid}"] = Holder(f"prepared {gid}", None, text)
    return found


def wait(alias: str, holders: dict[str, Holder], waived: set[int]) -> Iterator[list[Holder]]:
    """Yield who is still waited for, after each look, until nobody is. The caller sets the limit by not going on.

    A transaction that was running may be prepared in the meantime: it gives its virtual id up and must be waited for under
    its gid. So the running ones are looked at first, and while any of them was left, every prepared one is taken in.
    """
    left = {key: holder for key, holder in holders.items() if holder.pid not in waived}
    while left:
        was_running = any(holder.pid is not None for holder in left.values())
        now_running, now_prepared = running(alias), prepared(alias)
        left = {key: holder for key, holder in left.items() if key in now_running or key in now_prepared}
        if was_running:
            left.update(now_prepared)
        yield list(left.values())
        if left:
            time.sleep(POLL.total_seconds())
