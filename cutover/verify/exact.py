"""The statement that counts and sums both sides of one stream for some parents: exact in every case, and slower."""

from functools import cache

from psycopg import sql

from cutover import db
from cutover.mapping import Binding, BoundStream, document, rows
from cutover.sql import query
from cutover.verify import hashes


@cache
def statement(binding: Binding, stream: BoundStream) -> str:
    """Takes `keys`; rows of a parent's key, ten numbers and a truth, as `compare.measure` takes them."""
    return db.render(
        query(
            "verify",
            "exact",
            parent=binding.parent.identifier,
            parent_key=binding.parent.key,
            type=binding.parent.type,
            document=document.stored_document(binding),
            stream=stream_sql(binding, stream),
        )
    )


def stream_sql(binding: Binding, stream: BoundStream) -> sql.Composable:
    stored = sql.Identifier("c", "document")
    return query(
        "verify",
        "stream",
        elements=elements_sql(stream, stored),
        rows=rows_sql(binding, stream),
        within_cap=hashes.within_cap(stream),
        odd=hashes.odd(stream, stored),
    )


def elements_sql(stream: BoundStream, stored: sql.Composable) -> sql.Composable:
    found = document.elements(stream, stored)
    hashed = hashes.of_element(stream, sql.SQL("e.element"), sql.SQL("e.key"))
    if not stream.distinct:
        return query("verify", "elements", elements=found, hash=hashed)
    return query("verify", "distinct_elements", elements=found, hash=hashed, shown_age=shown_age(stream))


def rows_sql(binding: Binding, stream: BoundStream) -> sql.Composable:
    found = query(
        "verify",
        "table_rows",
        key=rows.key(binding, stream),
        hash=hashes.of_row(binding, stream),
        stands=rows.stands(binding),
        child=binding.child.identifier,
        fk=rows.parent_key(binding),
        newest_first=rows.newest_first(binding),
        shown=stream.shown,
    )
    if not stream.distinct:
        return found
    return query("verify", "distinct_rows", rows=found, shown_age=shown_age(stream))


def shown_age(stream: BoundStream) -> sql.SQL:
    """Which of several equal ones a distinct list shows: see `pairing.distinct_view`."""
    return sql.SQL("min(age)" if stream.cap is not None else "max(age)")
