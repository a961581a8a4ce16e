"""Write JSON back from rows, so that readers and writers may go back to it after rows were written alone.

It finds its parents by their rows: killed anywhere, the same again goes on with those that are left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from cutover import db, ledger, snapshot
from cutover.errors import Refused
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.pairing import token
from cutover.phase import Phase
from cutover.sql import query
from cutover.verify import compare, course, detail, mend, rebuild, result
from cutover.verify.repairs import tried

CHUNK = 100  # parents; each is a transaction of its own
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Rehydrated:
    """How far it is: parents written, rows that JSON knows now, rows that JSON cannot hold and that are left as they were."""

    parents: int = 0
    rows: int = 0
    left: int = 0
    done: bool = False


def rehydrate(binding: Binding) -> Iterator[Rehydrated]:
    """Give every list the elements of its rows, in the order and within the cap in which its readers see them.

    Raises:
        Refused: the phase is not PROPERTY_SHIM, or has not settled.
        Busy: the ledger moved meanwhile, or a lock was not obtained.
    """
    entry = writable(binding)
    so_far, after = Rehydrated(), None
    while keys := without_json(binding, after):
        for key in keys:
            written, rows, left = tried(lambda key=key: one(binding, entry, key))  # type: ignore[misc]
            so_far = Rehydrated(so_far.parents + written, so_far.rows + rows, so_far.left + left)
        after = keys[-1]
        yield so_far
    yield Rehydrated(so_far.parents, so_far.rows, so_far.left, done=True)


def rehydrated(binding: Binding) -> int:
    """How many rows have no JSON element and want one, counted as far as 10,000."""
    if binding.position is None:
        return lost(binding)
    text = query("verify", "count_without_json", alone=alone(binding), **only(binding, *PLACES))
    return int(db.scalar(binding.alias, text, {"limit": MOST_COUNTED}))


PLACES = ("child", "fk", "shown", "parent", "parent_key")


def only(binding: Binding, *names: str) -> dict[str, sql.Composable]:
    return {name: compare.places(binding)[name] for name in names}


def alone(binding: Binding) -> sql.Composable:
    """Whether a row was written without JSON. A table without positions cannot say: there every row is looked at."""
    if binding.position is None:
        return sql.SQL("TRUE")
    return sql.SQL("({0} >= 0 AND {0} & 1 = 0)").format(binding.child.column(binding.position))


def lost(binding: Binding) -> int:
    """Rows without an element in a table without positions: both sides have to be compared."""
    count, after = 0, None
    while (parents := course.chunk(binding, after, CHUNK)) and count < MOST_COUNTED:
        keys = [parent.key for parent in parents if not course.agrees(binding, parent)]
        for look in detail.look(binding, keys):
            count += sum(each.kind == result.MISSING_IN_JSON for each in detail.findings(binding, look))
        after = parents[-1].key
    return count


def writable(binding: Binding) -> Entry:
    db.require_commits(binding.alias, "a rehydration")
    entry = ledger.read(binding.alias, binding.name)
    if entry.phase is not Phase.PROPERTY_SHIM or not entry.settled:
        state = "" if entry.settled else ", not settled"
        raise Refused(
            f"{binding.name} is at {entry.phase.name}{state}; JSON is written back from rows at PROPERTY_SHIM.",
            hint=f"Run `cutover rollback {binding.name} {Phase.PROPERTY_SHIM.name}` first, and let it settle.",
        )
    return entry


def without_json(binding: Binding, after: Any) -> list[Any]:
    text = query("verify", "without_json", alone=alone(binding), **only(binding, *PLACES, "type"))
    return [key for (key,) in db.rows(binding.alias, text, {"after": after, "limit": CHUNK})]


def one(binding: Binding, entry: Entry, key: Any) -> tuple[int, int, int]:
    """One parent in one transaction: whether its document was written, rows stamped, rows left."""
    with mend.holding(binding, entry.epoch, key, backfill=False):
        for look in detail.take(binding, [key]):
            return written(binding, look)
    return 0, 0, 0


def written(binding: Binding, look: detail.Look) -> tuple[int, int, int]:
    bare = [row for row in look.sides.rows if any(row.shown) and not row.stands]
    broken = {row.pk for rows in look.broken.values() for row in rows if not row.stands}
    lists = changed(binding, look)
    if lists and not mend.write_lists(binding, look.sides.key, lists):
        return 0, 0, len(bare) + len(broken)
    stamped = mend.stamp(binding, [row.pk for row in bare if row.pk not in broken]) if binding.position else 0
    return int(bool(lists)), stamped, len(broken)


def changed(binding: Binding, look: detail.Look) -> list[tuple[Any, str | None, list[Any]]]:
    """The lists that are not yet as their readers see them."""
    found = []
    for stream in binding.streams:
        for key, sides in snapshot.lists(stream, look.sides, look.document).items():
            new = rebuild.shown(stream, sides)
            old = sides.elements if stream.newest_first else sides.elements[::-1]
            if any(element is None for element in sides.pairing.element_of) and token(new) != token(old):
                found.append((stream, key, new))
    return found
