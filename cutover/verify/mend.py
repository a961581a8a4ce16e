"""The writes of a repair, each for one parent whose lock is held: a row, a list, an order. It decides nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from django.db import connections, models
from psycopg import sql

from cutover import db, ledger, marks, snapshot
from cutover.errors import Busy
from cutover.mapping import Binding, BoundStream, document, path, rows
from cutover.phase import Phase
from cutover.sql import query
from cutover.verify import compare
from cutover.verify.suspects import LOCK_TIMEOUT

Lists = Sequence[tuple[BoundStream, str | None, list[Any]]]


class Held(NamedTuple):
    """The ledger as a transaction holds it."""

    phase: Phase
    epoch: int
    settled: bool


@contextmanager
def holding(binding: Binding, epoch: int, key: Any = None, *, backfill: bool = True) -> Iterator[Held]:
    """A transaction in which the ledger does not move, and, where a parent is named, nobody else writes to its lists.

    Where `backfill`, the backfill is kept from the parent as well: both would insert the same row. All of it is waited for
    half a second.

    Raises:
        Busy: the ledger has moved since `epoch`.
    """
    with db.read_committed(binding.alias):
        db.set_local(binding.alias, "lock_timeout", LOCK_TIMEOUT)
        held = hold_ledger(binding)
        if held.epoch != epoch:
            raise Busy(f"{binding.name} was moved to {held.phase.name} meanwhile.", hint="Look at `cutover status`.")
        if key is not None and backfill:
            values = {"name": binding.name, "key": key}
            db.rows(binding.alias, query("verify", "hold_segments", type=binding.parent.type), values)
        if key is not None:
            snapshot.lock(binding, [key])
        yield held


def hold_ledger(binding: Binding) -> Held:
    found = db.one(binding.alias, query("verify", "hold_ledger"), {"name": binding.name})
    return Held(Phase.NOT_STARTED, 0, True) if found is None else Held(Phase(found[0]), found[1], found[2])


def insert(binding: Binding, stream: BoundStream, parent: Any, found: Mapping[str, Any], position: int) -> bool:
    """Insert the row of one element; False where a column that takes no NULL has no value."""
    values: dict[str, Any] = {binding.fk: parent} | row_values(binding, stream, found)
    if binding.position is not None:
        values[binding.position] = position
    if any(value is None and not kind_of(binding, column).nullable for column, value in values.items()):
        return False
    names = sql.SQL(", ").join(map(sql.Identifier, values))
    placed = sql.SQL(", ").join(typed(binding, column, f"v{n}") for n, column in enumerate(values))
    text = query("verify", "insert_row", child=binding.child.identifier, columns=names, values=placed)
    db.run(binding.alias, text, {f"v{n}": value for n, value in enumerate(values.values())})
    return True


def update(binding: Binding, pk: Any, found: Mapping[str, Any]) -> None:
    """Give a row the values of an element, by field name."""
    values = {binding.kinds[name].column: prepared(binding, name, value) for name, value in found.items()}
    assignments = [
        sql.SQL("{} = {}").format(sql.Identifier(column), typed(binding, column, f"v{n}"))
        for n, column in enumerate(values)
    ]
    text = query(
        "verify",
        "update_row",
        child=binding.child.identifier,
        assignments=sql.SQL(", ").join(assignments),
        pk=binding.child.key,
        pk_type=binding.child.type,
    )
    db.run(binding.alias, text, {"pk": pk} | {f"v{n}": value for n, value in enumerate(values.values())})


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
