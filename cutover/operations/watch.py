"""Operations on the watch trigger."""

from cutover.operations.operation import CutoverOperation, Turn
from cutover.schema import watch


class InstallWatch(CutoverOperation):
    """Install the watch trigger of the current declaration, or bring it up to date.

    It follows the declaration of the day on which it runs; a check says when it is outdated, and another migration with
    the same operation brings it up to date.
    """

    alone = False

    def describe(self) -> str:
        return f"Watch writes to the JSON column of {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"watch_{self.name}"

    def forwards(self, turn: Turn) -> None:
        binding = self.binding_with_column(turn)
        if binding is not None:
            watch.install(binding)

    def backwards(self, turn: Turn) -> None:
        binding = self.binding_with_column(turn)
        if binding is not None:
            watch.remove(turn.alias, self.name, binding.parent.identifier)


class RemoveWatch(InstallWatch):
    """Remove the watch trigger: the cutover was given up, or is over and the column stays."""

    def describe(self) -> str:
        return f"Stop watching writes to the JSON column of {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"unwatch_{self.name}"

    def forwards(self, turn: Turn) -> None:
        super().backwards(turn)

    def backwards(self, turn: Turn) -> None:
        super().forwards(turn)


class RefreshWatch(InstallWatch):
    """Bring the watch trigger up to date; going back leaves it, for an earlier migration installed it."""

    def describe(self) -> str:
        return f"Bring the watch on the JSON column of {self.name} up to date"

    @property
    def migration_name_fragment(self) -> str:
        return f"refresh_watch_{self.name}"

    def backwards(self, turn: Turn) -> None:
        """Nothing."""
