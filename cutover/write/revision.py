"""One list of one locked parent, made to hold what is wanted: the rows first, then the lists of the document.

It opens no transaction and takes no lock; the caller has both, and a phase that holds until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from cutover import snapshot
from cutover.errors import NotEncodable
from cutover.lease import Lease
from cutover.mapping import Binding, BoundStream, path
from cutover.pairing import token
from cutover.snapshot import ListSides, Row, Sides
from cutover.write import changes, given, items, others, refusals
from cutover.write.items import Item
from cutover.write.plan import Plan, plan


class Revision:
    """What is there before a rewrite, and the steps of it."""

    def __init__(self, binding: Binding, key: Any, held: Lease) -> None:
        self.binding = binding
        self.key = key
        self.held = held
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
        return snapshot.take(self.binding, [self.key], documents=documents)[self.key]

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

    def make(self, stream: BoundStream, key: str | None, wanted: list[Any]) -> None:
        """Make the list hold what is wanted, given in the order of the list."""
        if self.reads_json and not path.has_place(stream, self.document, key):
            raise refusals.unfit(self.binding, self.key, stream, key)
        none = snapshot.list_sides(stream, key, [], [])
        mine = snapshot.lists(stream, self.before, self.document).get(key, none)
        newest_first = wanted if stream.newest_first else wanted[::-1]
        lists = {}
        if self.writes_rows:
            lists = self.change_rows(stream, key, mine, newest_first)
        else:
            self.rows_for(stream, key, mine, newest_first)
        if self.reads_json:
            if self.writes_json or mine.elements:
                lists[stream.number, key] = newest_first[: stream.cap] if self.writes_json else []
            set_ = [(place, others.ordered(self.binding, place, each)) for place, each in lists.items()]
            changes.set_lists(self.binding, self.key, set_, marked=self.held.fenced)

    def rows_for(
        self, stream: BoundStream, key: str | None, mine: ListSides, elements: Sequence[Any]
    ) -> list[Item | None]:
        """The rows that elements become; None for what is no row and may stay in JSON, for it is there already."""
        there = {token(element) for element in mine.elements} if self.writes_json else set()
        found: list[Item | None] = []
        for element in elements:
            try:
                found.append(given.item(self.binding, stream, key, element))
            except NotEncodable:
                if token(element) not in there:
                    raise
                found.append(None)
        return found

    def change_rows(
        self, stream: BoundStream, key: str | None, mine: ListSides, wanted: list[Any]
    ) -> dict[changes.Place, list[Any]]:
        """Delete, move and insert rows; the other lists that change with them."""
        todo = plan(
            [token(element) for element in wanted],
            [token(element) for element in mine.row_elements],
            may_stay=[row.stands or not self.writes_json for row in mine.rows],
            distinct=stream.distinct,
            cap=stream.cap,
            movable=self.binding.position is not None,
        )
        gone = [mine.rows[number].pk for number in todo.gone]
        moved = [mine.rows[number] for what, number in todo.tail if what == "row"]
        changes.delete(self.binding, gone)
        heads = self.write_tail(stream, key, mine, wanted, todo)
        if not self.reads_json:
            return {}
        touched = {*gone, *(row.pk for row in moved)} if self.writes_json else set(gone)
        return others.changed(
            self.binding, stream, self.before, self.document, touched, heads if self.writes_json else []
        )

    def write_tail(
        self, stream: BoundStream, key: str | None, mine: ListSides, wanted: list[Any], todo: Plan
    ) -> list[Row]:
        """Move and insert what comes after all that stays; these rows as they are then, oldest first.

        Before STOP_JSON_WRITES they stand for elements. After it a row that moves stands as it did, and a new one if its element
        is only now taken out of JSON: the other lists may still hold what it is there.
        """
        in_json = {token(element) for element in mine.elements}
        elements = [wanted[number] for what, number in todo.tail if what == "element"]
        new = iter(zip(elements, self.rows_for(stream, key, mine, elements), strict=True))
        steps: list[tuple[Row | Item, bool]] = []
        for what, number in todo.tail:
            if what == "row":
                steps.append((mine.rows[number], self.writes_json or mine.rows[number].stands))
                continue
            element, row = next(new)
            if row is not None:
                steps.append((row, self.writes_json or token(element) in in_json))
        return self.write_steps(stream, key, steps)

    def write_steps(self, stream: BoundStream, key: str | None, steps: list[tuple[Row | Item, bool]]) -> list[Row]:
        if not steps:
            return []
        drawn = changes.draw(self.binding, [stands for _, stands in steps])
        moved = [(step.pk, place) for (step, _), place in zip(steps, drawn, strict=True) if isinstance(step, Row)]
        new = [(step, place) for (step, _), place in zip(steps, drawn, strict=True) if isinstance(step, Item)]
        changes.restamp(self.binding, [pk for pk, _ in moved], [place for _, place in moved])
        changes.insert(self.binding, self.key, [item for item, _ in new], [place for _, place in new])
        known = {row.pk for row in self.before.rows}
        pks = {pk for pk, _ in moved}
        after = self.take(documents=False).rows[::-1]
        added = [row for row in after if row.pk not in known]
        shown = [row for row in added if row.shown[stream.number] and items.key_of(stream, row.values) == key]
        if len(shown) < len(new):
            raise items.refusal(self.binding, stream, "the stream itself does not show what its element decodes to")
        return [row for row in after if row.pk in pks or row.pk not in known]
