"""The operation by which the JSON field leaves the model, and its column stays."""

from django.db.migrations.state import ProjectState

from cutover.errors import Refused
from cutover.operations.operation import CutoverOperation, Deconstructed, Turn
from cutover.schema import introspect, names


class ForgetField(CutoverOperation):
    """Remove the JSON field from the state of the migrations alone; the column stays. It locks nothing. Back: the same.

    It refuses while the column demands a value: code without the field could not insert a parent.

    Args:
        name: the cutover.
        model: the parent, `app.Model`.
        field_name: the field's name on the model.
        column: its column, where that has another name.
    """

    alone = False

    def __init__(self, name: str, model: str, field_name: str, column: str = "") -> None:
        super().__init__(name)
        self.model_label = model
        self.field_name = field_name
        self.column = column

    def deconstruct(self) -> Deconstructed:
        values = {"model": self.model_label, "field_name": self.field_name}
        return self.__class__.__name__, [self.name], values | ({"column": self.column} if self.column else {})

    def describe(self) -> str:
        return f"Forget {self.model_label}.{self.field_name} of {self.name}; its column stays"

    @property
    def migration_name_fragment(self) -> str:
        return f"forget_{self.name}"

    def state_forwards(self, app_label: str, state: ProjectState) -> None:  # noqa: ARG002 - Django's signature
        app, model = self.model_label.split(".")
        state.remove_field(app, model.lower(), self.field_name)

    def forwards(self, turn: Turn) -> None:
        model = turn.model(self.model_label)
        if model is None:
            return
        table = names.table(model._meta.db_table)
        column = introspect.find_column(turn.alias, table, self.column or self.field_name)
        if column is not None and not column.nullable and column.default is None:
            raise Refused(
                f"{model._meta.db_table}.{self.column or self.field_name} demands a value, which code without the field lacks.",
                hint=f"Put RelaxColumn({self.name!r}) into a migration before this one, then run the same again.",
            )

    def backwards(self, turn: Turn) -> None:
        """Nothing: only the state changes."""
