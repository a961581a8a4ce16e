"""Which parents the next chunk takes: in the order of their keys, and no more of them than the limits allow. It only reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from cutover import db
from cutover.backfill import misplaced
from cutover.backfill.lease import Segment
from cutover.chunk import LONG, Pace
from cutover.mapping import Binding, BoundStream, document
from cutover.sql import query

Lengths = Mapping[str, Sequence[int]]
"""For parents by their keys how many elements each stream has there, in the order of the streams; a parent without is unknown."""


@dataclass(frozen=True)
class Reach:
    """Some parents by their keys as text, and what their documents hold.

    Attributes:
        unreadable: those whose document jsonb cannot hold.
        lengths: of those that are readable; where something else stands than a list, or on the way to it, it is -1.
    """

    keys: list[str]
    elements: int
    size_bytes: int
    unreadable: list[str]
    lengths: Lengths = field(default_factory=dict)


def after(binding: Binding, segment: Segment, cursor: str | None, pace: Pace) -> Reach:
    """The next parents of a segment behind its cursor; a cursor of None stands at its beginning."""
    start = segment.lower if cursor is None else cursor
    parts = {"key": binding.parent.key, "type": binding.parent.type}
    conditions: list[sql.Composable] = [sql.SQL("TRUE")]
    if start is not None:
        conditions.append(behind(binding))
    if segment.upper is not None:
        conditions.append(sql.SQL("{key} <= %(upper)s::text::{type}").format(**parts))
    return ask(binding, sql.SQL(" AND ").join(conditions), {"start": start, "upper": segment.upper}, pace)


def keys(binding: Binding, cursor: str | None, pace: Pace) -> tuple[list[str], int]:
    """The next parents of all behind a cursor, and the bytes that are stored of their documents, none of which is read."""
    parts: dict[str, sql.Composable] = {
        "value": binding.parent.column(binding.column),
        "parent_key": binding.parent.key,
        "parent": binding.parent.identifier,
        "range": sql.SQL("TRUE") if cursor is None else behind(binding),
    }
    values = {"start": cursor, "limit": pace.size, "bytes": pace.size_bytes}
    found = db.rows(binding.alias, query("backfill", "next_keys", **parts), values)
    return [row[0] for row in found], sum(row[1] for row in found)


def behind(binding: Binding) -> sql.Composable:
    return sql.SQL("{} > %(start)s::text::{}").format(binding.parent.key, binding.parent.type)


def unreadable(binding: Binding) -> sql.Composable:
    """Whether the column holds text that is no JSON, or that jsonb cannot hold."""
    if binding.storage == "jsonb":
        return sql.SQL("FALSE")
    column = binding.parent.column(binding.column)
    return sql.SQL("({} IS NOT NULL AND {} IS NULL)").format(column, document.stored_document(binding))


def among(binding: Binding, keys: list[str], pace: Pace) -> Reach:
    """The first of these parents; those that are gone are none."""
    parts = {"key": binding.parent.key, "type": binding.parent.type}
    return ask(binding, sql.SQL("{key} = ANY(%(among)s::text[]::{type}[])").format(**parts), {"among": keys}, pace)


def existing(binding: Binding, keys: list[str]) -> set[str]:
    """Which of these keys belong to a parent."""
    parts = {"parent_key": binding.parent.key, "parent": binding.parent.identifier, "type": binding.parent.type}
    return {row[0] for row in db.rows(binding.alias, query("backfill", "existing", **parts), {"keys": keys})}


def ask(binding: Binding, condition: sql.Composable, values: dict[str, object], pace: Pace) -> Reach:
    whole = sql.Identifier("d", "document")
    names = [sql.Identifier(f"n{each.number}") for each in binding.streams]
    odd = [sql.Identifier(f"m{each.number}") for each in binding.streams]
    counts = [
        sql.SQL("({})::bigint AS {}, {} AS {}").format(length(each, whole), n, misplaced.condition(each, whole), m)
        for each, n, m in zip(binding.streams, names, odd, strict=True)
    ]
    lengths = [sql.SQL("CASE WHEN w.{} THEN -1 ELSE w.{} END").format(m, n) for n, m in zip(names, odd, strict=True)]
    parts: dict[str, sql.Composable] = {
        "counts": sql.SQL(", ").join(counts),
        "count": sql.SQL("({})").format(sql.SQL(" + ").join(sql.SQL("w.{}").format(name) for name in names)),
        "lengths": sql.SQL(", ").join(lengths),
        "size": sql.SQL("pg_column_size({})").format(whole),
        "column": sql.Identifier(binding.column),
        "value": binding.parent.column(binding.column),
        "document": document.stored_document(binding, "c"),
        "parent_key": binding.parent.key,
        "parent": binding.parent.identifier,
        "range": condition,
    }
    limits = {"limit": pace.size, "parents": pace.most_parents, "elements": pace.elements, "bytes": pace.size_bytes}
    ahead = {"stored": pace.stored_bytes, "long": LONG}
    read = db.rows(binding.alias, query("backfill", "reach", **parts), {**values, **limits, **ahead})
    pace.weigh((row[1], row[2], row[5]) for row in read if row[5] >= LONG)
    found = [row for row in read if row[4]]
    return Reach(
        [row[0] for row in found],
        int(sum(row[1] for row in found)),
        int(sum(row[2] for row in found)),
        [row[0] for row in found if not row[3]],
        {row[0]: row[6] for row in found if row[3]},
    )


def holding(stream: BoundStream, keys: Iterable[str], lengths: Lengths | None) -> list[str]:
    """Those of some parents that may have an element of a stream, or something misplaced; the others need no visit for it."""
    return [key for key in keys if not lengths or key not in lengths or lengths[key][stream.number]]


def length(stream: BoundStream, document_sql: sql.Composable) -> sql.Composable:
    """How many elements the lists of a stream hold; what stands where a list should be counts as one."""
    return sql.SQL(
        "COALESCE((SELECT sum(CASE jsonb_typeof(l.list) WHEN 'array' THEN jsonb_array_length(l.list) ELSE 1 END)"
        " FROM {} l), 0)"
    ).format(document.lists(stream, document_sql))
