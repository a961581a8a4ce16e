"""The SQL behind a part of a list: from one of its ends, its length, in batches; from rows alone, or from JSON alone.

It knows nothing of phases: who asks has made sure that the one side says everything.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from cutover import db
from cutover.mapping import Binding, BoundStream, rows
from cutover.mapping import document as stored
from cutover.read import document, view
from cutover.sql import query

BATCH = 1000  # elements that an iteration holds in memory


@dataclass(frozen=True)
class End:
    """A part that one end of the list tells: so many rows from its newest or its oldest, after the first few."""

    newest: bool
    skip: int
    limit: int | None


@dataclass(frozen=True)
class Portion:
    """One list of one parent; `list_key` is its dynamic key."""

    binding: Binding
    key: Any
    stream: BoundStream
    list_key: str | None

    def json_length(self) -> int:
        found = self.rows_of(self.query("json_length"), {})
        return int(found[0][0]) if found else 0

    def json_part(self, start: int, stop: int | None) -> list[Any]:
        found = self.rows_of(self.query("json_part"), {"start": start, "stop": stop})
        return [json.loads(text) for (text,) in found]

    def at_end(self, end: End) -> list[Any]:
        """The elements from that end on, in the order from there."""
        if not self.stream.distinct:
            return self.elements("part", end)
        if self.stream.cap is None:
            return self.elements("once", end)
        wanted = end.skip + (end.limit or 0)
        limit = int(wanted * document.SLACK) + 1
        while True:
            found = self.elements("part", End(True, 0, limit))
            newest: dict[str, Any] = {}
            for name, each in zip(view.names(found), found, strict=True):
                newest.setdefault(name, each)
            if len(newest) >= wanted or len(found) < limit:
                return list(newest.values())[end.skip : wanted]
            limit *= document.MORE

    def length(self) -> int:
        cap, limit = self.stream.cap, self.stream.cap
        if self.stream.distinct and cap is not None:
            limit = document.limit_of(self.stream)
        while True:
            number, different = self.rows_of(self.query("length"), {"limit": limit})[0]
            shown = different if self.stream.distinct else number
            if cap is None or limit is None or shown >= cap or number < limit:
                return int(shown if cap is None else min(cap, shown))
            limit *= document.MORE

    def elements(self, name: str, end: End) -> list[Any]:
        found = self.rows_of(self.query(name, newest=end.newest), {"skip": end.skip, "limit": end.limit})
        return [self.element(*each) for each in found]

    def element(self, text: str | None, pk: str) -> Any:
        if text is None:
            raise ValueError(f"Row {pk} can be no element of {self.stream.name}.")
        return json.loads(text)

    def batches(self, *, newest: bool) -> Iterator[Any]:
        """All elements; what is written meanwhile is seen where it lies ahead."""
        beyond: sql.Composable = sql.SQL("TRUE")
        last: dict[str, Any] = {}
        while found := self.rows_of(self.query("batch", newest=newest, beyond=beyond), {"limit": BATCH, **last}):
            yield from (self.element(text, pk) for text, pk, _, _ in found)
            sign = sql.SQL("<" if newest else ">")
            here = self.position, self.binding.child.key
            beyond = sql.SQL("({}, {}) {} (%(position)s, %(pk)s)").format(*here, sign)
            last = {"position": found[-1][2], "pk": found[-1][3]}

    def rows_of(self, statement: sql.Composable, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        return db.rows(self.binding.alias, statement, {"key": self.key, "list_key": self.list_key, **values})

    @property
    def position(self) -> sql.Composable:
        return self.binding.child.column(str(self.binding.position))

    def query(self, name: str, *, newest: bool = True, **parts: sql.Composable) -> sql.Composable:
        binding, stream = self.binding, self.stream
        mine = sql.SQL("{} = %(list_key)s::text").format(rows.key(binding, stream))
        key = None if stream.key_field is None else sql.SQL("%(list_key)s::text")
        known: dict[str, sql.Composable] = {
            "type": binding.parent.type,
            "parent": binding.parent.identifier,
            "parent_key": binding.parent.key,
            "list": stored.list_at(stream, stored.stored_document(binding), key),
            "child": binding.child.identifier,
            "fk": rows.parent_key(binding),
            "pk": binding.child.key,
            "shown": stream.shown if key is None else sql.SQL("{} AND {}").format(stream.shown, mine),
            "order": rows.newest_first(binding) if newest else rows.oldest_first(binding),
            "age": sql.SQL("max(e.age)" if newest else "min(e.age)"),
            **({"element": rows.element(binding, stream)} if stream.codec.compiles else {}),
            **({"position": self.position} if name == "batch" else {}),
        }
        return query("read", name, **known, **parts)
