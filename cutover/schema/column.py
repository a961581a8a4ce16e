"""The JSON column itself: its default, whether it may be NULL, adding and dropping it. It decides nothing."""

from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import IntegrityError, connections, models
from django.db.models.fields import NOT_PROVIDED
from psycopg import sql

from cutover import db
from cutover.errors import Refused
from cutover.schema import introspect, locks, names
from cutover.schema.locks import Wanted
from cutover.sql import query


@dataclass(frozen=True)
class Place:
    """A column on a connection, named by itself: the declaration may have left the code."""

    alias: str
    table: sql.Identifier
    column: str

    @property
    def parts(self) -> dict[str, sql.Composable]:
        return {"table": self.table, "column": sql.Identifier(self.column)}

    def __str__(self) -> str:
        return f"{names.text(self.table)}.{self.column}".replace('"', "")


def relax(place: Place, field: "models.Field[Any, Any]") -> None:
    """Let code that does not know the column insert: a default in the database, or else NULL (ACCESS EXCLUSIVE, an instant).

    Raises:
        Busy: the lock was not obtained.
    """
    found = introspect.find_column(place.alias, place.table, place.column)
    if found is None or found.default is not None:
        return
    if found.nullable and default_sql(field, place.alias) is None:
        return
    for statement in relaxing(place, field):
        change(place, statement)


def relaxing(place: Place, field: "models.Field[Any, Any]") -> list[sql.Composed]:
    """The statement that does it, whatever is there."""
    default = default_sql(field, place.alias)
    if default is not None:
        return [query("schema", "set_default", **place.parts, default=default)]
    return [query("schema", "drop_not_null", **place.parts)]


def tighten(place: Place, field: "models.Field[Any, Any]") -> None:
    """What `relax` did, undone: no default, and NOT NULL where the field says so.

    NOT NULL is proven by a constraint first, so that the table is not scanned under its strongest lock.

    Raises:
        Busy: a lock was not obtained.
        Refused: the column holds NULL and the field does not allow it.
    """
    found = introspect.find_column(place.alias, place.table, place.column)
    if found is None or has_database_default(field):
        return
    if found.default is not None:
        change(place, query("schema", "drop_default", **place.parts))
    if found.nullable and not field.null:
        forbid_null(place)


def forbid_null(place: Place) -> None:
    change(place, query("schema", "drop_not_null_check", **place.parts))
    change(place, query("schema", "add_not_null_check", **place.parts))
    try:
        db.run(place.alias, query("schema", "validate_not_null_check", **place.parts))
    except IntegrityError as error:
        if not isinstance(db.driver_error(error), psycopg.errors.CheckViolation):
            raise
        change(place, query("schema", "drop_not_null_check", **place.parts))
        raise Refused(
            f"{place} holds NULL and its field does not allow it.",
            hint="Fill these rows, or make the field null=True, then run the same again.",
        ) from error
    change(place, query("schema", "set_not_null", **place.parts))


def add(place: Place, field: "models.Field[Any, Any]") -> None:
    """Add the column as `relax` leaves it: a constant default costs no rewrite. Inside the caller's transaction."""
    default = default_sql(field, place.alias)
    parts: dict[str, sql.Composable] = {
        "type": sql.SQL(str(field.db_type(connections[place.alias]))),
        "default": sql.SQL("") if default is None else sql.SQL("DEFAULT {}").format(default),
        "null": sql.SQL("NULL" if field.null or default is None else "NOT NULL"),
    }
    db.run(place.alias, query("schema", "add_column", **place.parts, **parts))


def drop(place: Place) -> None:
    """Drop the column, in the caller's transaction."""
    db.run(place.alias, query("schema", "drop_column", **place.parts))


def change(place: Place, statement: sql.Composable) -> None:
    locks.short_lock(place.alias, lambda: db.run(place.alias, statement), [Wanted(place.table)])


def default_sql(field: "models.Field[Any, Any]", alias: str) -> sql.Composable | None:
    """The field's default as a constant of the database; None where it has none, or none that the database can hold."""
    value = default_value(field, alias)
    if value is None:
        return None
    return sql.SQL(sql.Literal(value).as_string(None).replace("%", "%%"))


def default_value(field: "models.Field[Any, Any]", alias: str) -> Any:
    """The field's default as the driver takes it."""
    if not field.has_default():
        return None
    return field.get_db_prep_save(field.get_default(), connections[alias])


def has_database_default(field: "models.Field[Any, Any]") -> bool:
    return getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
