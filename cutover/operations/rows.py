"""Operations on the child table: the index that its readers need, and the foreign key."""

from cutover.db import Statement
from cutover.operations.locking import INSTANT, PARENTS, ROWS, Taken
from cutover.operations.operation import CutoverOperation, Turn
from cutover.schema import constraint, index, names
from cutover.schema.locks import Mode


class EnsureIndex(CutoverOperation):
    """Index the rows by parent and order, beside the running system; a valid index that does so already is enough.

    SHARE UPDATE EXCLUSIVE on the rows for as long as it takes, which no reader and no writer waits for; the build waits for older
    transactions. Back: dropped CONCURRENTLY, likewise.
    """

    locks = (Taken(ROWS, Mode.SHARE_UPDATE_EXCLUSIVE, "while it is built; neither readers nor writers wait"),)
    locks_back = (Taken(ROWS, Mode.SHARE_UPDATE_EXCLUSIVE, "while it is dropped; neither readers nor writers wait"),)

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

    def script(self, turn: Turn) -> list[Statement]:
        binding = self.binding(turn)
        return [] if binding is None else [index.creation(binding)]

    def script_back(self, turn: Turn) -> list[Statement]:
        binding = self.binding(turn)
        return [] if binding is None else [index.removal(binding)]


class EnsureConstraint(CutoverOperation):
    """Add the foreign key from the rows to their parents without a scan, then validate it without stopping anybody.

    EXCLUSIVE on the parents and SHARE ROW EXCLUSIVE on the rows for an instant, then SHARE UPDATE EXCLUSIVE on the rows during
    the scan, which nobody waits for. Back: ACCESS EXCLUSIVE on both, for an instant.
    """

    locks = (
        Taken(PARENTS, Mode.EXCLUSIVE),
        Taken(
            ROWS,
            Mode.SHARE_ROW_EXCLUSIVE,
            f"{INSTANT}; then SHARE UPDATE EXCLUSIVE during the scan, which stops nobody",
        ),
    )
    locks_back = (Taken(PARENTS, Mode.ACCESS_EXCLUSIVE), Taken(ROWS, Mode.ACCESS_EXCLUSIVE))

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

    def script(self, turn: Turn) -> list[Statement]:
        binding = self.binding(turn)
        if binding is None:
            return []
        return [constraint.adding(binding), constraint.validating(binding, names.parent_constraint(self.name))]

    def script_back(self, turn: Turn) -> list[Statement]:
        binding = self.binding(turn)
        return [] if binding is None else [constraint.removal(binding)]
