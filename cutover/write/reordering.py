"""The rows of one list, made to hold what is wanted in its order: as few of them as possible are touched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import models

from cutover import snapshot
from cutover.mapping import BoundStream
from cutover.pairing import token
from cutover.snapshot import ListSides, Row
from cutover.write import changes, given, items, others, placing
from cutover.write.items import Item
from cutover.write.placing import Spot
from cutover.write.plan import Step, plan

if TYPE_CHECKING:
    from cutover.write.revision import Revision


@dataclass(frozen=True)
class Entry:
    """A place of the new list: a row that is there, or the row that an element becomes."""

    row: Row | None
    item: Item | None
    spot: Spot
    equals: tuple[int, ...] = ()


class Reordering:
    """One list, both sides of it, and what it is to hold, newest first."""

    def __init__(
        self, revision: Revision, stream: BoundStream, key: str | None, mine: ListSides, wanted: list[Any]
    ) -> None:
        self.revision, self.binding = revision, revision.binding
        self.stream, self.key, self.mine, self.wanted = stream, key, mine, wanted
        self.writes_json = revision.writes_json

    def carry_out(self) -> dict[changes.Place, list[Any]]:
        """Delete, edit, move and insert; the other lists that change with it."""
        todo = plan(
            [token(element) for element in self.wanted],
            [token(element) for element in self.mine.row_elements],
            may_stay=[row.stands or not self.writes_json for row in self.mine.rows],
            distinct=self.stream.distinct,
            cap=self.stream.cap,
            movable=self.binding.position is not None,
            decodes=lambda number: given.decodes(self.stream, self.wanted[number]),
        )
        gone = {self.mine.rows[number].pk for number in todo.gone}
        changes.delete(self.binding, list(gone))
        edited = self.edit(todo.steps)
        entries = self.entries(todo.steps)
        moved, new = self.arrange(entries)
        after = self.revision.take(documents=False).rows if gone or edited or moved or new else self.mine.rows
        self.check(after, edited, new)
        return self.others(gone | edited, moved, after, new)

    def edit(self, steps: tuple[Step, ...]) -> set[Any]:
        """Give rows the values of the elements that they are to hold; their keys."""
        edited = [
            (self.mine.rows[step.row].pk, given.edit(self.binding, self.stream, self.wanted[step.element]))
            for step in steps
            if step.row is not None and step.element is not None
        ]
        changes.edit(self.binding, self.revision.key, edited)
        return {pk for pk, _ in edited}

    # --- where everything goes ---

    def entries(self, steps: tuple[Step, ...]) -> list[Entry]:
        """The places of the list, oldest first; an element that is no row and stays in JSON alone has none."""
        elements = [self.wanted[step.element] for step in steps if step.row is None and step.element is not None]
        there = self.mine.elements if self.writes_json else []
        rows = given.rows_for(self.binding, self.stream, self.key, elements, there=there)
        new = iter(zip(elements, rows, strict=True))
        found: list[Entry] = []
        for step in steps:
            if step.row is not None:
                found += self.there(step)
                continue
            element, item = next(new)
            if item is not None:
                found.append(Entry(None, item, Spot(self.writes_json or token(element) in self.in_json)))
        return found

    @cached_property
    def in_json(self) -> set[str]:
        return {token(element) for element in self.mine.elements}

    def there(self, step: Step) -> list[Entry]:
        """A row that is there; where it moves, with all that are equal to it in a distinct list."""
        if not step.stays and step.equals:
            return [entry for number in step.equals for entry in self.there(Step(number))]
        row = self.mine.rows[step.row or 0]
        stands = self.writes_json or (row.stands and not (step.element is not None and self.masks(row, step.element)))
        return [Entry(row, None, Spot(stands, row.position, row.pk, step.stays and stands == row.stands), step.equals)]

    def masks(self, row: Row, number: int) -> bool:
        """Whether an edited row would stand for an element of another list, which has to have a row of its own."""
        values = row.values | self.stream.codec.decode_exactly(self.wanted[number])
        for stream in self.binding.streams:
            if stream is not self.stream:
                made = items.element(stream, values)
                lists = snapshot.lists(stream, self.revision.before, self.revision.document).values()
                if not made.reason and any(token(made.value) == token(each) for one in lists for each in one.elements):
                    return True
        return False

    def arrange(self, entries: list[Entry]) -> tuple[set[Any], list[tuple[Any, Item]]]:
        """Move rows and insert the new ones: the keys of those that have moved, and of the new ones, each with its item."""
        entries, places = self.placed(entries)
        fresh = [number for number, position in enumerate(places) if position is None]
        if self.binding.position is not None:
            drawn = changes.draw(self.binding, [entries[number].spot.stands for number in fresh])
            places = [*places]
            for number, position in zip(fresh, drawn, strict=True):
                places[number] = position
        moved = [
            (entry.row.pk, position)
            for entry, position in zip(entries, places, strict=True)
            if entry.row is not None and position != entry.row.position
        ]
        new = [(entry.item, place or 0) for entry, place in zip(entries, places, strict=True) if entry.item is not None]
        changes.restamp(self.binding, [pk for pk, _ in moved], [position or 0 for _, position in moved])
        pks = changes.insert(self.binding, self.revision.key, [item for item, _ in new], [place for _, place in new])
        self.revision.seen.own.update(pks)
        return {pk for pk, _ in moved}, list(zip(pks, [item for item, _ in new], strict=True))

    def placed(self, entries: list[Entry]) -> tuple[list[Entry], list[int | None]]:
        """A position for each entry, None for a new one; rows that have to make room bring their equals along."""
        if self.binding.position is None:
            return entries, [None if entry.row is None else entry.row.position for entry in entries]
        ties = isinstance(self.binding.child.model._meta.pk, models.AutoField)
        while True:
            mine = {entry.row.pk for entry in entries if entry.row is not None}
            taken = [r.position for r in self.revision.before.rows if r.pk not in mine and r.position is not None]
            places = placing.place([entry.spot for entry in entries], ties=ties, taken=taken)
            alone = {
                number
                for number, (entry, position) in enumerate(zip(entries, places, strict=True))
                if entry.equals and entry.row is not None and entry.spot.stays and position != entry.row.position
            }
            if not alone:
                return entries, places
            entries = [
                each
                for number, entry in enumerate(entries)
                for each in (self.there(Step(None, equals=entry.equals)) if number in alone else [entry])
            ]

    # --- what comes of it ---

    def check(self, after: list[Row], edited: set[Any], new: list[tuple[Any, Item]]) -> None:
        """Every row that was written has to show in its list, and has to be an element wherever it shows."""
        written = edited | {pk for pk, _ in new}
        for row in after:
            if row.pk not in written:
                continue
            written.discard(row.pk)
            if not row.shown[self.stream.number] or items.key_of(self.stream, row.values) != self.key:
                written.add(row.pk)
                break
            for stream in self.binding.streams:
                made = items.element(stream, row.values) if row.shown[stream.number] else None
                if made is not None and made.reason:
                    raise items.refusal(self.binding, stream, made.reason)
        if written:
            raise items.refusal(
                self.binding, self.stream, "the stream itself does not show what its element decodes to"
            )

    def others(
        self, touched: set[Any], moved: set[Any], after: list[Row], new: list[tuple[Any, Item]]
    ) -> dict[changes.Place, list[Any]]:
        revision, before = self.revision, self.revision.before
        if not revision.reads_json:
            return {}
        if not self.writes_json:
            return others.emptied(self.binding, self.stream, before, revision.document, touched)
        had = {
            pk
            for pk, item in new
            if item.elements[self.stream.number].wrapped is not None
            and token(item.elements[self.stream.number].value) in self.in_json
        }
        return others.changed(self.binding, self.stream, before, revision.document, after, touched | moved, had)
