"""One list of one locked parent, made to hold what is wanted: the rows first, then the lists of the document.

It opens no transaction and takes no lock; the caller has both, and a phase that holds until the transaction ends. Where rows are
written alone others append without that lock: rows that were not there at the beginning are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cutover import snapshot
from cutover.lease import Lease
from cutover.mapping import Binding, BoundStream, path
from cutover.pairing import union
from cutover.snapshot import ListSides, Sides
from cutover.write import changes, given, others, refusals
from cutover.write.reordering import Reordering

Wanted = Callable[["Revision", ListSides], list[Any]]  # in the order of the list


@dataclass
class Seen:
    """The rows that a rewrite concerns: those of its beginning, and those that it has written itself."""

    first: set[Any] | None = None
    own: set[Any] = field(default_factory=set)

    def of(self, sides: Sides) -> Sides:
        """Without the rows that others have written since."""
        if self.first is None:
            self.first = {row.pk for row in sides.rows}
        return replace(sides, rows=[row for row in sides.rows if row.pk in self.first or row.pk in self.own])


class Revision:
    """What is there before a rewrite, and the steps of it."""

    def __init__(self, binding: Binding, key: Any, held: Lease, seen: Seen) -> None:
        self.binding = binding
        self.key = key
        self.held = held
        self.seen = seen
        self.writes_json = held.phase.writes_json
        self.writes_rows = held.phase.writes_rows

    @property
    def reads_json(self) -> bool:
        """Whether some reader unites the rows with the document, so that what is in a list there would come back.

        Also where rows are read alone: a process may be one phase behind, and BACKFILL_AND_DROP can be left until the drop.
        """
        return self.writes_json or self.held.entry.dropped_at is None

    def take(self, *, documents: bool) -> Sides:
        """Both sides, as far as the phase has them."""
        if not self.writes_rows:  # the table may not be there yet
            return Sides(self.key, found=True, text=changes.document_text(self.binding, self.key))
        return self.seen.of(snapshot.take(self.binding, [self.key], documents=documents)[self.key])

    @cached_property
    def before(self) -> Sides:
        return self.take(documents=self.reads_json)

    @cached_property
    def document(self) -> Any:
        if not self.before.readable:
            raise refusals.unfit(self.binding, self.key, None)
        return self.before.document()

    def keys(self, stream: BoundStream) -> list[str | None]:
        """The keys under which the stream has a list, rows, or something else where its list should be."""
        strange = [key for key, value in path.lists(stream, self.document) if not isinstance(value, list)]
        return list(dict.fromkeys([*snapshot.lists(stream, self.before, self.document), *strange]))

    def now(self, mine: ListSides) -> list[tuple[Any, bool]]:
        """A list as its readers find it, newest first and uncut; and whether this rewrite itself has written the element."""
        if not self.writes_rows:
            return [(element, False) for element in mine.elements]
        own = [row.pk in self.seen.own for row in mine.rows]
        if self.held.rows_alone:
            return list(zip(mine.row_elements, own, strict=True))
        found = []
        for side, number in union(mine.pairing):
            row = number if side == "row" else mine.pairing.row_of[number]
            element = mine.row_elements[number] if side == "row" else mine.elements[number]
            found.append((element, row is not None and own[row]))
        return found

    def make(self, stream: BoundStream, key: str | None, wanted: Wanted) -> None:
        """Make the list hold what is wanted."""
        if self.reads_json and not path.has_place(stream, self.document, key):
            raise refusals.unfit(self.binding, self.key, stream, key)
        none = snapshot.list_sides(stream, key, [], [])
        mine = snapshot.lists(stream, self.before, self.document).get(key, none)
        newest_first = wanted(self, mine)[:: 1 if stream.newest_first else -1]
        lists = {}
        if self.writes_rows:
            lists = Reordering(self, stream, key, mine, newest_first).carry_out()
        else:
            given.rows_for(self.binding, stream, key, newest_first, there=mine.elements if self.writes_json else [])
        if self.reads_json:
            if self.writes_json or mine.elements:
                lists[stream.number, key] = newest_first[: stream.cap] if self.writes_json else []
            set_ = [(place, others.ordered(self.binding, place, each)) for place, each in lists.items()]
            changes.set_lists(self.binding, self.key, set_, marked=self.held.fenced)
