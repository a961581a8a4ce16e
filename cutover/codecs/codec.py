"""The contract of element codecs: one JSON list element to the columns of one child row, and back.

The meaning is in Python (`decode`, `encode`); the speed is in SQL (`decode_sql`, `encode_sql`), which must agree with
it for every element. Nothing here opens a connection or knows a concrete codec.

Note [Law]
    For every element that decodes, `encode(decode(element))` is the same element, as `element.same` defines it. What
    would not come back is Undecodable. Elements are what `json.loads` makes of the text of a **jsonb** value (jsonb
    itself turns 1e2 into 100). `json.loads` loses digits of some fractions before a codec can see them (1.50); the SQL
    sees them, and so does Python after `element.loads`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from psycopg import sql

from cutover.codecs.element import same, shown, why_not_jsonb
from cutover.codecs.kinds import Kind


class Undecodable(Exception):
    """An element does not fit the columns, or would not come back the same. `reason` is one sentence."""

    def __init__(self, fact: str, value: object) -> None:
        self.reason = f"{fact}: {shown(value)}."
        super().__init__(self.reason)


@dataclass(frozen=True)
class DecodedSQL:
    """An element taken apart in SQL. `ok` is never NULL; the columns hold for elements where it is true."""

    ok: sql.Composable
    columns: dict[str, sql.Composable]


class Codec(ABC):
    """Maps one element to columns and back. A custom codec gives `columns`, `decode` and `encode`, nothing else."""

    columns: tuple[str, ...]
    compiles: ClassVar[bool] = False

    @property
    def json_type(self) -> str | None:
        """The JSON type that every element has, as `jsonb_typeof` names it; None where there is more than one."""
        return None

    @property
    def unmistakable(self) -> bool:
        """Whether no JSON of another type reads like an element of this one (a string without its quotes)."""
        return False

    textual: ClassVar[bool] = False  # whether every element that decodes is a string

    def bind(self, kinds: Mapping[str, Kind]) -> Self:
        """Return a codec that knows the columns. Raises ValueError if a column is missing or does not fit."""
        for field in self.columns:
            kind_of(field, kinds)
        return self

    @abstractmethod
    def decode(self, element: object) -> dict[str, object]:
        """The columns of the element, keyed by field name. Raises Undecodable."""

    @abstractmethod
    def encode(self, row: Mapping[str, object]) -> object:
        """The element that the row stands for. Raises ValueError if a value that it needs is None."""

    def decode_exactly(self, element: object) -> dict[str, object]:
        """`decode`, and proof that the element comes back the same (Note [Law]), for any codec. Raises Undecodable."""
        return exactly(self.decode, self.encode, element)

    def certain(self, row: Mapping[str, object]) -> bool:  # noqa: ARG002 - a codec of the project's own knows nothing
        """Whether the row's element is known to give the row back, at the codec's precision, without making it.

        For values that their columns take. False says nothing: then encode it, and decode it exactly.
        """
        return False

    def decode_sql(self, element: sql.Composable) -> DecodedSQL:
        """SQL that decodes an expression of type jsonb that is not NULL; total, it raises for no element."""
        raise NotImplementedError(f"{type(self).__name__} does not compile to SQL.")

    def decoding_sql(self, element: sql.Composable) -> sql.Composable:
        """`decode_sql` as a subquery that computes everything once: `cutover_ok`, and the columns by their names in the table.

        `element` is qualified, for its name stands inside of subqueries.
        """
        raise NotImplementedError(f"{type(self).__name__} does not compile to SQL.")

    def direct_sql(self, element: sql.Composable) -> dict[str, sql.Composable]:
        """The columns as `decode_sql` gives them, several times faster: for elements that do not decode they may raise.

        `element` is jsonb, or the text of a JSON string where the codec is `textual`. What holds is only what `proof_sql`
        says. The session's DateStyle has to be ISO.
        """
        return self.decode_sql(element).columns

    def proof_sql(self, element: sql.Composable, columns: Mapping[str, sql.Composable]) -> sql.Composable:
        """Whether the element decodes (Note [Law]), over it and the columns that `direct_sql` gave; NULL is no."""
        del columns
        return self.decode_sql(element).ok

    def encode_sql(self, alias: str) -> sql.Composable:
        """SQL of type jsonb over the child row named by the alias; NULL where `encode` raises ValueError."""
        raise NotImplementedError(f"{type(self).__name__} does not compile to SQL.")

    def text_sql(self, alias: str) -> sql.Composable:
        """The same as text: a string without its quotes, anything else as jsonb prints it."""
        return sql.SQL("({} #>> '{{}}')").format(self.encode_sql(alias))


def kind_of(field: str, kinds: Mapping[str, Kind]) -> Kind:
    """The kind of a field. Raises ValueError, naming the fields that there are."""
    if field not in kinds:
        raise ValueError(f"{field} is not a column of the child; it has {', '.join(kinds) or 'none'}.")
    return kinds[field]


def exactly(
    decode: Callable[[object], dict[str, object]], encode: Callable[[Mapping[str, object]], object], element: object
) -> dict[str, object]:
    """Decode, then prove by encoding that the element comes back the same. Raises Undecodable."""
    reason = why_not_jsonb(element)
    if reason:
        raise Undecodable(f"jsonb cannot hold the element, {reason}", element)
    return proved(decode, encode, element)


def proved(
    decode: Callable[[object], dict[str, object]], encode: Callable[[Mapping[str, object]], object], element: object
) -> dict[str, object]:
    """The same for an element that came out of a jsonb. Raises Undecodable."""
    row = decode(element)
    if not same(encode(row), element):
        raise Undecodable("the element would not come back the same", element)
    return row
