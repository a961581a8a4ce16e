"""The index that serves the rows of a parent in their order. Built beside the running system; never in a transaction."""

import psycopg
from django.db import DatabaseError
from psycopg import sql

from cutover import db, settling
from cutover.errors import Busy
from cutover.mapping import Binding
from cutover.schema import introspect, names
from cutover.sql import query


def ensure(binding: Binding) -> None:
    """Build the index, unless a valid one that begins with these columns is there under any name.

    What an interrupted build left behind (an INVALID index) is dropped first. Writers go on meanwhile: it locks the table
    against other schema changes only (SHARE UPDATE EXCLUSIVE), and waits for older transactions.

    Raises:
        Busy: the role's lock_timeout or statement_timeout ended it; the message names who it waited for.
    """
    if introspect.index_ready(binding):
        return
    if introspect.index_valid(binding) is not None:
        drop(binding)
    run(binding, creation(binding))


def drop(binding: Binding) -> None:
    """Drop the toolkit's index, where it is.

    Raises:
        Busy: as for `ensure`.
    """
    run(binding, removal(binding))


def run(binding: Binding, statement: sql.Composed) -> None:
    """A statement that waits for transactions. It is outside of any transaction, so no timeout can be set for it alone."""
    try:
        db.run(binding.alias, statement)
    except DatabaseError as error:
        if not isinstance(db.driver_error(error), psycopg.errors.LockNotAvailable | psycopg.errors.QueryCanceled):
            raise
        waited_for = "; ".join(map(str, settling.collect(binding.alias).values())) or "nobody who is still there"
        raise Busy(
            f"A timeout of this role ended the work on the index {names.order_index(binding.name)}; it waits for {waited_for}.",
            hint="Set lock_timeout and statement_timeout to 0 for the role that migrates, or end who is waited for; "
            "then run the same again. An index that was left INVALID is dropped first.",
        ) from error


def creation(binding: Binding) -> sql.Composed:
    """The statement that builds it."""
    columns = sql.SQL(", ").join(map(sql.Identifier, (binding.fk, *binding.ordering)))
    bare = sql.Identifier(names.order_index(binding.name))  # an index is made in the schema of its table
    return query("schema", "create_index", index=bare, table=binding.child.identifier, columns=columns)


def removal(binding: Binding) -> sql.Composed:
    """The statement that drops it."""
    schema = binding.child.name.replace('"', "").split(".")[:-1]
    return query("schema", "drop_index", index=sql.Identifier(*schema, names.order_index(binding.name)))
