"""Where each column of a new child row comes from: the element, the declaration's `fill`, a default, or the database.

It decides once per stream and reads no data. History must never get the time of the backfill: a time that the element does
not give is NULL, never a default and never `auto_now_add`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from django.db import connections, models
from psycopg import sql

from cutover.errors import DeclarationError
from cutover.mapping import Binding, BoundStream

FIRST = 0  # the stream whose elements must be able to become rows by themselves


@dataclass
class Columns:
    """The columns of a row that is made from one element of a stream, by their names in the database.

    Attributes:
        given: column to field name, for what the element (or its dynamic key) gives.
        constants: column to value, as the driver takes it.
        drawn: columns for which the database draws a UUID.
        left: columns that the database fills by itself.
        lacking: fields that nobody gives and that take no NULL.
        types: column to its type without a length, so that a cast to it never cuts a value off.
    """

    given: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    drawn: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    types: dict[str, sql.SQL] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """The constants under the names that the statements use."""
        return {f"constant_{number}": value for number, value in enumerate(self.constants.values())}

    def constant(self, column: str) -> sql.Composable:
        number = list(self.constants).index(column)
        return sql.SQL("{}::{}").format(sql.Placeholder(f"constant_{number}"), self.types[column])


def check(binding: Binding) -> None:
    """Refuse a declaration whose elements could never become rows.

    Raises:
        DeclarationError: naming the first column that nobody gives.
    """
    lacking = of(binding, binding.streams[FIRST]).lacking
    if lacking:
        stream = binding.streams[FIRST]
        raise DeclarationError(
            f"{binding.name}.{stream.name}: {lacking[0]} takes no NULL, and neither the codec nor `fill` gives it.",
            hint=f"Give {lacking[0]} in the codec or in `fill`, or let the column be null.",
        )


@cache
def of(binding: Binding, stream: BoundStream) -> Columns:
    """Decide for one stream."""
    found = Columns()
    for each in binding.child.model._meta.concrete_fields:
        kind = binding.kinds[each.name]
        found.types[kind.column] = unlimited(kind.sql_type)
        if kind.column not in (binding.fk, binding.position):
            assign(binding, stream, each, kind.column, found)
    return found


def assign(binding: Binding, stream: BoundStream, each: models.Field[Any, Any], column: str, found: Columns) -> None:
    """Put one column where it belongs; what the element gives goes before `fill`, and that before any default."""
    fill = stream.fill or {}
    if each.name in stream.fields:
        found.given[column] = each.name
    elif each.name in fill:
        found.constants[column] = prepared(binding, each, fill[each.name])
    elif isinstance(each, models.AutoField) or getattr(each, "generated", False):
        found.left.append(column)
    elif is_time(each):
        otherwise_null(each, column, found)
    elif getattr(each, "db_default", models.NOT_PROVIDED) is not models.NOT_PROVIDED:
        found.left.append(column)
    elif isinstance(each, models.UUIDField) and callable(each.default) and each.default in (uuid.uuid4, uuid.uuid1):
        found.drawn.append(column)
    elif each.has_default() and not each.primary_key and not (callable(each.default) and each.unique):
        found.constants[column] = prepared(binding, each, each.get_default())
    else:
        otherwise_null(each, column, found)


def otherwise_null(each: models.Field[Any, Any], column: str, found: Columns) -> None:
    found.constants[column] = None
    if not each.null:
        found.lacking.append(each.name)


def is_time(each: models.Field[Any, Any]) -> bool:
    return isinstance(each, models.DateField | models.TimeField)


def prepared(binding: Binding, each: models.Field[Any, Any], value: object) -> Any:
    """A Python value as the driver takes it for this field."""
    return each.get_db_prep_save(value, connection=connections[binding.alias])


def prepare(binding: Binding, name: str, value: object) -> Any:
    """The same for a field by its name."""
    each = cast("models.Field[Any, Any]", binding.child.model._meta.get_field(name))
    return prepared(binding, each, value)


def unlimited(sql_type: str) -> sql.SQL:
    """`varchar(10)` as `varchar`: a cast with a length cuts a text off, without a word."""
    head, _, rest = sql_type.partition("(")
    names = {"serial": "integer", "bigserial": "bigint", "smallserial": "smallint"}
    return sql.SQL(names.get(head, head) + rest.partition(")")[2])


def column_names(binding: Binding, stream: BoundStream) -> list[str]:
    """The columns that an INSERT names, in one order."""
    found = of(binding, stream)
    position = [] if binding.position is None else [binding.position]
    return [binding.fk, *position, *found.given, *found.constants, *found.drawn]


def expressions(binding: Binding, stream: BoundStream, given: Mapping[str, sql.Composable]) -> sql.Composable:
    """The select list of a whole child row; `given` has the expressions of key, position and what the element gives.

    Columns that the database fills by itself are NULL here, so that any condition over the row can be asked.
    """
    found = of(binding, stream)
    values: dict[str, sql.Composable] = dict(given)
    values |= {column: found.constant(column) for column in found.constants}
    values |= {column: sql.SQL("gen_random_uuid()") for column in found.drawn}
    values |= {column: sql.SQL("NULL::{}").format(found.types[column]) for column in found.left}
    return sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(value, sql.Identifier(column)) for column, value in values.items()
    )
