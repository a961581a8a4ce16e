"""The verification itself: chunk by chunk in the order of the keys, resumable, without a lock on anything that agrees.

It changes nothing but its own line in `cutover_verification`.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cutover import db, ledger
from cutover.chunk import Pace
from cutover.errors import Busy, Refused
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.sql import query
from cutover.verify import compare, detail, result, store, streaming, suspects
from cutover.verify.compare import Parent
from cutover.verify.findings import Finding
from cutover.verify.result import Example, Progress, Result

MOST_PARENTS = 10_000  # in a chunk; what is known of them is in memory
MOST_MEASURED = 5_000_000  # elements and rows
MOST_BYTES_MEASURED = 1024**3
MOST_LOOKS = 50  # parents looked at closely in one snapshot
MOST_LOOKED_AT = 20_000  # elements and rows of theirs


@dataclass
class Course:
    """A verification on its way."""

    binding: Binding
    entry: Entry
    result: Result
    cursor: str | None
    pace: Pace = field(default_factory=lambda: Pace(largest=MOST_PARENTS))
    held: Pace = field(default_factory=suspects.pace)  # for the locks of the second look

    @property
    def after(self) -> Any:
        return None if self.cursor is None else self.binding.key(self.cursor)


def run(binding: Binding, *, resume: bool = True) -> Iterator[Progress]:
    """Compare both sides of every parent; the last progress carries the finished result.

    Where `resume`, a verification of the same epoch that was cut short goes on behind its last chunk.

    Raises:
        Refused: the column has been dropped; there is nothing to compare.
        Busy: the ledger moved meanwhile, or somebody else verifies the same cutover.
    """
    course = begun(binding, resume)
    done = False
    while not done:
        started = time.monotonic()
        size = course.pace.size
        parents = chunk(binding, course.after, size)
        done = compare.number(parents) < size
        take(course, parents, last=done)
        learn(course.pace, parents, timedelta(seconds=time.monotonic() - started))
        before, course.cursor = course.cursor, str(parents[-1].key) if parents else course.cursor
        require_unmoved(course)
        store.save(binding.alias, course.result, before=before, cursor=course.cursor, done=done)
        yield Progress(course.result, compare.number(parents), done)


def begun(binding: Binding, resume: bool) -> Course:
    entry = comparable(binding)
    known = store.unfinished(binding.alias, binding.name, entry.epoch) if resume else None
    found, cursor = known or (store.begin(binding.alias, binding.name, entry.epoch), None)
    return Course(binding, entry, found, cursor, pace(binding))


def pace(binding: Binding) -> Pace:
    """How large a chunk may be. Where PostgreSQL measures, only numbers come here, and time alone decides."""
    if not binding.compiles:
        return Pace(largest=MOST_PARENTS)
    return Pace(largest=MOST_PARENTS, most_elements=MOST_MEASURED, most_bytes=MOST_BYTES_MEASURED)


def comparable(binding: Binding) -> Entry:
    """The ledger's entry, if there are two sides to compare.

    Raises:
        Refused: the column has been dropped, or nothing that is found would be kept.
    """
    db.require_commits(binding.alias, "a verification")
    entry = ledger.read(binding.alias, binding.name)
    if entry.dropped_at is not None:
        raise Refused(
            f"The column {binding.column} was dropped at {entry.dropped_at:%Y-%m-%d %H:%M:%S}; there is nothing to compare.",
            hint="Migrate backwards over the drop first; that restores the column from the rows.",
        )
    return entry


def now(binding: Binding) -> datetime:
    """The clock of the database."""
    found: datetime = db.scalar(binding.alias, query("verify", "now"))
    return found


def require_unmoved(course: Course) -> None:
    if ledger.read(course.binding.alias, course.binding.name).epoch != course.entry.epoch:
        raise Busy(
            f"{course.binding.name} was moved to another phase during the verification.",
            hint=f"Run `cutover verify {course.binding.name}` again.",
        )


def chunk(binding: Binding, after: Any, limit: int) -> list[Parent]:
    """The next parents, measured: by SQL where every codec has it."""
    return compare.chunk(binding, after, limit) if binding.compiles else streaming.chunk(binding, after, limit)


def learn(pace: Pace, parents: list[Parent], took: timedelta) -> None:
    elements = sum(each.elements + each.rows for parent in parents for each in parent.streams)
    pace.learn(
        parents=compare.number(parents),
        elements=elements,
        size_bytes=sum(parent.size_bytes for parent in parents),
        took=took,
    )


def take(course: Course, parents: list[Parent], *, last: bool) -> None:
    """Take a chunk into the result: the totals, the suspects looked at again, the orphans in its range."""
    examine(course, parents)
    upto = None if last or not parents else parents[-1].key
    count_orphans(course, suspects.orphans(course.binding, course.after, upto))


def examine(course: Course, parents: list[Parent]) -> None:
    closely: list[Parent] = []
    for parent in parents:
        add(course.result, parent)
        if suspicious(course.binding, course.entry, parent):
            closely.append(parent)
        elif not adopted(course.binding, course.entry):
            if not agrees(course.binding, parent):
                course.result.count(result.PENDING, sum(each.elements for each in parent.streams))
            expected(course.result, parent)
    for batch in batches(closely):
        look_closely(course, batch)


def count_orphans(course: Course, found: Iterable[tuple[Any, int]]) -> None:
    for key, rows in found:
        course.result.count(result.ORPHAN, rows)
        course.result.show(Example(result.ORPHAN, str(key), "", None, f"{rows} rows"))


def suspicious(binding: Binding, entry: Entry, parent: Parent) -> bool:
    """Whether a parent has to be looked at closely."""
    return not (adopted(binding, entry) or agrees(binding, parent) or untouched(parent))


def adopted(binding: Binding, entry: Entry) -> bool:
    """Whether the table was adopted with its rows, and rows are not yet written: then nobody says that they are of the lists."""
    return entry.phase <= Phase.ADD_TABLE and binding.position is None


def add(found: Result, parent: Parent) -> None:
    found.parents += parent.number
    found.json_elements += sum(each.elements for each in parent.streams)
    found.table_elements += sum(each.table_elements for each in parent.streams)
    found.json_checksum = str(int(found.json_checksum) + sum(each.checksum for each in parent.streams))
    found.table_checksum = str(int(found.table_checksum) + sum(each.table_checksum for each in parent.streams))


def agrees(binding: Binding, parent: Parent) -> bool:
    return not parent.unreadable and all(
        each.agrees(compare.in_order(binding, binding.streams[each.stream])) for each in parent.streams
    )


def untouched(parent: Parent) -> bool:
    """Whether the backfill has not been there, and no dual write either: then all of it is pending."""
    quiet = all(not each.rows and not each.broken and not each.odd for each in parent.streams)
    return quiet and not parent.visited and not parent.unreadable


def expected(found: Result, parent: Parent) -> None:
    for each in parent.streams:
        found.count(result.BEYOND_CAP, each.rows - each.kept)
        found.count(result.AFTER_JSON, each.after_json)


def batches(parents: list[Parent]) -> Iterator[list[Parent]]:
    """Parents that fit into memory together."""
    batch: list[Parent] = []
    size = 0
    for parent in parents:
        weight = suspects.weight(parent)
        if batch and (len(batch) == MOST_LOOKS or size + weight > MOST_LOOKED_AT):
            yield batch
            batch, size = [], 0
        batch.append(parent)
        size += weight
    if batch:
        yield batch


def look_closely(course: Course, parents: list[Parent]) -> None:
    for key, found in examined(course.binding, parents, course.held):
        for each in found:
            course.result.count(each.kind)
            course.result.show(example(key, each))


def examined(binding: Binding, parents: list[Parent], held: Pace) -> Iterator[suspects.Found]:
    """The findings of some parents, looked at twice where the first look finds a difference."""
    known = {parent.key: parent for parent in parents}
    again: list[Parent] = []
    for look in detail.look(binding, list(known)):
        found = detail.findings(binding, look)
        if suspects.serious(found):
            again.append(known[look.sides.key])
        else:
            yield look.sides.key, found
    yield from suspects.confirmed(binding, again, held)


def example(key: Any, found: Finding) -> Example:
    return Example(found.kind, str(key), found.stream, found.shown_key, found.text)
