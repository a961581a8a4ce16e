"""The operation that lets code without the field insert parents."""

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from psycopg import sql

from cutover.db import Statement
from cutover.operations.locking import INSTANT, PARENTS, Taken
from cutover.operations.operation import CutoverOperation, Turn
from cutover.schema import column, names
from cutover.schema.locks import Mode


class RelaxColumn(CutoverOperation):
    """Give the JSON column the field's default in the database, or else let it be NULL. Back: as the field says.

    It needs the field in the state of the migrations, so it stands before the field is removed.

    ACCESS EXCLUSIVE on the parents for an instant, without a scan. Back: likewise, in up to four steps; NOT NULL is proven by a
    scan that stops nobody.
    """

    locks = (Taken(PARENTS, Mode.ACCESS_EXCLUSIVE),)
    locks_back = (
        Taken(PARENTS, Mode.ACCESS_EXCLUSIVE, f"{INSTANT}; SHARE UPDATE EXCLUSIVE during a scan, which stops nobody"),
    )

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

    def script(self, turn: Turn) -> list[Statement]:
        found = self.place(turn)
        return [] if found is None else [*column.relaxing(*found)]

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
