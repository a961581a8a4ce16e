"""Make the two sides agree where one of them can be told to be wrong. What nobody can decide is named and left alone.

JSON wins as long as it is written (up to PROPERTY_SHIM). Each parent is mended in one small transaction of its own, under its
lock, after a new look: what was found before may be gone.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db import DatabaseError

from cutover import db
from cutover.chunk import Pace
from cutover.errors import Busy, Refused
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.sql import query
from cutover.verify import compare, course, detail, mend, mending, result, suspects
from cutover.verify.compare import Parent
from cutover.verify.findings import Finding

T = TypeVar("T")
TRIES = 30  # with jitter, as pgroll and online_migrations
PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Action:
    """One difference and what is done about it; `done` is False where it was only planned, or is left alone."""

    kind: str
    parent: str
    stream: str
    key: str | None
    element: str
    what: str
    done: bool = False


def repair(binding: Binding, *, apply: bool) -> Iterator[Action]:
    """Say for every difference what would be done about it, and where `apply`, do it.

    Raises:
        Refused: the column has been dropped, or the phase has not settled.
        Busy: the ledger moved meanwhile, or a lock was not obtained.
    """
    entry = course.comparable(binding)
    if not entry.settled:
        raise Refused(
            f"{entry.phase.name} has not settled; writes from before the move may still land.",
            hint=f"Run `cutover advance {binding.name} {entry.phase.name}` again, then this.",
        )
    pace, after, last = Pace(), None, False
    while not last:
        size = pace.size
        parents = course.chunk(binding, after, size)
        last = len(parents) < size
        for parent in parents:
            yield from mended(binding, entry, parent, apply)
        upto = None if last else parents[-1].key
        for key, rows in suspects.orphans(binding, after, upto):
            yield orphaned(binding, entry, key, rows, apply)
        after = parents[-1].key if parents else None


def mended(binding: Binding, entry: Entry, parent: Parent, apply: bool) -> Iterator[Action]:
    if entry.phase <= Phase.ADD_TABLE and binding.position is None:
        return
    if course.agrees(binding, parent) or course.untouched(parent):
        return
    found = suspects.confirmed_alone(binding, parent.key)
    if not suspects.serious(found):
        return
    if apply:
        done = tried(lambda: mend_parent(binding, entry, parent.key))
        yield from (action(parent.key, each, what, done=True) for each, what in done)
        found = suspects.confirmed_alone(binding, parent.key)
    for each, what in planned(entry.phase, found):
        yield action(parent.key, each, what)


def mend_parent(binding: Binding, entry: Entry, key: Any) -> list[tuple[Finding, str]]:
    """Mend what can be mended; what was done."""
    done: list[tuple[Finding, str]] = []
    with mend.holding(binding, entry.epoch, key) as held:
        for stream in binding.streams:
            for kind, step in mending.STEPS.items():
                looks = detail.take(binding, [key]) if mending.what(kind, held.phase) else []
                for look in looks:
                    found = [each for each in detail.stream_findings(binding, stream, look) if each.kind == kind]
                    mended = step(binding, stream, look, found) if found else []
                    done += [(each, mending.what(kind, held.phase)) for each in mended]
    return done


def planned(phase: Phase, found: list[Finding]) -> Iterator[tuple[Finding, str]]:
    for each in found:
        if each.kind in result.DIFFERENCES:
            yield each, mending.what(each.kind, phase) or mending.LEFT[each.kind]


def action(key: Any, found: Finding, what: str, *, done: bool = False) -> Action:
    return Action(found.kind, str(key), found.stream, found.key, found.text, what, done)


def orphaned(binding: Binding, entry: Entry, key: Any, rows: int, apply: bool) -> Action:
    planned = Action(result.ORPHAN, str(key), "", None, f"{rows} rows", "delete the rows")
    if not apply:
        return planned
    names = ("child", "fk", "parent", "parent_key", "type")
    text = query("verify", "delete_orphans", **{name: compare.places(binding)[name] for name in names})

    def delete() -> None:
        with mend.holding(binding, entry.epoch):
            db.run(binding.alias, text, {"key": key})

    tried(delete)
    return replace(planned, done=True)


def tried(write: Callable[[], T]) -> T:
    """Try until the locks are obtained.

    Raises:
        Busy: they were not, after 30 tries.
    """
    for _ in range(TRIES):
        try:
            return write()
        except DatabaseError as error:
            if not suspects.lock_not_obtained(error):
                raise
        time.sleep(PAUSE_SECONDS * random.random())  # noqa: S311 - jitter
    raise Busy(
        f"A lock was not obtained in {TRIES} tries of {suspects.LOCK_TIMEOUT}.",
        hint="Run the same command again later.",
    )
