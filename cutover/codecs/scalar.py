"""The whole element in one column. It does not look inside."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from cutover.codecs.compiled import Compiled
from cutover.codecs.form import TextForm
from cutover.codecs.jsonforms import Quoted
from cutover.codecs.kinds import Kind
from cutover.codecs.slot import Slot, slot_of
from cutover.codecs.time import Time, field_of


class Scalar(Compiled):
    """`Scalar("message")`, `Scalar(Time("at", "%Y-%m-%d", tz="UTC"))`: each element is the value of one column."""

    _slot: Slot

    def __init__(self, column: str | Time) -> None:
        self._where = column
        self.columns = (field_of(column),)

    def __repr__(self) -> str:
        return f"Scalar({self._where!r})"

    def _fit(self, kinds: Mapping[str, Kind]) -> None:
        self._slot = slot_of(self._where, kinds)

    def _read(self, element: object) -> dict[str, object]:
        return {self._slot.field: self._slot.read(element)}

    def encode(self, row: Mapping[str, object]) -> object:
        """The value of the column. Raises ValueError if it has no JSON value."""
        self._column_names()
        return self._slot.write(row[self._slot.field])

    def _fits_sql(self, element: sql.Composable) -> sql.Composable:
        return self._slot.fits_sql(element)

    def _columns_sql(self, element: sql.Composable) -> dict[str, sql.Composable]:
        return {self._slot.field: self._slot.read_sql(element)}

    def encode_sql(self, alias: str) -> sql.Composable:
        """The value of the column as jsonb; NULL where `encode` raises ValueError."""
        self._column_names()
        return self._slot.write_sql(alias)

    @property
    def _string(self) -> TextForm | None:
        """The form of the text, where each element is a string."""
        form = self._slot.form
        return form.inner if isinstance(form, Quoted) and not self._slot.takes_null else None

    @property
    def json_type(self) -> str | None:
        """A string where the column has text in JSON, and no NULL."""
        return None if self._string is None else "string"

    def text_sql(self, alias: str) -> sql.Composable:
        """The value of the column as text."""
        form = self._string
        return super().text_sql(alias) if form is None else form.write_sql(self._slot.column_sql(alias))
