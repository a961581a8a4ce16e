"""Runs operations outside a migration, and brings a cutover to where its column may be dropped."""

from typing import Any

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from cutover import backfill, db, verify
from cutover.mapping import Binding
from cutover.operations.operation import CutoverOperation
from cutover.phase import Phase
from stages import at_phase


def state() -> ProjectState:
    return MigrationLoader(None).project_state()


def forwards(*operations: CutoverOperation) -> None:
    for operation in operations:
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("jobs", editor, state(), state())


def backwards(*operations: CutoverOperation) -> None:
    for operation in operations:
        with connection.schema_editor(atomic=False) as editor:
            operation.database_backwards("jobs", editor, state(), state())


def droppable(name: str) -> Binding:
    """History backfilled, JSON writes over, verified, settled in the last phase; no process alive."""
    binding = at_phase(name, Phase.DUAL_WRITE)
    list(backfill.run(binding))
    at_phase(name, Phase.STOP_JSON_WRITES)
    list(verify.run(binding))
    at_phase(name, Phase.BACKFILL_AND_DROP)
    db.run(binding.alias, "DELETE FROM cutover_process")
    return binding


def documents(binding: Binding) -> list[tuple[Any, ...]]:
    """Every key with its document as text."""
    table, column, key = binding.parent.name, binding.column, binding.parent.pk
    return db.rows(binding.alias, f'SELECT "{key}", "{column}"::text FROM "{table}" ORDER BY 1')  # noqa: S608 - our own names
