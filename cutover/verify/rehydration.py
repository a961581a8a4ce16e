"""Write JSON back from rows, so that readers and writers may go back to it after rows were written alone.

It finds its parents by their rows, and knows how far it is: killed anywhere, the same again goes on with those that are left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from typing import Any

from django.db import DatabaseError, transaction
from psycopg import sql

from cutover import db, ledger, snapshot
from cutover.errors import Refused
from cutover.ledger import Entry
from cutover.mapping import Binding, BoundStream
from cutover.pairing import token
from cutover.phase import Phase
from cutover.sql import query
from cutover.verify import course, detail, holding, lease, mend, rebuild, result
from cutover.verify.lease import Told, Turn

WORK = "rehydration"
AT_ONCE = 1_000  # keys asked for
CHUNK = 100  # parents compared at once, in a table without positions
MOST_COUNTED = 10_000
QUERY_CANCELED = "57014"


@dataclass(frozen=True)
class Rehydrated:
    """How far it is, with what was done before it was cut short: parents written, rows that JSON knows now, rows that JSON
    cannot hold and that are left as they were."""

    parents: int = 0
    rows: int = 0
    left: int = 0
    done: bool = False

    def __add__(self, other: "Rehydrated") -> "Rehydrated":
        return Rehydrated(self.parents + other.parents, self.rows + other.rows, self.left + other.left)


def rehydrate(
    binding: Binding, *, apply: bool = True, fresh: bool = False, told: Told = lease.silent
) -> Iterator[Rehydrated]:
    """Give every list the elements of its rows, in the order and within the cap in which its readers see them.

    Where not `apply`, only say what would be done. One that was cut short goes on behind its last parents, unless `fresh`.

    Raises:
        Refused: the phase is not PROPERTY_SHIM, or has not settled.
        Busy: the ledger moved meanwhile, a lock was not obtained, or another rehydration is running.
    """
    entry = writable(binding)
    if not apply:
        yield from planned(binding)
        return
    with lease.held(binding, WORK, entry.epoch, fresh=fresh, told=told) as turn:
        yield from applied(binding, turn)


def planned(binding: Binding) -> Iterator[Rehydrated]:
    so_far = Rehydrated()
    for keys in pages(binding, None):
        for start in range(0, len(keys), holding.MOST_PARENTS):
            for look in detail.look(binding, keys[start : start + holding.MOST_PARENTS]):
                so_far += plan(binding, look)
        yield so_far
    yield replace(so_far, done=True)


def plan(binding: Binding, look: detail.Look) -> Rehydrated:
    """What `written` would do."""
    lists, rows, other = changed(binding, look), len(bare(look)), len(broken(look))
    if lists and not all(has_place(look, stream, key) for stream, key, _ in lists):
        return Rehydrated(left=rows + other)
    return Rehydrated(int(bool(lists)), rows, other)


def has_place(look: detail.Look, stream: BoundStream, key: str | None) -> bool:
    """Whether the document has a place for a list."""
    in_the_way = detail.misplaced(stream, look.document)
    whole = look.document is not None and not isinstance(look.document, dict if stream.steps else list)
    return not (look.unreadable or whole or any(each.key in (None, key) for each in in_the_way))


def applied(binding: Binding, turn: Turn) -> Iterator[Rehydrated]:
    pace = holding.pace()
    for page in pages(binding, turn.after(binding)):
        keys = page
        while keys:
            some, keys = keys[: pace.size], keys[pace.size :]
            started = monotonic()
            write_some(binding, turn, some)
            took = timedelta(seconds=monotonic() - started)
            pace.learn(parents=len(some), elements=0, size_bytes=0, took=took)
            lease.advance(binding, turn, cursor=str(some[-1]))
            yield Rehydrated(turn.parents, turn.elements, turn.left)
    yield Rehydrated(turn.parents, turn.elements, turn.left, done=True)


def write_some(binding: Binding, turn: Turn, keys: Sequence[Any]) -> None:
    def work(keys: Sequence[Any], wait: bool) -> tuple[list[Any], list[None]]:
        with holding.holding(binding, turn, keys, wait=wait, backfill=False) as held:
            done = written(binding, detail.take(binding, held.keys))
            lease.advance(binding, turn, parents=done.parents, elements=done.rows, left=done.left)
        return held.keys, []

    holding.in_turns(keys, work)


def pages(binding: Binding, after: Any) -> Iterator[list[Any]]:
    """The keys of the parents that have rows of which JSON knows nothing."""
    while keys := without_json(binding, after):
        yield keys
        after = keys[-1]


@dataclass(frozen=True)
class Alone:
    """Rows that have no JSON element and want one, and their parents; where it is not `exact`, there may be more of both."""

    rows: int
    parents: int
    exact: bool = True


def rehydrated(binding: Binding) -> int:
    """How many rows have no JSON element and want one, counted as far as 10,000."""
    return alone(binding).rows


def alone(binding: Binding, *, patience: timedelta | None = None) -> Alone:
    """Rows of which JSON knows nothing, counted as far as 10,000; with `patience`, only as far as one comes in that time."""
    if binding.position is None:
        return lost(binding, patience)
    text = query("verify", "count_without_json", alone=written_alone(binding), **holding.parts(binding, *PLACES))
    try:
        with transaction.atomic(using=binding.alias):
            if patience is not None:
                db.set_local(binding.alias, "statement_timeout", f"{round(patience.total_seconds() * 1000)}ms")
            rows, parents = db.one(binding.alias, text, {"limit": MOST_COUNTED}) or (0, 0)
    except DatabaseError as error:
        if patience is None or db.sqlstate(error) != QUERY_CANCELED:
            raise
        return Alone(0, 0, exact=False)
    return Alone(rows, parents, exact=rows < MOST_COUNTED)


PLACES = ("child", "fk", "shown", "parent", "parent_key")


def written_alone(binding: Binding) -> sql.Composable:
    """Whether a row was written without JSON. A table without positions cannot say: there every row is looked at."""
    if binding.position is None:
        return sql.SQL("TRUE")
    return sql.SQL("({0} >= 0 AND {0} & 1 = 0)").format(binding.child.column(binding.position))


def lost(binding: Binding, patience: timedelta | None) -> Alone:
    """Rows without an element in a table without positions: both sides have to be compared."""
    rows, lacking, after, until = 0, 0, None, None if patience is None else monotonic() + patience.total_seconds()
    while parents := course.chunk(binding, after, CHUNK):
        keys = [parent.key for parent in parents if not course.agrees(binding, parent)]
        for look in detail.look(binding, keys):
            missing = [each for each in detail.findings(binding, look) if each.kind == result.MISSING_IN_JSON]
            found = len({each.row.pk for each in missing if each.row is not None})  # one row may show in two lists
            rows, lacking = rows + found, lacking + bool(found)
        after = parents[-1].key
        if rows >= MOST_COUNTED or (until is not None and monotonic() > until):
            return Alone(rows, lacking, exact=False)
    return Alone(rows, lacking)


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
    text = query("verify", "without_json", alone=written_alone(binding), **holding.parts(binding, *PLACES, "type"))
    return [key for (key,) in db.rows(binding.alias, text, {"after": after, "limit": AT_ONCE})]


def written(binding: Binding, looks: list[detail.Look]) -> Rehydrated:
    """Parents whose locks are held: documents written, rows stamped, rows left."""
    done, stands = Rehydrated(), []
    for look in looks:
        lists, rows, other = changed(binding, look), bare(look), len(broken(look))
        if lists and not mend.write_lists(binding, look.sides.key, lists):
            done += Rehydrated(left=len(rows) + other)
            continue
        done += Rehydrated(int(bool(lists)), 0, other)
        stands += rows
    return done + Rehydrated(rows=mend.stamp(binding, stands) if binding.position and stands else 0)


def bare(look: detail.Look) -> list[Any]:
    """The rows that stand for no JSON element, and that can be one."""
    not_these = broken(look)
    return [row.pk for row in look.sides.rows if any(row.shown) and not row.stands and row.pk not in not_these]


def broken(look: detail.Look) -> set[Any]:
    """The rows that stand for no JSON element, and that can be none."""
    return {row.pk for rows in look.broken.values() for row in rows if not row.stands}


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
