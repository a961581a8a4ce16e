"""Operations on the watch trigger."""

from django.db.migrations.state import ProjectState

from cutover.operations.operation import CutoverOperation
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

    def forwards(self, alias: str, state: ProjectState) -> None:
        binding = self.binding(alias)
        if binding is not None:
            watch.install(binding)

    def backwards(self, alias: str, state: ProjectState) -> None:
        binding = self.binding(alias)
        if binding is not None:
            watch.remove(alias, self.name, binding.parent.identifier)


class RemoveWatch(InstallWatch):
    """Remove the watch trigger: the cutover was given up, or is over and the column stays."""

    def describe(self) -> str:
        return f"Stop watching writes to the JSON column of {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"unwatch_{self.name}"

    def forwards(self, alias: str, state: ProjectState) -> None:
        super().backwards(alias, state)

    def backwards(self, alias: str, state: ProjectState) -> None:
        super().forwards(alias, state)
