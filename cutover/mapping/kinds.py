"""What a column of the child table can hold, read from its Django field."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from cutover.codecs import Kind
from cutover.errors import DeclarationError

FAMILIES = {
    "varchar": "text",
    "text": "text",
    "char": "text",
    "citext": "text",
    "character": "text",
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "serial": "integer",
    "bigserial": "integer",
    "smallserial": "integer",
    "double": "float",
    "numeric": "decimal",
    "boolean": "boolean",
    "timestamp": "time",
    "uuid": "uuid",
    "jsonb": "json",
    "json": "json",
}
BITS = {"smallint": 16, "smallserial": 16, "integer": 32, "serial": 32, "bigint": 64, "bigserial": 64}


def kind(field: models.Field[Any, Any], connection: BaseDatabaseWrapper) -> Kind:
    """The kind of a concrete field.

    Raises:
        DeclarationError: the column has a type that no element can be kept in.
    """
    sql_type = str(field.rel_db_type(connection) if field.is_relation else field.db_type(connection))
    word = sql_type.split("(", 1)[0].split(maxsplit=1)[0].lower()
    return Kind(
        column=str(field.column),
        family=FAMILIES.get(word, "other"),  # type: ignore[arg-type]
        sql_type=sql_type,
        nullable=field.null,
        max_length=getattr(field, "max_length", None) if FAMILIES.get(word) == "text" else None,
        bits=BITS.get(word),
        digits=getattr(field, "max_digits", None),
        places=getattr(field, "decimal_places", None),
        aware="with time zone" in sql_type,
    )


def key_type(field: models.Field[Any, Any], connection: BaseDatabaseWrapper) -> str:
    """The SQL type of a primary key, as a parameter is cast to it.

    Raises:
        DeclarationError: keys of that type are not supported.
    """
    sql_type = str(field.rel_db_type(connection))
    word = sql_type.split("(", 1)[0].split(maxsplit=1)[0].lower()
    if FAMILIES.get(word) not in ("integer", "uuid", "text"):
        raise DeclarationError(
            f"{field.model.__name__}.{field.name} is a {sql_type} primary key.",
            hint="Use an integer, UUID or string key of one column.",
        )
    return sql_type
