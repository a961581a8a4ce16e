"""The single statements of a rewrite, on a parent that it has locked: rows away, moved, edited, in; lists set.

They decide nothing, and carry no fence: the transaction that took the lock has passed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from psycopg import sql

from cutover import db
from cutover.lease import Lease
from cutover.mapping import Binding, document, path
from cutover.sql import query
from cutover.write import items, statement
from cutover.write.items import Item

Place = tuple[int, str | None]  # a stream's number, and the dynamic key of its list


def names(binding: Binding) -> dict[str, sql.Composable]:
    parent = binding.parent
    return {
        "parent": parent.identifier,
        "parent_key": parent.key,
        "type": parent.type,
        "alias": sql.Identifier(parent.alias),
    }


def claim(binding: Binding, key: Any, held: Lease) -> tuple[bool, bool]:
    """Lock the parent until the end of the transaction: whether the ledger is where it was, and the parent there."""
    fence = query("write", "fence" if held.fenced else "no_fence")
    values = {"name": binding.name, "epoch": held.entry.epoch, "key": key}
    found = db.one(binding.alias, query("write", "claim", fence=fence, **names(binding)), values)
    return (False, False) if found is None else (bool(found[0]), bool(found[1]))


def document_text(binding: Binding, key: Any) -> str | None:
    column = binding.parent.column(binding.column)
    found = db.scalar(binding.alias, query("write", "document", column=column, **names(binding)), {"key": key})
    return None if found is None else str(found)


def draw(binding: Binding, stands: Sequence[bool]) -> list[int]:
    """New positions, ascending, each with the bit that says whether its row stands for a JSON element."""
    drawn = db.rows(
        binding.alias,
        query("write", "draw", position=sql.SQL("nextval('cutover_position_v1') * 2")),
        {"count": len(stands)},
    )
    return [position + int(each) for (position,), each in zip(drawn, stands, strict=True)]


def delete(binding: Binding, pks: list[Any]) -> None:
    child = binding.child
    if pks:
        db.run(
            binding.alias,
            query("write", "delete", child=child.identifier, pk=child.key, type=child.type),
            {"pks": pks},
        )


def restamp(binding: Binding, pks: list[Any], positions: list[int]) -> None:
    child = binding.child
    if pks and binding.position is not None:
        column = sql.Identifier(binding.position)
        text = query("write", "restamp", child=child.identifier, column=column, pk=child.key, type=child.type)
        db.run(binding.alias, text, {"pks": pks, "positions": positions})


def insert(binding: Binding, key: Any, new: Sequence[Item], positions: list[int]) -> list[Any]:
    """Insert rows at their positions, in order; their keys."""
    found: list[Any] = []
    pairs = zip(new, positions, strict=True)
    for given, run in groupby(pairs, key=lambda each: each[0].given):
        chosen, places = zip(*run, strict=True)
        values = {"key": key, "items": items.payload(binding, list(chosen), given), "positions": list(places)}
        found += [pk for (pk,) in db.rows(binding.alias, insertion(binding, given), values)]
    return found


@lru_cache(maxsize=64)
def insertion(binding: Binding, given: tuple[str, ...]) -> str:
    columns: list[sql.Composable] = [sql.Identifier(binding.kinds[name].column) for name in given]
    values: list[sql.Composable] = [sql.SQL("i.{}").format(column) for column in columns]
    if binding.position is not None:
        columns.append(sql.Identifier(binding.position))
        values.append(sql.SQL("(%(positions)s::bigint[])[i.cutover_n + 1]"))
    return db.render(
        query(
            "write",
            "insert_rows",
            item=statement.item(binding, given),
            child=binding.child.identifier,
            fk=sql.Identifier(binding.fk),
            columns=sql.SQL(", ").join(columns),
            values=sql.SQL(", ").join(values),
            type=binding.parent.type,
            pk=binding.child.key,
        )
    )


def edit(binding: Binding, key: Any, edited: Sequence[tuple[Any, Item]]) -> None:
    """Give rows, by their keys, the values of an element; columns that the element does not give stay."""
    by_given: dict[tuple[str, ...], list[tuple[Any, Item]]] = {}
    for each in edited:
        by_given.setdefault(each[1].given, []).append(each)
    for given, group in by_given.items():
        values = {
            "key": key,
            "items": items.payload(binding, [item for _, item in group], given),
            "pks": [pk for pk, _ in group],
        }
        db.run(binding.alias, edition(binding, given), values)


@lru_cache(maxsize=64)
def edition(binding: Binding, given: tuple[str, ...]) -> str:
    columns = [sql.Identifier(binding.kinds[name].column) for name in given]
    return db.render(
        query(
            "write",
            "edit_rows",
            item=statement.item(binding, given),
            child=binding.child.identifier,
            assignments=sql.SQL(", ").join(sql.SQL("{0} = i.{0}").format(column) for column in columns),
            pk=binding.child.key,
            pk_type=binding.child.type,
        )
    )


def set_lists(binding: Binding, key: Any, lists: Iterable[tuple[Place, list[Any]]], *, marked: bool) -> None:
    """Put lists into the document of a parent, one after the other; all must have a place there."""
    for (number, dynamic), elements in lists:
        values = {"key": key, "dynamic": dynamic, "list": path.dump(elements)}
        db.run(binding.alias, setting(binding, number, marked), values)


@lru_cache(maxsize=64)
def setting(binding: Binding, number: int, marked: bool) -> str:
    stream = binding.streams[number]
    dynamic = None if stream.key_field is None else sql.SQL("%(dynamic)s::text")
    new = sql.SQL("%(list)s::text::jsonb")
    whole = document.with_list(stream, document.stored_document(binding), dynamic, new)
    return db.render(
        query(
            "write",
            "set_lists",
            mark=statement.mark(marked),
            column=sql.Identifier(binding.column),
            stored=document.to_storage(binding, whole),
            **names(binding),
        )
    )
