"""Operations on the child table: the index that its readers need, and the foreign key."""

from cutover.operations.operation import CutoverOperation, Turn
from cutover.schema import constraint, index


class EnsureIndex(CutoverOperation):
    """Index the rows by parent and order, beside the running system; a valid index that does so already is enough."""

    def describe(self) -> str:
        return f"Index the rows of {self.name} by parent and order"

    @property
    def migration_name_fragment(self) -> str:
        return f"index_{self.name}"

    def forwards(self, turn: Turn) -> None:
        binding = self.binding(turn)
        if binding is not None:
            index.ensure(binding)

    def backwards(self, turn: Turn) -> None:
        binding = self.binding(turn)
        if binding is not None:
            index.drop(binding)


class EnsureConstraint(CutoverOperation):
    """Add the foreign key from the rows to their parents without a scan, then validate it without stopping anybody."""

    def describe(self) -> str:
        return f"Constrain the rows of {self.name} to their parents"

    @property
    def migration_name_fragment(self) -> str:
        return f"constrain_{self.name}"

    def forwards(self, turn: Turn) -> None:
        binding = self.binding(turn)
        if binding is not None:
            constraint.ensure(binding)

    def backwards(self, turn: Turn) -> None:
        binding = self.binding(turn)
        if binding is not None:
            constraint.drop(binding)
