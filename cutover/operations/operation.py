"""What the operations have in common: they find their cutover, know when it is not their turn, and cannot be shown as SQL.

The cutover is looked up in the registry when the migration runs, for triggers and conditions follow the current declaration.
Where the declaration has left the code, the cutover is long over: such an operation does nothing.
"""

from dataclasses import replace
from typing import Any

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from cutover import db, spec
from cutover.errors import DeclarationError
from cutover.mapping import Binding, bind
from cutover.schema import introspect

Editor = BaseDatabaseSchemaEditor
Deconstructed = tuple[str, list[Any], dict[str, Any]]


class CutoverOperation(Operation):
    """A change of the schema that belongs to one cutover and leaves Django's state alone.

    Attributes:
        alone: whether it opens its own transactions, so that the migration must be `atomic = False`.
    """

    reduces_to_sql = False
    reversible = True
    alone = True

    def __init__(self, name: str) -> None:
        self.name = name

    def deconstruct(self) -> Deconstructed:
        return self.__class__.__name__, [self.name], {}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: the models stay as they are."""

    def database_forwards(self, app_label: str, schema_editor: Editor, from_state: Any, to_state: Any) -> None:
        if self.may_run(schema_editor):
            self.forwards(schema_editor.connection.alias, from_state)

    def database_backwards(self, app_label: str, schema_editor: Editor, from_state: Any, to_state: Any) -> None:
        if self.may_run(schema_editor):
            self.backwards(schema_editor.connection.alias, to_state)

    def forwards(self, alias: str, state: ProjectState) -> None:
        raise NotImplementedError

    def backwards(self, alias: str, state: ProjectState) -> None:
        raise NotImplementedError

    def may_run(self, schema_editor: Editor) -> bool:
        """Whether this is more than a rendering as SQL.

        Raises:
            DeclarationError: it has to be outside a transaction and is inside one.
        """
        if schema_editor.collect_sql:
            schema_editor.collected_sql.append(f"-- {self.describe()}: asks the database when it runs")
            return False
        if self.alone and db.in_transaction(schema_editor.connection.alias):
            raise DeclarationError(
                f"{self.__class__.__name__}({self.name!r}) is inside a transaction.",
                hint="Write `atomic = False` in its migration.",
            )
        return True

    def binding(self, alias: str) -> Binding | None:
        """The cutover on the connection that migrates; None where it is undeclared, lives elsewhere, or has no column."""
        if self.name not in spec.names():
            return None
        bound = bind(self.name)
        if not router.allow_migrate_model(alias, bound.parent.model):
            return None
        bound = replace(bound, alias=alias)
        column = introspect.column(bound)
        return None if column is None else replace(bound, storage=column.type.split("(")[0])


def migrates(alias: str, app_label: str, model_name: str) -> bool:
    """Whether the project's routers let this model migrate on this connection."""
    return router.allow_migrate(alias, app_label, model_name=model_name.lower())
