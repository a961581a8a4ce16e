"""Rows alone, as they are written once JSON is not: one of them by a lean INSERT, many by COPY.

For rows that every stream could show, so that nothing has to be asked about what shows them. Where nothing was written, it is
for the one statement of `statement.py` to say why.

Note [Fence before COPY]
    COPY cannot ask the ledger in its own statement. So the ledger is read by the first statement of the transaction that
    copies, and settling covers the rest of it: a move is over when every transaction has ended that was there when its COMMIT
    had returned. A transaction gets its virtual id, which is what settling collects, before its first snapshot. If that
    snapshot showed the ledger as it was, the transaction was there before the move was committed, and either has ended by the
    time settling looks, or is waited for until its rows are committed or gone. That is all the fence of a single statement
    gives: there, too, the snapshot comes first, and the row lands later. It holds at every isolation level and inside a
    caller's transaction, whose virtual id is older still.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import lru_cache
from typing import Any

from django.db import transaction
from psycopg import sql

from cutover import db
from cutover.codecs import Kind, quote
from cutover.lease import Lease
from cutover.mapping import Binding, rows
from cutover.sql import query
from cutover.write import items
from cutover.write.items import Item

STREAMED = 20
"""From so many rows on COPY is quicker than one statement that takes JSON apart, for all its round trips (measured: 16 to 24)."""


def suits(binding: Binding, group: list[Item], held: Lease) -> bool:
    """Whether the rows can be written here. One row only where its INSERT tells whether it was written: else it came twice."""
    fits = counts(binding, held) if len(group) == 1 else len(group) >= STREAMED
    return fits and all(each.sound for each in group)


_counts: dict[Binding, tuple[Lease, bool]] = {}


def counts(binding: Binding, held: Lease) -> bool:
    """Whether the number of rows that an INSERT reports can be believed; asked once in a lease.

    A trigger may lead a row to another table, as partitions were once made, and then it is reported as not written.
    """
    asked, answer = _counts.get(binding, (None, False))
    if asked is not held:
        table = quote.literal(binding.child.identifier.as_string(None))
        answer = bool(db.scalar(binding.alias, query("write", "counts", table=table)))
        _counts[binding] = held, answer
    return answer


def write(binding: Binding, key: Any, group: list[Item], held: Lease) -> bool:
    """Write rows that give the same fields, all of them or, for whatever reason, none."""
    return insert(binding, key, group[0], held) if len(group) == 1 else stream(binding, key, group, held)


def insert(binding: Binding, key: Any, one: Item, held: Lease) -> bool:
    values = {"name": binding.name, "epoch": held.entry.epoch, "key": key}
    kinds = binding.kinds
    for number, name in enumerate(one.given):
        values[f"c{number}"] = items.parameter(kinds[name], one.values[name])
    return db.repeat(binding.alias, insertion(binding, one.given), values)[0] == 1


def stream(binding: Binding, key: Any, group: list[Item], held: Lease) -> bool:
    """See Note [Fence before COPY]. Whatever can fail in Python does so before the COPY has begun."""
    given = group[0].given
    columns = [column(binding.kinds[name], name, group) for name in given]
    values = {"name": binding.name, "epoch": held.entry.epoch, "key": key, "count": len(group)}
    with nullcontext() if db.in_transaction(binding.alias) else transaction.atomic(using=binding.alias):
        found = db.one(binding.alias, opening(binding), values)
        if found is None or not all(found[:3]):
            return False
        if binding.position is not None:
            columns.append(found[3])
        records = zip([key] * len(group), *columns, strict=True)
        db.copy_in(binding.alias, copying(binding, given), records)
    return True


def column(kind: Kind, name: str, group: list[Item]) -> list[Any]:
    """The values of one column, as COPY takes them."""
    values = [each.values[name] for each in group]
    if kind.family == "text" and all(type(value) is str for value in values):
        return values
    return [items.parameter(kind, value) for value in values]


@lru_cache(maxsize=64)
def insertion(binding: Binding, given: tuple[str, ...]) -> str:
    """The statement for one row that gives these fields."""
    values: list[sql.Composable] = []
    for number, name in enumerate(given):
        kind = binding.kinds[name]
        # As elsewhere, JSON goes through jsonb: a json column would keep the text as it was written.
        through = "%({})s::jsonb::{}" if kind.family == "json" else "%({})s::{}"
        values.append(sql.SQL(through).format(sql.SQL(f"c{number}"), sql.SQL(kind.sql_type)))
    if binding.position is not None:
        values.append(rows.next_position(stands_in_json=False))
    parts = {**names(binding, given), "values": sql.SQL(", ").join(values)}
    return db.render(query("write", "insert_alone", **parts))


@lru_cache(maxsize=64)
def opening(binding: Binding) -> str:
    return db.render(
        query(
            "write",
            "open",
            parent=binding.parent.identifier,
            parent_key=binding.parent.key,
            type=binding.parent.type,
            table=quote.literal(binding.child.identifier.as_string(None)),
            position=rows.next_position(stands_in_json=False),
        )
    )


@lru_cache(maxsize=64)
def copying(binding: Binding, given: tuple[str, ...]) -> str:
    parts = names(binding, given)
    return db.render(query("write", "stream_rows", **{each: parts[each] for each in ("child", "fk", "columns")}))


def names(binding: Binding, given: tuple[str, ...]) -> dict[str, sql.Composable]:
    columns = [sql.Identifier(binding.kinds[name].column) for name in given]
    if binding.position is not None:
        columns.append(sql.Identifier(binding.position))
    return {
        "child": binding.child.identifier,
        "fk": sql.Identifier(binding.fk),
        "columns": sql.SQL(", ").join(columns),
        "parent": binding.parent.identifier,
        "parent_key": binding.parent.key,
        "type": binding.parent.type,
    }
