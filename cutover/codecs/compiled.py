"""What the built-in codecs share: binding, and a decode that proves the round trip in Python and in SQL alike.

A codec gives `_fit`, `_read`, `_fits_sql`, `_columns_sql`; the proofs are written here, once.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

from psycopg import sql

from cutover.codecs import quote
from cutover.codecs.codec import Codec, DecodedSQL, exactly, kind_of
from cutover.codecs.kinds import Kind

DECODED = "cutover_decoded"


class Compiled(Codec):
    """A codec that also compiles to SQL. It has to be bound before it is used."""

    compiles: ClassVar[bool] = True
    _names: Mapping[str, str] | None = None

    def bind(self, kinds: Mapping[str, Kind]) -> Self:
        """Return a codec that knows the columns. Raises ValueError if a column is missing or does not fit."""
        bound = copy.copy(self)
        bound._names = {field: kind_of(field, kinds).column for field in self.columns}
        bound._fit(kinds)
        return bound

    def decode(self, element: object) -> dict[str, object]:
        """The columns of the element, keyed by field name. Raises Undecodable."""
        self._column_names()
        return exactly(self._read, self.encode, element)

    def decode_exactly(self, element: object) -> dict[str, object]:
        """The same as `decode`, which gives the proof already."""
        return self.decode(element)

    def decode_sql(self, element: sql.Composable) -> DecodedSQL:
        """SQL that decodes an expression of type jsonb that is not NULL; total, it raises for no element."""
        columns = self._columns_sql(element)
        # The element stands outside the subquery: inside, its names could be caught by the columns. OFFSET 0 keeps the
        # planner from putting each column in place of each of its uses.
        proof = sql.SQL(
            "coalesce((SELECT {encoded} FROM (SELECT {listed} OFFSET 0) AS {alias})::text = ({element})::text, false)"
        ).format(
            encoded=self.encode_sql(DECODED),
            listed=self._listed_sql(columns),
            alias=quote.identifier(DECODED),
            element=element,
        )
        ok = sql.SQL("CASE WHEN {fits} THEN {proof} ELSE false END").format(fits=self._fits_sql(element), proof=proof)
        return DecodedSQL(ok, columns)

    def decoding_sql(self, element: sql.Composable) -> sql.Composable:
        """The columns, and over them the proof."""
        return sql.SQL(
            "(SELECT {columns}, CASE WHEN {fits} THEN coalesce(({encoded})::text = ({element})::text, false)"
            " ELSE false END AS cutover_ok FROM (SELECT {listed} OFFSET 0) AS {alias})"
        ).format(
            columns=sql.SQL(", ").join(self._decoded_sql().values()),
            fits=self._fits_sql(element),
            encoded=self.encode_sql(DECODED),
            element=element,
            listed=self._listed_sql(self._columns_sql(element)),
            alias=quote.identifier(DECODED),
        )

    def _listed_sql(self, columns: Mapping[str, sql.Composable]) -> sql.Composable:
        """The columns of a SELECT, by their names in the table."""
        names = self._column_names()
        return sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(columns[field], quote.identifier(name)) for field, name in names.items()
        )

    def _decoded_sql(self) -> dict[str, sql.Composable]:
        """The columns of `DECODED` by their fields."""
        return {field: quote.identifier(DECODED, name) for field, name in self._column_names().items()}

    def _column_names(self) -> Mapping[str, str]:
        if self._names is None:
            raise RuntimeError(f"{self!r} is not bound to columns; call bind() first.")
        return self._names

    @abstractmethod
    def _fit(self, kinds: Mapping[str, Kind]) -> None:
        """Take what the columns are. Raises ValueError if one does not fit."""

    @abstractmethod
    def _read(self, element: object) -> dict[str, object]:
        """Decode without the proof. Raises Undecodable."""

    @abstractmethod
    def _fits_sql(self, element: sql.Composable) -> sql.Composable:
        """A condition, total and never NULL, under which the columns may be read."""

    @abstractmethod
    def _columns_sql(self, element: sql.Composable) -> dict[str, sql.Composable]:
        """An expression per field, total: NULL or anything where the element does not fit."""
