"""Puts a document and rows into the database for tests that compare them: for every cutover of the example project alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from cutover import verify
from cutover.mapping import Binding, BoundStream, path
from cutover.verify import Result

NAMES = ("job_logs", "device_events", "account_tags", "ticket_history")
MAKERS: dict[str, Any] = {
    "job_logs": lambda n: f"[2026-03-01 10:00:{n % 60:02d}] INFO line {n}",
    "device_events": lambda n: {"kind": "open", "count": n, "at": None, "note": {"n": n}},
    "account_tags": lambda n: f"tag {n}",
    "ticket_history": lambda n: ["status", n],
}
KEYS: dict[str, str | None] = {"account_tags": "colour"}


@dataclass
class Pair:
    """One parent whose first stream is under test; elements are numbered, oldest first."""

    binding: Binding
    key: Any

    @property
    def stream(self) -> BoundStream:
        return self.binding.streams[0]

    def element(self, number: int) -> Any:
        return MAKERS[self.binding.name](number)

    def write_json(self, elements: Sequence[Any]) -> None:
        """Let the list be these elements, oldest first."""
        ordered = list(elements)[::-1] if self.stream.newest_first else list(elements)
        self.write_document(path.put(self.stream, None, KEYS.get(self.binding.name), ordered))

    def write_document(self, document: Any) -> None:
        model = self.binding.parent.model
        model._default_manager.filter(pk=self.key).update(**{self.binding.field_name: document})
        seen(self.binding)

    def document(self) -> Any:
        model = self.binding.parent.model
        return model._default_manager.filter(pk=self.key).values_list(self.binding.field_name, flat=True).get()

    def listed(self) -> list[Any]:
        """The list, oldest first."""
        found = dict(path.lists(self.stream, self.document())).get(KEYS.get(self.binding.name), [])
        return list(found[::-1] if self.stream.newest_first else found)

    def add_row(self, element: Any, position: int, parent: Any = None) -> Any:
        """A row that shows as this element, at a position of the caller's choice; its key."""
        values = dict(self.stream.codec.decode(element))
        if self.stream.key_field is not None:
            values[self.stream.key_field] = KEYS[self.binding.name]
        values[f"{self.binding.fk_field}_id"] = parent or self.key
        return self.binding.child.model._default_manager.create(**values, position=position).pk

    def add_rows(self, elements: Sequence[Any], first: int = 1) -> None:
        """Rows that stand for JSON, oldest first."""
        for number, element in enumerate(elements, start=first):
            self.add_row(element, 2 * number + 1)

    def rows(self) -> list[Any]:
        """The rows as elements, oldest first."""
        found = self.binding.child.model._default_manager.filter(**{self.binding.fk_field: self.key})
        names = list(self.stream.fields)
        return [
            self.stream.codec.encode({name: getattr(row, name) for name in names})
            for row in found.order_by("position", "pk")
        ]


def parent(binding: Binding, number: int = 1) -> Pair:
    """A parent with an empty document."""
    model = binding.parent.model
    given = {"pk": f"account {number}"} if binding.name == "account_tags" else {}
    made = model._default_manager.create(**given)
    pair = Pair(binding, made.pk)
    pair.write_json([])
    return pair


def seen(binding: Binding) -> None:
    """Let the writes of the test count as the toolkit's: take away what the watch trigger has noted."""
    with connection.cursor() as cursor:
        cursor.execute("delete from cutover_mark where cutover = %s", [binding.name])


def visited(binding: Binding) -> None:
    """Say that the backfill has been everywhere."""
    values = [binding.name]
    with connection.cursor() as cursor:
        cursor.execute("delete from cutover_segment where cutover = %s", values)
        cursor.execute(
            "insert into cutover_segment (cutover, number, worker, done_at, parents, elements, estimate)"
            " values (%s, 0, '', now(), 0, 0, 0)",
            values,
        )


def dirty(binding: Binding, key: Any) -> None:
    """Say that a foreign write waits for the backfill at a parent."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at)"
            " values (%s, %s, 'UPDATE', 'old', 'old', 2, now())",
            [binding.name, str(key)],
        )


def quarantine(binding: Binding, stream: str, key: Any, element: str, *, waived: bool = False) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into cutover_quarantine (cutover, stream, parent_key, digest, occurrence, element, reason, at,"
            " waived_by, waived_at) values (%s, %s, %s, md5(%s), 1, %s, 'why', now(), '', %s)",
            [binding.name, stream, str(key), element, element, "2026-01-01" if waived else None],
        )


def verified(binding: Binding) -> Result:
    """A whole verification from the beginning."""
    *_, last = verify.run(binding, resume=False)
    assert last.done
    return last.result


def kinds(found: Result) -> dict[str, int]:
    return dict(found.found)
