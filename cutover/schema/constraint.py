"""The foreign key from the rows to their parents: added without a scan, validated without stopping anybody.

The parents are locked first, as writers do it who lock their parent and append then. It comes late: while the parents are locked
by `SELECT ... FOR UPDATE`, an insert of a row with a foreign key waits for them.
"""

import psycopg
from django.db import IntegrityError
from psycopg import sql

from cutover import db
from cutover.errors import Refused
from cutover.mapping import Binding
from cutover.schema import introspect, locks, names
from cutover.schema.locks import Mode, Wanted
from cutover.sql import query


def ensure(binding: Binding) -> None:
    """Add the foreign key NOT VALID, then validate it.

    The first locks the parents EXCLUSIVE and the rows SHARE ROW EXCLUSIVE, for an instant; the second stops nobody. Killed in
    between, it leaves a foreign key that is not validated, and the next run validates that one.

    Raises:
        Busy: a lock was not obtained.
        Refused: there are rows whose parent is gone.
    """
    found = introspect.foreign_keys(binding)
    if any(found.values()):
        return
    rows, parents = binding.child.identifier, binding.parent.identifier
    name = next(iter(found), names.parent_constraint(binding.name))
    if not found:
        wanted = [Wanted(parents, Mode.EXCLUSIVE), Wanted(rows, Mode.SHARE_ROW_EXCLUSIVE)]
        locks.short_lock(binding.alias, lambda: db.run(binding.alias, adding(binding)), wanted)
    try:
        work = lambda: db.run(binding.alias, validating(binding, name))  # noqa: E731
        locks.short_lock(binding.alias, work, [Wanted(rows, Mode.SHARE_UPDATE_EXCLUSIVE)])
    except IntegrityError as error:
        if not isinstance(db.driver_error(error), psycopg.errors.ForeignKeyViolation):
            raise
        raise orphans(binding) from error


def drop(binding: Binding) -> None:
    """Drop the toolkit's foreign key, where it is (ACCESS EXCLUSIVE on both tables, for an instant)."""
    name = names.parent_constraint(binding.name)
    if name in introspect.foreign_keys(binding):
        wanted = [Wanted(binding.parent.identifier), Wanted(binding.child.identifier)]
        locks.short_lock(binding.alias, lambda: db.run(binding.alias, removal(binding)), wanted)


def removal(binding: Binding) -> sql.Composed:
    """The statement that drops it."""
    name = sql.Identifier(names.parent_constraint(binding.name))
    return query("schema", "drop_constraint", table=binding.child.identifier, constraint=name)


def adding(binding: Binding) -> sql.Composed:
    """The statement that adds it NOT VALID."""
    parts = {
        "table": binding.child.identifier,
        "constraint": sql.Identifier(names.parent_constraint(binding.name)),
        "fk": sql.Identifier(binding.fk),
        "parent": binding.parent.identifier,
        "pk": sql.Identifier(binding.parent.pk),
    }
    return query("schema", "add_foreign_key", **parts)


def validating(binding: Binding, name: str) -> sql.Composed:
    """The statement that validates it."""
    parts = {"table": binding.child.identifier, "constraint": sql.Identifier(name)}
    return query("schema", "validate_constraint", **parts)


def orphans(binding: Binding) -> Refused:
    parts = {
        "table": binding.child.identifier,
        "fk": binding.child.column(binding.fk),
        "parent": binding.parent.identifier,
        "key": binding.parent.key,
    }
    count = db.scalar(binding.alias, query("schema", "count_orphans", **parts))
    return Refused(
        f"{count} rows of {binding.child.name} have no parent in {binding.parent.name}.",
        hint=f"Look at them with `cutover verify {binding.name}`, remove them, then run `manage.py migrate` again.",
    )
