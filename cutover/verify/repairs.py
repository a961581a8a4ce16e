"""Make the two sides agree where one of them can be told to be wrong. What nobody can decide is named and left alone.

JSON wins as long as it is written (up to PROPERTY_SHIM). Some parents are mended in one small transaction, under their locks,
after a new look: what was found before may be gone. Killed anywhere, the same again goes on; nothing is mended twice, for what
has been mended is no difference any more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

from cutover import db
from cutover.chunk import Pace
from cutover.errors import Refused
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.sql import query
from cutover.verify import compare, course, detail, holding, lease, mending, result, suspects
from cutover.verify.compare import Parent
from cutover.verify.detail import Look
from cutover.verify.findings import Finding
from cutover.verify.lease import Told, Turn

WORK = "repair"
MOST_PARENTS = 2_000  # compared at once: so many are looked at again after a kill


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


def repair(binding: Binding, *, apply: bool, fresh: bool = False, told: Told = lease.silent) -> Iterator[Action]:
    """Say for every difference what would be done about it, and where `apply`, do it.

    A repair that was cut short goes on behind its last chunk, unless `fresh`.

    Raises:
        Refused: the column has been dropped, or the phase has not settled.
        Busy: the ledger moved meanwhile, a lock was not obtained, or another repair is running.
    """
    entry = settled(binding)
    if not apply:
        yield from planned(binding, entry)
        return
    with lease.held(binding, WORK, entry.epoch, fresh=fresh, told=told) as turn:
        yield from mended(binding, entry, turn)


def settled(binding: Binding) -> Entry:
    entry = course.comparable(binding)
    if not entry.settled:
        raise Refused(
            f"{entry.phase.name} has not settled; writes from before the move may still land.",
            hint=f"Run `cutover advance {binding.name} {entry.phase.name}` again, then this.",
        )
    return entry


def chunks(binding: Binding, entry: Entry, after: Any) -> Iterator[tuple[list[Parent], Any, Any]]:
    """Chunk after chunk: the parents that may differ, and the keys after which and up to which all are in it."""
    pace, last = Pace(largest=MOST_PARENTS), False
    while not last:
        started, size = monotonic(), pace.size
        parents = course.chunk(binding, after, size)
        course.learn(pace, parents, timedelta(seconds=monotonic() - started))
        last = compare.number(parents) < size
        upto = None if last else parents[-1].key
        yield [parent for parent in parents if course.suspicious(binding, entry, parent)], after, upto
        after = upto


def planned(binding: Binding, entry: Entry) -> Iterator[Action]:
    held = suspects.pace()
    for parents, after, upto in chunks(binding, entry, None):
        for batch in course.batches(parents):
            for key, found in course.examined(binding, batch, held):
                yield from left(entry.phase, key, found)
        for key, rows in suspects.orphans(binding, after, upto):
            yield orphan(key, rows)


def left(phase: Phase, key: Any, found: list[Finding]) -> Iterator[Action]:
    """What there is, and what would be done about it or why nothing is."""
    for each in found:
        if each.kind in result.DIFFERENCES:
            yield action(key, each, mending.what(each.kind, phase) or mending.LEFT[each.kind])


def action(key: Any, found: Finding, what: str, *, done: bool = False) -> Action:
    return Action(found.kind, str(key), found.stream, found.key, found.text, what, done)


def orphan(key: Any, rows: int, *, done: bool = False) -> Action:
    return Action(result.ORPHAN, str(key), "", None, f"{rows} rows", "delete the rows", done)


def mended(binding: Binding, entry: Entry, turn: Turn) -> Iterator[Action]:
    pace = holding.pace()
    for parents, after, upto in chunks(binding, entry, turn.after(binding)):
        for batch in course.batches(parents):
            wrong = differing(binding, batch)
            while wrong:
                some, wrong = suspects.cut(wrong, pace.size, holding.MOST_ELEMENTS)
                started = monotonic()
                yield from mend_some(binding, turn, [parent.key for parent in some])
                course.learn(pace, some, timedelta(seconds=monotonic() - started))
        yield from without_parent(binding, turn, after, upto)
        lease.advance(binding, turn, cursor=None if upto is None else str(upto))


def differing(binding: Binding, parents: list[Parent]) -> list[Parent]:
    """Those in which a look without a lock finds a difference."""
    wrong = {
        look.sides.key
        for look in detail.look(binding, [parent.key for parent in parents])
        if suspects.serious(detail.findings(binding, look))
    }
    return [parent for parent in parents if parent.key in wrong]


def mend_some(binding: Binding, turn: Turn, keys: Sequence[Any]) -> list[Action]:
    """Mend parents, and tell what was done and what is left."""

    def work(keys: Sequence[Any], wait: bool) -> tuple[list[Any], list[Action]]:
        with holding.holding(binding, turn, keys, wait=wait) as held:
            mender = Mender(binding, held.phase)
            mender.mend(held.keys)
            found = mender.left()
            parents = len({each.parent for each in mender.done})
            lease.advance(binding, turn, parents=parents, elements=len(mender.done), left=len(found))
        return held.keys, mender.done + found

    return holding.in_turns(keys, work)


class Mender:
    """Parents under their locks: step by step what can be mended, with a new look after each step that changed something."""

    def __init__(self, binding: Binding, phase: Phase) -> None:
        self.binding, self.phase = binding, phase
        self.looks: dict[Any, Look] = {}
        self.done: list[Action] = []

    def mend(self, keys: Sequence[Any]) -> None:
        self.look(keys)
        for stream in self.binding.streams:
            for kind, step in mending.STEPS.items():
                what = mending.what(kind, self.phase)
                changed = []
                for key, look in self.looks.items() if what else ():
                    found = [each for each in detail.stream_findings(self.binding, stream, look) if each.kind == kind]
                    done = step(self.binding, stream, look, found) if found else []
                    self.done += [action(key, each, what, done=True) for each in done]
                    changed += [key] if done else []
                self.look(changed)

    def look(self, keys: Sequence[Any]) -> None:
        if keys:
            self.looks |= {look.sides.key: look for look in detail.take(self.binding, keys)}

    def left(self) -> list[Action]:
        return [
            each
            for key, look in self.looks.items()
            for each in left(self.phase, key, detail.findings(self.binding, look))
        ]


def without_parent(binding: Binding, turn: Turn, after: Any, upto: Any) -> Iterator[Action]:
    """Delete the rows of parents that are gone, so many parents at once as are looked at together."""
    page: list[Any] = []
    for key, _ in suspects.orphans(binding, after, upto):
        page.append(key)
        if len(page) == holding.MOST_PARENTS:
            yield from deleted(binding, turn, page)
            page = []
    if page:
        yield from deleted(binding, turn, page)


def deleted(binding: Binding, turn: Turn, keys: list[Any]) -> list[Action]:
    text = query("mending", "delete_orphans", **holding.parts(binding, "child", "fk", "parent", "parent_key", "type"))

    def work() -> list[Action]:
        with holding.holding(binding, turn):
            gone = [key for (key,) in db.rows(binding.alias, text, {"keys": keys})]
            found = [orphan(key, gone.count(key), done=True) for key in dict.fromkeys(gone)]
            lease.advance(binding, turn, parents=len(found), elements=len(gone))
        return found

    return holding.tried(work)
