"""Both sides of a set of parents, in one statement: the document and the rows that its streams show.

Reading first one and then the other would show an element twice, or not at all, while a writer is between them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from psycopg import sql

from cutover import db
from cutover.mapping import Binding, BoundStream, document, path, rows
from cutover.pairing import Pairing, pair, token, union
from cutover.sql import query


@dataclass(frozen=True)
class Row:
    """A row of the child table, as far as the streams asked for need it.

    Attributes:
        stands: whether it can stand for an element of the JSON list.
        shown: for each stream of the cutover, whether it shows the row (False where the stream was not asked for).
        values: by field name; JSON columns are parsed.
        elements: by the number of a stream, what PostgreSQL made of the row; empty where that was not asked for.
    """

    pk: Any
    position: int | None
    stands: bool
    shown: tuple[bool, ...]
    values: dict[str, Any]
    elements: Mapping[int, Any] = field(default_factory=dict)

    def element(self, stream: BoundStream) -> Any:
        """The row as an element of a stream that shows it. Raises ValueError if it cannot be one."""
        if stream.number in self.elements:
            return self.elements[stream.number]
        if not self.values.keys() >= set(stream.codec.columns):
            raise ValueError(f"Row {self.pk} can be no element of {stream.name}.")
        return stream.codec.encode(self.values)


@dataclass
class Sides:
    """One parent: its document as the column has it, and its rows, newest first.

    Attributes:
        found: whether the parent row was there (False too where documents were not asked for).
        text: the document's JSON text as jsonb prints it, or None for SQL NULL.
    """

    key: Any
    found: bool = False
    text: str | None = None
    rows: list[Row] = field(default_factory=list)

    @property
    def readable(self) -> bool:
        """Whether the text is JSON; a text column can hold anything."""
        try:
            self.document()
        except ValueError:
            return False
        return True

    def document(self) -> Any:
        """The document parsed without loss; None for SQL NULL.

        Raises:
            ValueError: the text is no JSON.
        """
        return None if self.text is None else path.parse(self.text)


@dataclass(frozen=True)
class ListSides:
    """One list of one parent, both sides newest first, and how they pair."""

    key: str | None
    elements: list[Any]
    rows: list[Row]
    row_elements: list[Any]
    pairing: Pairing

    def united(self) -> list[Any]:
        """Both sides as one list, newest first, before anything is cut or collapsed."""
        sides = {"element": self.elements, "row": self.row_elements}
        return [sides[side][number] for side, number in union(self.pairing)]


def take(
    binding: Binding,
    keys: Iterable[Any],
    *,
    streams: Sequence[BoundStream] | None = None,
    limit: int | None = None,
    newest: Mapping[str, int] | None = None,
    documents: bool = True,
    encoded: bool = False,
) -> dict[Any, Sides]:
    """Both sides of some parents; `limit` is the largest number of rows per parent, the newest.

    With `newest` each stream is read on its own: as many rows as is said under its name, all where nothing is said; a row
    that two streams show then comes twice, shown by one each time. Where `documents` is False the JSON column is not
    touched (it may be gone). `encoded` lets PostgreSQL make the elements where a codec compiles, which is several times faster;
    the rows then lack the values behind them.
    """
    asked = tuple(stream.number for stream in (binding.streams if streams is None else streams))
    wanted = list(keys)
    found = {key: Sides(key) for key in wanted}
    made = tuple(number for number in asked if encoded and binding.streams[number].codec.compiles)
    text, fields = statement(binding, asked, documents, newest is not None, encoded)
    limits = {"limit": limit} if newest is None else {f"limit_{n}": newest.get(binding.streams[n].name) for n in asked}
    for key, column, age, *values in db.rows(binding.alias, text, {"keys": wanted, **limits}):
        sides = found[key]
        if age is None:
            sides.found, sides.text = True, column
        else:
            sides.rows.append(loaded(binding, fields, asked, values, made))
    return found


def lock(binding: Binding, keys: Iterable[Any]) -> None:
    """Lock the parents (FOR NO KEY UPDATE) until the end of the transaction; a later `take` sees what came before."""
    parts = {"parent_key": binding.parent.key, "parent": binding.parent.identifier, "type": binding.parent.type}
    db.rows(binding.alias, query("snapshot", "lock", **parts), {"keys": list(keys)})


def lists(stream: BoundStream, sides: Sides, document: Any) -> dict[str | None, ListSides]:
    """The lists of one stream by their dynamic key (None for a fixed path); what is no list has no elements here."""
    values = {key: value for key, value in path.lists(stream, document) if isinstance(value, list)}
    mine: dict[str | None, list[Row]] = {key: [] for key in values}
    for row in sides.rows:
        if row.shown[stream.number]:
            key = None if stream.key_field is None else str(row.values[stream.key_field])
            mine.setdefault(key, []).append(row)
    return {key: list_sides(stream, key, values.get(key, []), found) for key, found in mine.items()}


def list_sides(stream: BoundStream, key: str | None, values: list[Any], found: list[Row]) -> ListSides:
    newest_first = values if stream.newest_first else values[::-1]
    encoded = [row.element(stream) for row in found]
    pairing = pair(
        [token(element) for element in newest_first],
        [token(element) for element in encoded],
        stands=[row.stands for row in found],
        distinct=stream.distinct,
    )
    return ListSides(key, newest_first, found, encoded, pairing)


def loaded(
    binding: Binding, fields: tuple[str, ...], asked: tuple[int, ...], values: list[Any], made: tuple[int, ...] = ()
) -> Row:
    pk, position, stands, *rest = values
    flags = dict(zip(asked, rest, strict=False))
    columns = {
        name: path.parse(value) if value is not None and binding.kinds[name].family == "json" else value
        for name, value in zip(fields, rest[len(asked) : len(rest) - len(made)], strict=True)
    }
    texts = zip(made, rest[len(rest) - len(made) :], strict=True)
    elements = {number: path.parse(text) for number, text in texts if text is not None}
    shown = tuple(bool(flags.get(stream.number)) for stream in binding.streams)
    return Row(pk, position, bool(stands), shown, columns, elements)


@cache
def statement(
    binding: Binding, asked: tuple[int, ...], documents: bool, separately: bool, encoded: bool
) -> tuple[str, tuple[str, ...]]:
    """The rendered query for some streams, and the fields of a row in the order of its columns."""
    streams = [binding.streams[number] for number in asked]
    made = [stream for stream in streams if encoded and stream.codec.compiles]
    needed = [(stream.key_field,) if stream in made else stream.fields for stream in streams]
    fields = tuple(dict.fromkeys(name for names in needed for name in names if name is not None))
    parts = [documents_query(binding, selection(binding, streams, streams, fields, made))] if documents else []
    for group, limit in [([each], f"limit_{each.number}") for each in streams] if separately else [(streams, "limit")]:
        parts.append(rows_query(binding, group, selection(binding, streams, group, fields, made), limit))
    return db.render(sql.SQL("\nUNION ALL\n").join(parts)), fields


def documents_query(binding: Binding, selected: list[tuple[sql.Composable, str]]) -> sql.Composable:
    nothing = [sql.SQL("NULL::{}").format(sql.SQL(sql_type)) for _, sql_type in selected]
    return query(
        "snapshot",
        "documents",
        type=binding.parent.type,
        parent_key=binding.parent.key,
        parent=binding.parent.identifier,
        document=document_text(binding),
        nothing=sql.SQL(", ").join(nothing),
    )


def document_text(binding: Binding) -> sql.Composable:
    """The document as jsonb prints it, so that 1e2 and 100 are one number on both sides; as it is where jsonb cannot hold it."""
    text = sql.SQL("{}::text").format(binding.parent.column(binding.column))
    if binding.storage == "jsonb":
        return text
    return sql.SQL("COALESCE({}::text, {})").format(document.stored_document(binding), text)


def rows_query(
    binding: Binding, streams: Sequence[BoundStream], selected: list[tuple[sql.Composable, str]], limit: str
) -> sql.Composable:
    names = [sql.Identifier(f"c{number}") for number in range(len(selected))]
    values = [sql.SQL("{} AS {}").format(value, each) for (value, _), each in zip(selected, names, strict=True)]
    return query(
        "snapshot",
        "rows",
        type=binding.parent.type,
        columns=sql.SQL(", ").join(sql.SQL("r.{}").format(each) for each in names),
        values=sql.SQL(", ").join(values),
        newest_first=rows.newest_first(binding),
        child=binding.child.identifier,
        fk=rows.parent_key(binding),
        shown=sql.SQL(" OR ").join(stream.shown for stream in streams),
        limit=sql.Placeholder(limit),
    )


def selection(
    binding: Binding,
    asked: Sequence[BoundStream],
    shown: Sequence[BoundStream],
    fields: tuple[str, ...],
    made: Sequence[BoundStream],
) -> list[tuple[sql.Composable, str]]:
    """The selected expressions of a row with their SQL types: key, position, stands, shown per stream, fields, elements."""
    child = binding.child
    position = sql.SQL("NULL::bigint") if binding.position is None else child.column(binding.position)
    return [
        (child.key, child.pk_type),
        (position, "bigint"),
        (rows.stands(binding), "boolean"),
        *((stream.shown if stream in shown else sql.SQL("FALSE"), "boolean") for stream in asked),
        *((child.column(binding.kinds[name].column), binding.kinds[name].sql_type) for name in fields),
        *((element_text(binding, stream, stream in shown), "text") for stream in made),
    ]


def element_text(binding: Binding, stream: BoundStream, wanted: bool) -> sql.Composable:
    """A row as the text of an element; NULL where the stream does not show it, or it can be none."""
    if not wanted:
        return sql.SQL("NULL::text")
    return sql.SQL("CASE WHEN {} THEN ({})::text END").format(stream.shown, rows.element(binding, stream))
