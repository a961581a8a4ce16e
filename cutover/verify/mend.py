"""The writes of a repair, each for one parent whose lock is held: rows, a list, an order. It decides nothing."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

from django.db import connections, models
from psycopg import sql

from cutover import db, ledger, marks
from cutover.mapping import Binding, BoundStream, document, path, rows
from cutover.sql import query
from cutover.verify import compare

T = TypeVar("T")
AT_ONCE = 200  # rows of one statement
Lists = Sequence[tuple[BoundStream, str | None, list[Any]]]


def insert(
    binding: Binding, stream: BoundStream, parent: Any, found: Sequence[tuple[Mapping[str, Any], int]]
) -> list[bool]:
    """Insert the rows of elements, each with its position; False for each that has no value where a column takes no NULL."""
    given = [{binding.fk: parent} | row_values(binding, stream, fields) for fields, _ in found]
    if binding.position is not None:
        given = [values | {binding.position: position} for values, (_, position) in zip(given, found, strict=True)]
    fits = [not lacking(binding, values) for values in given]
    rows_of = [values for values, whole in zip(given, fits, strict=True) if whole]
    for page in pages(rows_of):
        text = insert_statement(binding, tuple(page[0]), len(page))
        db.run(binding.alias, text, numbered([list(values.values()) for values in page]))
    return fits


def lacking(binding: Binding, values: Mapping[str, Any]) -> bool:
    return any(value is None and not kind_of(binding, column).nullable for column, value in values.items())


def pages(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE)]


def numbered(lines: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The values of some rows by the names of their parameters."""
    return {f"v{n}_{number}": value for number, line in enumerate(lines) for n, value in enumerate(line)}


@lru_cache(maxsize=64)
def insert_statement(binding: Binding, columns: tuple[str, ...], count: int) -> str:
    places = [
        sql.SQL("({})").format(
            sql.SQL(", ").join(typed(binding, column, f"v{n}_{number}") for n, column in enumerate(columns))
        )
        for number in range(count)
    ]
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    text = query(
        "mending", "insert_rows", child=binding.child.identifier, columns=names, rows=sql.SQL(", ").join(places)
    )
    return db.render(text)


def update(binding: Binding, found: Sequence[tuple[Any, Mapping[str, Any]]]) -> None:
    """Give rows, by their keys, the values of an element, by field name; each the same fields."""
    for page in pages(found):
        names = tuple(page[0][1])
        lines = [[pk, *(prepared(binding, name, fields[name]) for name in names)] for pk, fields in page]
        db.run(binding.alias, update_statement(binding, names, len(page)), numbered(lines))


@lru_cache(maxsize=64)
def update_statement(binding: Binding, names: tuple[str, ...], count: int) -> str:
    columns = [binding.kinds[name].column for name in names]
    pk = sql.SQL("{}::{}")
    places = [
        sql.SQL("({})").format(
            sql.SQL(", ").join(
                [
                    pk.format(sql.Placeholder(f"v0_{number}"), binding.child.type),
                    *(typed(binding, column, f"v{n}_{number}") for n, column in enumerate(columns, start=1)),
                ]
            )
        )
        for number in range(count)
    ]
    values = [sql.Identifier(f"c{n}") for n in range(len(columns))]
    assignments = [
        sql.SQL("{} = v.{}").format(sql.Identifier(column), value)
        for column, value in zip(columns, values, strict=True)
    ]
    text = query(
        "mending",
        "update_rows",
        child=binding.child.identifier,
        assignments=sql.SQL(", ").join(assignments),
        rows=sql.SQL(", ").join(places),
        names=sql.SQL(", ").join(values),
        pk=binding.child.key,
    )
    return db.render(text)


def delete(binding: Binding, pks: Sequence[Any]) -> None:
    """Delete rows."""
    parts = {"child": binding.child.identifier, "pk": binding.child.key, "pk_type": binding.child.type}
    db.run(binding.alias, query("verify", "delete_rows", **parts), {"pks": list(pks)})


def forget_backfill(binding: Binding) -> None:
    """Have the backfill begin anew."""
    db.run(binding.alias, query("verify", "forget_segments"), {"name": binding.name})
    ledger.set_backfilled(binding.alias, binding.name, False)


def row_values(binding: Binding, stream: BoundStream, found: Mapping[str, Any]) -> dict[str, Any]:
    """By column: what the element gives, then `fill`, then a default. A time that nobody gives is NULL and never today."""
    given = dict(stream.fill or {}) | dict(found)
    values: dict[str, Any] = {}
    for each in binding.child.model._meta.concrete_fields:
        column = binding.kinds[each.name].column
        if each.name in given:
            values[column] = prepared(binding, each.name, given[each.name])
        elif column in (binding.fk, binding.position) or left_to_database(each):
            continue
        else:
            timed = isinstance(each, models.DateField | models.TimeField)
            values[column] = None if timed else prepared(binding, each.name, each.get_default())
    return values


def left_to_database(each: "models.Field[Any, Any]") -> bool:
    drawn = getattr(each, "db_default", models.NOT_PROVIDED) is not models.NOT_PROVIDED
    return isinstance(each, models.AutoField) or bool(getattr(each, "generated", False)) or drawn


def prepared(binding: Binding, name: str, value: Any) -> Any:
    """A value as the driver takes it; JSON as text, for numbers keep every digit there."""
    if binding.kinds[name].family == "json":
        return None if value is None else path.dump(value)
    return field(binding, name).get_db_prep_save(value, connection=connections[binding.alias])


def field(binding: Binding, name: str) -> "models.Field[Any, Any]":
    return cast("models.Field[Any, Any]", binding.child.model._meta.get_field(name))


def kind_of(binding: Binding, column: str) -> Any:
    return next(kind for kind in binding.kinds.values() if kind.column == column)


def typed(binding: Binding, column: str, name: str) -> sql.Composable:
    """A parameter of the column's type; without its length, for a cast to that cuts."""
    kind = kind_of(binding, column)
    text = (
        "text" if kind.family == "text" else kind.sql_type.replace("bigserial", "bigint").replace("serial", "integer")
    )
    cast_to = sql.SQL("text::{}").format(sql.SQL(text)) if kind.family == "json" else sql.SQL(text)
    return sql.SQL("{}::{}").format(sql.Placeholder(name), cast_to)


def renumber(binding: Binding, pks: Sequence[Any]) -> None:
    """Draw new positions for rows, oldest first."""
    db.run(binding.alias, query("verify", "renumber", **row_parts(binding)), {"pks": list(pks)})


def stamp(binding: Binding, pks: Sequence[Any]) -> int:
    """Say of rows that JSON holds them; how many there were."""
    return db.run(binding.alias, query("verify", "stamp", **row_parts(binding)), {"pks": list(pks)})


def row_parts(binding: Binding) -> dict[str, sql.Composable]:
    position = binding.position or ""
    return {
        "child": binding.child.identifier,
        "pk": binding.child.key,
        "pk_type": binding.child.type,
        "stands": rows.stands(binding),
        "position": binding.child.column(position),
        "position_name": sql.Identifier(position),
    }


def write_lists(binding: Binding, key: Any, lists: Lists) -> bool:
    """Put lists into the document of a parent, under the toolkit's mark; False where one of them has no place there."""
    values: dict[str, object] = {"key": key}
    column = binding.parent.column(binding.column)
    base = {name: part for name, part in compare.places(binding).items() if name in ("parent", "parent_key", "type")}
    stored = document.stored_document(binding)
    whole: sql.Composable = query("verify", "first_document", document=stored, column=column, **base)
    for number, (stream, list_key, elements) in enumerate(lists):
        values |= {f"key_{number}": list_key, f"list_{number}": path.dump(elements)}
        whole = next_document(stream, whole, number)
    text = query(
        "verify",
        "write_lists",
        mark=marks.OWN,
        column_name=sql.Identifier(binding.column),
        stored=document.to_storage(binding, sql.SQL("z.document")),
        document=whole,
        **base,
    )
    return db.run(binding.alias, text, values) == 1


def next_document(stream: BoundStream, whole: sql.Composable, number: int) -> sql.Composable:
    """`whole` with the list of that number put into it."""
    before = sql.Identifier("y", "document")
    key = None if stream.key_field is None else sql.SQL("{}::text").format(sql.Placeholder(f"key_{number}"))
    new = sql.SQL("{}::text::jsonb").format(sql.Placeholder(f"list_{number}"))
    return query(
        "verify",
        "next_document",
        with_list=document.with_list(stream, before, key, new),
        fits=document.fits(stream, before, key),
        document=whole,
    )
