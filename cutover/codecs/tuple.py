"""A JSON list of a fixed length, one column for each of its items."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from cutover.codecs import quote
from cutover.codecs.codec import Undecodable
from cutover.codecs.compiled import Compiled
from cutover.codecs.kinds import Kind
from cutover.codecs.slot import Slot, slot_of
from cutover.codecs.time import Time, field_of


class Tuple(Compiled):
    """`Tuple("level", "message", Time("at"))`: each element is a list of exactly that many items. null is SQL NULL."""

    _slots: tuple[Slot, ...] = ()

    def __init__(self, *columns: str | Time) -> None:
        self._items = columns
        self.columns = tuple(map(field_of, columns))
        if not columns or len(set(self.columns)) != len(columns):
            raise ValueError(f"{self!r} needs at least one column, and each only once.")

    def __repr__(self) -> str:
        return f"Tuple({', '.join(map(repr, self._items))})"

    def _fit(self, kinds: Mapping[str, Kind]) -> None:
        self._slots = tuple(slot_of(item, kinds) for item in self._items)

    def _read(self, element: object) -> dict[str, object]:
        if not isinstance(element, list) or len(element) != len(self._slots):
            raise Undecodable(f"the element is not a list of {len(self._slots)} items", element)
        return {slot.field: slot.read(item) for slot, item in zip(self._slots, element, strict=True)}

    def encode(self, row: Mapping[str, object]) -> object:
        """The list of the columns' values. Raises ValueError if one has no JSON value."""
        self._column_names()
        return [slot.write(row[slot.field]) for slot in self._slots]

    def _items_sql(self, element: sql.Composable) -> list[tuple[Slot, sql.Composable]]:
        return [
            (slot, sql.SQL("(({}) -> {})").format(element, quote.literal(index)))
            for index, slot in enumerate(self._slots)
        ]

    def _fits_sql(self, element: sql.Composable) -> sql.Composable:
        fits = sql.SQL(" AND ").join(slot.fits_sql(item) for slot, item in self._items_sql(element))
        return sql.SQL(
            "CASE WHEN jsonb_typeof({element}) <> 'array' THEN false"
            " WHEN jsonb_array_length({element}) <> {length} THEN false ELSE {fits} END"
        ).format(element=element, length=quote.literal(len(self._slots)), fits=fits)

    def _columns_sql(self, element: sql.Composable) -> dict[str, sql.Composable]:
        return {slot.field: slot.read_sql(item) for slot, item in self._items_sql(element)}

    @property
    def json_type(self) -> str:
        """Each element is a list."""
        return "array"

    def encode_sql(self, alias: str) -> sql.Composable:
        """The list as jsonb; NULL where `encode` raises ValueError."""
        self._column_names()
        # jsonb_insert is strict: an item that is SQL NULL makes the whole NULL, where jsonb_build_array would say null.
        items = (
            sql.SQL("jsonb_insert('[]'::jsonb, '{{0}}', {})").format(slot.write_sql(alias)) for slot in self._slots
        )
        return sql.SQL("({})").format(sql.SQL(" || ").join(items))
