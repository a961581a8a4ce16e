"""The operation that makes the child table: all of it or nothing, and not twice."""

from typing import Any

from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from psycopg import sql

from cutover import ledger, spec
from cutover.errors import Refused
from cutover.mapping import bind
from cutover.operations.locking import INSTANT, ROWS, Taken, said
from cutover.operations.operation import Editor, told
from cutover.phase import Phase
from cutover.schema import introspect, locks, names
from cutover.schema.locks import Mode, Wanted


class EnsureTable(migrations.CreateModel):
    """Make the table for the rows, with its indexes, in one transaction; one that is there already is kept. Back: dropped.

    Django's own CreateModel makes the table, and its indexes at the end of the migration: where that is not atomic and is killed
    or refused in between, the next run stops at the table that is there. To Django's state it is the same.

    Its foreign key to the parents has no constraint (`db_constraint=False`), so nothing in use is locked. Where another
    foreign key has one, the table that it refers to is locked for an instant, as briefly as any other.
    """

    locks: tuple[Taken, ...] = ()
    locks_back = (Taken(ROWS, Mode.ACCESS_EXCLUSIVE, INSTANT),)

    def describe(self) -> str:
        return f"Make the table of {self.name} for the rows"

    @property
    def migration_name_fragment(self) -> str:
        return f"table_{self.name_lower}"

    def reduce(self, operation: Operation, app_label: str) -> "bool | list[Operation]":
        """Merged with what follows it, it stays what it is."""
        merged = super().reduce(operation, app_label)
        if not isinstance(merged, list):
            return merged
        return [
            type(self)(each.name, each.fields, each.options, each.bases, each.managers)
            if type(each) is migrations.CreateModel and each.name_lower != getattr(operation, "name_lower", "")
            else each
            for each in merged
        ]

    def database_forwards(
        self, app_label: str, schema_editor: Editor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        alias = schema_editor.connection.alias
        if schema_editor.collect_sql:
            schema_editor.collected_sql.append(f"-- {said(self.locks)}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.name)
        with told():
            if self.allow_migrate_model(alias, model) and not found(alias, model):

                def work() -> None:
                    with schema_editor.connection.schema_editor(
                        atomic=False
                    ) as own:  # the transaction is that of the lock
                        super(EnsureTable, self).database_forwards(app_label, own, from_state, to_state)

                locks.short_lock(alias, work, referred(model))

    def database_backwards(
        self, app_label: str, schema_editor: Editor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        alias = schema_editor.connection.alias
        if schema_editor.collect_sql:
            schema_editor.collected_sql.append(f"-- {said(self.locks_back)}")
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        model = from_state.apps.get_model(app_label, self.name)
        table = names.table(model._meta.db_table)
        with told():
            if self.allow_migrate_model(alias, model) and introspect.exists(alias, table):
                refuse_while_needed(alias, f"{app_label}.{self.name_lower}")

                def work() -> None:
                    with schema_editor.connection.schema_editor(
                        atomic=False
                    ) as own:  # the transaction is that of the lock
                        super(EnsureTable, self).database_backwards(app_label, own, from_state, to_state)

                locks.short_lock(alias, work, [*referred(model), Wanted(table)])


def found(alias: str, model: type[models.Model]) -> bool:
    """Whether its table is there.

    Raises:
        Refused: it is, and is another one: columns are missing.
    """
    table = names.table(model._meta.db_table)
    if not introspect.exists(alias, table):
        return False
    missing = sorted({str(field.column) for field in columns(model)} - introspect.columns(alias, table))
    if missing:
        raise Refused(
            f"The table {model._meta.db_table} is there already, without {', '.join(missing)}.",
            hint="Rename it, or give the model another db_table; then run the same again.",
        )
    return True


def columns(model: type[models.Model]) -> "list[models.Field[Any, Any]]":
    return list(model._meta.local_concrete_fields)


def referred(model: type[models.Model]) -> list[Wanted]:
    """The tables that a constraint refers to: adding or dropping one locks them."""
    related: list[Any] = [field.related_model for field in columns(model) if getattr(field, "db_constraint", False)]
    tables = sorted({each._meta.db_table for each in related} - {model._meta.db_table})
    return [Wanted(names.table(each), Mode.EXCLUSIVE) for each in tables]


def refuse_while_needed(alias: str, label: str) -> None:
    """The rows of a phase that reads or writes them are not dropped with their table.

    Raises:
        Refused: a cutover into this table is at DUAL_WRITE or later.
    """
    for name in spec.names():
        child = bind(name).child.model._meta
        phase = ledger.read(alias, name).phase if ledger.installed(alias) else Phase.NOT_STARTED
        if child.label_lower == label.lower() and phase >= Phase.DUAL_WRITE:
            table = sql.Identifier(child.db_table).as_string(None)
            raise Refused(
                f"{name} is at {phase.name}; its rows are in {table}.",
                hint=f"Go back, at the end with `cutover rollback {name} ADD_TABLE`; then run the same again.",
            )
