"""What a cutover is once its models are known: names of tables and columns, types, and bound streams. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import models
from psycopg import sql

from cutover.codecs import Codec, Kind
from cutover.spec import Cutover, Stream
from cutover.spec.stream import Path


@dataclass(frozen=True)
class Table:
    """A table with a primary key of one column."""

    model: type[models.Model]
    name: str
    pk: str
    pk_type: str

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(*self.name.replace('"', "").split("."))

    @property
    def alias(self) -> str:
        """The name under which its columns are qualified: always that of the table, so that any condition fits."""
        return self.name.replace('"', "").split(".")[-1]

    def column(self, name: str) -> sql.Composable:
        return sql.Identifier(self.alias, name)

    @property
    def key(self) -> sql.Composable:
        return self.column(self.pk)

    @property
    def type(self) -> sql.SQL:
        return sql.SQL(self.pk_type)


@dataclass(frozen=True, eq=False)
class BoundStream:
    """A stream whose codec knows the columns of the child table.

    Attributes:
        fields: the fields of a row that an element gives: those of the codec, and that of the dynamic key.
        shown: the condition under which a row shows, over the child table under its own name.
        fill: field name to value, for a row made from an element of this stream alone; None where that is not declared.
    """

    spec: Stream
    number: int
    codec: Codec
    kinds: Mapping[str, Kind]
    shown: sql.Composable
    fill: Mapping[str, object] | None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def steps(self) -> Path:
        return self.spec.steps

    @cached_property
    def key_field(self) -> str | None:
        return None if self.spec.key is None else self.spec.key.column

    @property
    def cap(self) -> int | None:
        return self.spec.cap

    @property
    def distinct(self) -> bool:
        return self.spec.distinct

    @property
    def newest_first(self) -> bool:
        return self.spec.newest_first

    @property
    def fields(self) -> tuple[str, ...]:
        key = () if self.key_field is None else (self.key_field,)
        return (*key, *self.codec.columns)

    def column(self, field: str) -> str:
        return self.kinds[field].column


@dataclass(frozen=True, eq=False)
class Binding:
    """A cutover bound to its models. There is one per cutover and process, so it is its own identity.

    Attributes:
        alias: the database to which the parent model's router writes; the ledger lives there as well.
        field: the JSON field of the model, or None once it has been removed.
        column, storage: the JSON column and its type: `jsonb`, `json` or `text`.
        fk: the column of the child that holds the parent's key.
        position: the position column, or None for a table that was adopted without one.
        ordering: columns that order the rows of a parent, oldest first, the primary key last.
        kinds: every concrete field of the child by its name.
    """

    cutover: type[Cutover]
    alias: str
    parent: Table
    child: Table
    field: models.Field[Any, Any] | None
    field_name: str
    column: str
    storage: str
    nullable: bool
    fk: str
    fk_field: str
    position: str | None
    ordering: tuple[str, ...]
    kinds: Mapping[str, Kind]
    streams: tuple[BoundStream, ...]

    @property
    def name(self) -> str:
        return self.cutover.name

    @property
    def compiles(self) -> bool:
        """Whether every codec has SQL, so that the work can stay in the database."""
        return all(stream.codec.compiles for stream in self.streams)

    def stream(self, name: str) -> BoundStream:
        return next(stream for stream in self.streams if stream.name == name)

    def key(self, text: str) -> Any:
        """A parent's key from its text in a cursor or a mark."""
        return self.parent.model._meta.pk.to_python(text)
