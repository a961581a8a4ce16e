"""Both sides of some parents, as readers need them, by one statement: the document, and each list of rows as one JSON text.

PostgreSQL makes the lists, so that a thousand rows come as one value; a row of its own is fetched only where a codec is
the project's own. It decides nothing about what a reader sees.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from psycopg import sql

from cutover import db, snapshot
from cutover.mapping import Binding, BoundStream, document, path, rows
from cutover.read.view import Listed
from cutover.sql import query

Place = tuple[int, str | None]


@dataclass
class Found:
    """One parent: its document as the column has it, and its rows by stream and dynamic key.

    Attributes:
        found: whether the parent row was there (False too where documents were not asked for).
        text: the document's JSON text as jsonb prints it, or None for SQL NULL.
    """

    found: bool = False
    text: str | None = None
    lists: dict[Place, Listed] = field(default_factory=dict)

    def document(self) -> Any:
        """The document parsed without loss. Raises ValueError: the text of a text column is no JSON."""
        return None if self.text is None else path.parse(self.text)


def take(
    binding: Binding,
    keys: Iterable[Any],
    streams: Sequence[BoundStream],
    *,
    newest: Mapping[str, int],
    documents: bool = True,
    united: bool = True,
) -> dict[Any, Found]:
    """Both sides of some parents: as many rows of a stream as is said under its name, all where nothing is said.

    Where `documents` is False the JSON column is not touched (it may be gone). Where nothing is to be `united`, the document is
    asked for its residue alone: its lists are empty, as far as PostgreSQL can tell.

    Raises:
        ValueError: a row can be no element.
    """
    wanted = list(keys)
    if not all(stream.codec.compiles for stream in streams):
        return one_by_one(binding, wanted, streams, newest, documents)
    found = {key: Found() for key in wanted}
    values: dict[str, Any] = {f"limit_{stream.number}": newest.get(stream.name) for stream in streams}
    text = statement(binding, tuple(stream.number for stream in streams), documents, united, len(wanted) == 1)
    values["keys"] = wanted[0] if len(wanted) == 1 else wanted
    for number, key, list_key, elements, stands, broken in db.rows(binding.alias, text, values):
        if number is None:
            found[key].found, found[key].text = True, elements
        elif broken is not None:
            raise ValueError(f"Row {broken} can be no element of {binding.streams[number].name}.")
        else:
            found[key].lists[number, list_key] = Listed(path.parse(elements), stands)
    return found


def one_by_one(
    binding: Binding, keys: list[Any], streams: Sequence[BoundStream], newest: Mapping[str, int], documents: bool
) -> dict[Any, Found]:
    """The same where Python has to make the elements."""
    taken = snapshot.take(binding, keys, streams=streams, newest=newest, documents=documents, encoded=True)
    return {
        key: Found(
            sides.found,
            sides.text,
            {
                (stream.number, list_key): Listed(each.row_elements, "".join(str(int(row.stands)) for row in each.rows))
                for stream in streams
                for list_key, each in snapshot.lists(stream, sides, None).items()
                if each.rows
            },
        )
        for key, sides in taken.items()
    }


@cache
def statement(binding: Binding, asked: tuple[int, ...], documents: bool, united: bool, alone: bool) -> str:
    """The rendered query. With one key alone PostgreSQL knows what it is, and how many rows that parent may have."""
    one, some = "%(keys)s::{}", "%(keys)s::{}[]"
    parts = []
    if documents:
        keys = sql.SQL(one if alone else f"ANY({some})").format(binding.parent.type)
        parts.append(documents_query(binding, keys, united))
    keys = sql.SQL(f"(SELECT {one})" if alone else f"unnest({some})").format(binding.parent.type)
    parts += [lists_query(binding, binding.streams[number], keys) for number in asked]
    return db.render(sql.SQL("\nUNION ALL\n").join(parts))


def documents_query(binding: Binding, any_of_keys: sql.Composable, united: bool) -> sql.Composable:
    text = snapshot.document_text(binding)
    if not united and binding.storage == "jsonb":
        text = sql.SQL("({})::text").format(document.emptied(binding, document.stored_document(binding)))
    parent = binding.parent
    parts = {"parent": parent.identifier, "parent_key": parent.key}
    return query("read", "documents", any_of_keys=any_of_keys, document=text, **parts)


def lists_query(binding: Binding, stream: BoundStream, keys: sql.Composable) -> sql.Composable:
    return query(
        "read",
        "lists",
        number=sql.Literal(stream.number),
        keys=keys,
        list_key=rows.key(binding, stream),
        element=rows.element(binding, stream),
        stands=sql.SQL("CASE WHEN {} THEN '1' ELSE '0' END").format(rows.stands(binding)),
        pk=binding.child.key,
        newest_first=rows.newest_first(binding),
        child=binding.child.identifier,
        fk=rows.parent_key(binding),
        shown=stream.shown,
        limit=sql.Placeholder(f"limit_{stream.number}"),
    )
