"""The index that serves the rows of a parent in their order. Built beside the running system; never in a transaction."""

from psycopg import sql

from cutover import db
from cutover.mapping import Binding
from cutover.schema import introspect, names
from cutover.sql import query


def ensure(binding: Binding) -> None:
    """Build the index, unless a valid one that begins with these columns is there under any name.

    What an interrupted build left behind (an INVALID index) is dropped first. Writers go on meanwhile: it locks the table
    against other schema changes only (SHARE UPDATE EXCLUSIVE), and waits for older transactions.
    """
    if introspect.index_ready(binding):
        return
    if introspect.index_valid(binding) is not None:
        drop(binding)
    columns = sql.SQL(", ").join(map(sql.Identifier, (binding.fk, *binding.ordering)))
    parts = {"index": bare(binding), "table": binding.child.identifier, "columns": columns}
    db.run(binding.alias, query("schema", "create_index", **parts))


def drop(binding: Binding) -> None:
    """Drop the toolkit's index, where it is."""
    db.run(binding.alias, query("schema", "drop_index", index=qualified(binding)))


def bare(binding: Binding) -> sql.Identifier:
    """The name alone: an index is made in the schema of its table."""
    return sql.Identifier(names.order_index(binding.name))


def qualified(binding: Binding) -> sql.Identifier:
    schema = binding.child.name.replace('"', "").split(".")[:-1]
    return sql.Identifier(*schema, names.order_index(binding.name))
