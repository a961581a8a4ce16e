"""Operations that delete nothing yet, or not the column: the archive, and the removal of the claimed lists."""

from cutover import ledger
from cutover.errors import Refused
from cutover.operations import conditions
from cutover.operations.operation import CutoverOperation, Deconstructed, Turn
from cutover.schema import archive, introspect, names, residue, restore
from cutover.schema.column import Place


class ArchiveColumn(CutoverOperation):
    """Keep every document as it is, in a table of its own, before its column is dropped. Back: that table is removed.

    It refuses like the drop itself. It can be interrupted, and goes on where it was.
    """

    def __init__(self, name: str, model: str, column: str) -> None:
        super().__init__(name)
        self.model_label = model
        self.column = column

    def deconstruct(self) -> Deconstructed:
        return self.__class__.__name__, [self.name], {"model": self.model_label, "column": self.column}

    def describe(self) -> str:
        return f"Archive {self.model_label}.{self.column} of {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"archive_{self.name}"

    def forwards(self, turn: Turn) -> None:
        model = turn.model(self.model_label)
        if model is None or introspect.empty(turn.alias, names.table(model._meta.db_table)):
            return
        binding = self.binding(turn)
        if binding is None:
            raise undeclared(self.name)
        place = Place(turn.alias, names.table(model._meta.db_table), self.column)
        conditions.refuse(str(place), conditions.for_archive(binding))
        epoch = ledger.read(turn.alias, self.name).epoch
        key = binding.parent
        for _ in archive.take(place, self.name, pk=key.pk, pk_type=key.pk_type, epoch=epoch):
            pass

    def backwards(self, turn: Turn) -> None:
        if turn.model(self.model_label) is not None:
            archive.drop(turn.alias, self.name)


class StripClaimed(CutoverOperation):
    """Remove the lists that the streams claim, chunk by chunk; the column and the rest stay. Back: from the rows.

    It is for columns that hold more than the lists, and refuses like the drop.
    """

    def __init__(self, name: str, archive: str = "") -> None:
        super().__init__(name)
        self.archive = archive

    def deconstruct(self) -> Deconstructed:
        return self.__class__.__name__, [self.name], {"archive": self.archive} if self.archive else {}

    def describe(self) -> str:
        return f"Remove the lists of {self.name} from its JSON column"

    @property
    def migration_name_fragment(self) -> str:
        return f"strip_{self.name}"

    def forwards(self, turn: Turn) -> None:
        binding = self.binding_with_column(turn)
        if binding is None or introspect.empty(turn.alias, binding.parent.identifier):
            return
        if any(not stream.steps for stream in binding.streams):
            raise Refused(
                f"{self.name} claims the whole document; nothing would be left of it.",
                hint="Use DropColumn, and drop the column.",
            )
        conditions.refuse(f"{binding.parent.name}.{binding.column}", conditions.for_strip(binding, self.archive))
        for _ in residue.strip(binding):
            pass

    def backwards(self, turn: Turn) -> None:
        binding = self.binding_with_column(turn)
        if binding is not None:
            for _ in restore.refill(binding):
                pass


def undeclared(name: str) -> Refused:
    return Refused(
        f"{name} is not declared, and its parents have documents.",
        hint="Keep the declaration in `cutovers.py` until this migration has run everywhere.",
    )
