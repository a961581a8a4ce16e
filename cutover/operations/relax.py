"""The operation that lets code without the field insert parents."""

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from psycopg import sql

from cutover.operations.operation import CutoverOperation, Turn
from cutover.schema import column, names


class RelaxColumn(CutoverOperation):
    """Give the JSON column the field's default in the database, or else let it be NULL. Back: as the field says.

    It needs the field in the state of the migrations, so it stands before the field is removed.
    """

    def describe(self) -> str:
        return f"Let code that does not know the JSON column of {self.name} insert"

    @property
    def migration_name_fragment(self) -> str:
        return f"relax_{self.name}"

    def forwards(self, turn: Turn) -> None:
        found = self.place(turn)
        if found is not None:
            column.relax(*found)

    def backwards(self, turn: Turn) -> None:
        found = self.place(turn)
        if found is not None:
            column.tighten(*found)

    def place(self, turn: Turn) -> tuple[column.Place, "models.Field[Any, Any]"] | None:
        """The column with its historical field; None where there is nothing to do here."""
        binding = self.binding_with_column(turn)
        model = None if binding is None else turn.model(binding.parent.model._meta.label)
        if binding is None or model is None:
            return None
        try:
            field = model._meta.get_field(binding.field_name)
        except FieldDoesNotExist:
            return None
        table: sql.Identifier = names.table(model._meta.db_table)
        return column.Place(turn.alias, table, binding.column), field  # type: ignore[return-value]
