"""What the operations have in common: they find their cutover, know when it is not their turn, and say what they lock.

The cutover is looked up in the registry when the migration runs, for triggers and conditions follow the current declaration.
Where the declaration has left the code, the cutover is long over: an operation that is named by it alone does nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import models, router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from cutover import db, spec
from cutover.db import Statement
from cutover.errors import CutoverError, DeclarationError
from cutover.mapping import Binding, bind
from cutover.operations.locking import Taken, said
from cutover.schema import introspect
from cutover.schema.locks import TIMEOUT

Editor = BaseDatabaseSchemaEditor
Deconstructed = tuple[str, list[Any], dict[str, Any]]


@dataclass(frozen=True)
class Turn:
    """The connection that migrates, and the models as they are at that point of the history."""

    alias: str
    state: ProjectState

    def model(self, label: str) -> type[models.Model] | None:
        """A historical model; None where it migrates on another connection."""
        app, name = label.split(".")
        if not router.allow_migrate(self.alias, app, model_name=name.lower()):
            return None
        return self.state.apps.get_model(app, name)


@contextmanager
def told() -> Iterator[None]:
    """`manage.py migrate` prints a traceback with its notes; so the hint becomes one."""
    try:
        yield
    except CutoverError as error:
        error.add_note(error.hint)
        raise


class CutoverOperation(Operation):
    """A change of the schema that belongs to one cutover and leaves Django's state alone.

    Attributes:
        alone: whether it opens its own transactions, so that the migration must be `atomic = False`.
        locks, locks_back: the strongest lock on each table in use, forwards and backwards.
    """

    reduces_to_sql = True
    reversible = True
    alone = True
    locks: tuple[Taken, ...] = ()
    locks_back: tuple[Taken, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def deconstruct(self) -> Deconstructed:
        return self.__class__.__name__, [self.name], {}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: the models stay as they are."""

    def database_forwards(self, app_label: str, schema_editor: Editor, from_state: Any, to_state: Any) -> None:  # noqa: ARG002 - Django's signature
        if schema_editor.collect_sql:
            self.show(schema_editor, from_state, self.locks, self.script)
        else:
            self.take_turn(schema_editor, from_state, self.forwards)

    def database_backwards(self, app_label: str, schema_editor: Editor, from_state: Any, to_state: Any) -> None:  # noqa: ARG002 - Django's signature
        if schema_editor.collect_sql:
            self.show(schema_editor, to_state, self.locks_back, self.script_back)
        else:
            self.take_turn(schema_editor, to_state, self.backwards)

    def forwards(self, turn: Turn) -> None:
        raise NotImplementedError

    def backwards(self, turn: Turn) -> None:
        raise NotImplementedError

    def script(self, turn: Turn) -> list[Statement]:  # noqa: ARG002 - for those that have some
        """The statements that `sqlmigrate` shows: what `forwards` runs where nothing is done yet; none where only code knows."""
        return []

    def script_back(self, turn: Turn) -> list[Statement]:  # noqa: ARG002 - for those that have some
        return []

    def show(
        self,
        schema_editor: Editor,
        state: ProjectState,
        locks: tuple[Taken, ...],
        script: Callable[[Turn], list[Statement]],
    ) -> None:
        """What `sqlmigrate` prints: the locks, and the statements, each of which waits for its lock as briefly as a try does."""
        statements = [
            db.render(each).replace("%%", "%") for each in script(Turn(schema_editor.connection.alias, state))
        ]
        if statements and any(lock.hot for lock in locks):
            milliseconds = int(TIMEOUT.total_seconds() * 1000)
            statements = [f"SET lock_timeout = '{milliseconds}ms'", *statements, "RESET lock_timeout"]
        shown = [f"-- {said(locks)}"]
        if not statements:
            shown.append("-- It has no SQL of its own: `manage.py migrate` does it, and asks the database first.")
        schema_editor.collected_sql += [*shown, *(f"{each};" for each in statements)]

    def take_turn(self, schema_editor: Editor, state: ProjectState, work: Callable[[Turn], None]) -> None:
        """Do the work.

        Raises:
            DeclarationError: it has to be outside a transaction and is inside one.
        """
        alias = schema_editor.connection.alias
        with told():
            if self.alone and db.in_transaction(alias):
                raise DeclarationError(
                    f"{self.__class__.__name__}({self.name!r}) is inside a transaction.",
                    hint="Write `atomic = False` in its migration.",
                )
            work(Turn(alias, state))

    def binding(self, turn: Turn) -> Binding | None:
        """The cutover on the connection that migrates; None where it is undeclared or lives elsewhere."""
        if self.name not in spec.names():
            return None
        bound = bind(self.name)
        if not router.allow_migrate_model(turn.alias, bound.parent.model):
            return None
        bound = replace(bound, alias=turn.alias)
        column = introspect.column(bound)
        return bound if column is None else replace(bound, storage=column.type)

    def binding_with_column(self, turn: Turn) -> Binding | None:
        """The same, and None where the column has been dropped."""
        bound = self.binding(turn)
        return None if bound is None or not introspect.column_exists(bound) else bound
