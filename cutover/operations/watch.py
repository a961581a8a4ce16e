"""Operations on the watch trigger."""

from cutover.db import Statement
from cutover.operations.locking import PARENTS, Taken
from cutover.operations.operation import CutoverOperation, Turn
from cutover.schema import watch
from cutover.schema.locks import Mode


class InstallWatch(CutoverOperation):
    """Install the watch trigger of the current declaration, or bring it up to date.

    It follows the declaration of the day on which it runs; a check says when it is outdated (the hash of its source is in its
    comment), and another migration with the same operation brings it up to date.

    EXCLUSIVE on the parents for an instant: writers wait, readers do not. Back: ACCESS EXCLUSIVE, for an instant.
    """

    alone = False
    locks: tuple[Taken, ...] = (Taken(PARENTS, Mode.EXCLUSIVE),)
    locks_back: tuple[Taken, ...] = (Taken(PARENTS, Mode.ACCESS_EXCLUSIVE),)

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

    def script(self, turn: Turn) -> list[Statement]:
        binding = self.binding_with_column(turn)
        return [] if binding is None else watch.script(binding)

    def script_back(self, turn: Turn) -> list[Statement]:
        binding = self.binding_with_column(turn)
        return [] if binding is None else [*watch.script_back(self.name, binding.parent.identifier)]


class RemoveWatch(InstallWatch):
    """Remove the watch trigger: the cutover was given up, or is over and the column stays.

    ACCESS EXCLUSIVE on the parents for an instant. Back: EXCLUSIVE, likewise.
    """

    locks = InstallWatch.locks_back
    locks_back = InstallWatch.locks

    def describe(self) -> str:
        return f"Stop watching writes to the JSON column of {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"unwatch_{self.name}"

    def forwards(self, turn: Turn) -> None:
        super().backwards(turn)

    def backwards(self, turn: Turn) -> None:
        super().forwards(turn)

    def script(self, turn: Turn) -> list[Statement]:
        return super().script_back(turn)

    def script_back(self, turn: Turn) -> list[Statement]:
        return super().script(turn)


class RefreshWatch(InstallWatch):
    """Bring the watch trigger up to date; going back leaves it, for an earlier migration installed it.

    EXCLUSIVE on the parents for an instant, and nothing where it is current.
    """

    locks_back = ()

    def describe(self) -> str:
        return f"Bring the watch on the JSON column of {self.name} up to date"

    @property
    def migration_name_fragment(self) -> str:
        return f"refresh_watch_{self.name}"

    def backwards(self, turn: Turn) -> None:
        """Nothing."""

    def script_back(self, turn: Turn) -> list[Statement]:  # noqa: ARG002 - that of its parent
        return []
