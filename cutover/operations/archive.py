"""Operations that delete nothing yet, or not the column: the archive, and the removal of the claimed lists."""

from cutover import ledger
from cutover.backfill import throttle
from cutover.errors import DeclarationError, Refused
from cutover.mapping import Binding
from cutover.operations import conditions
from cutover.operations.locking import PARENTS, Taken
from cutover.operations.operation import CutoverOperation, Deconstructed, Turn
from cutover.schema import archive, introspect, names, residue, restore
from cutover.schema.column import Place
from cutover.schema.locks import Mode


class ArchiveColumn(CutoverOperation):
    """Keep every document as it is, before its column is dropped. Back: a table is removed, a file is left where it is.

    It refuses like the drop itself. It can be interrupted, and goes on where it was. It reads in chunks and locks nobody out.

    Args:
        name: the cutover.
        model: the parent, `app.Model`.
        column: the JSON column.
        to: `table`, a table of its own in the same database, or `file`, a compressed file in CUTOVER_ARCHIVE_DIRECTORY. Both
            have a manifest with a checksum for each chunk, in a table beside.
    """

    locks = (Taken(PARENTS, Mode.ACCESS_SHARE, "while a chunk is read"),)

    def __init__(self, name: str, model: str, column: str, to: str = "table") -> None:
        super().__init__(name)
        self.model_label = model
        self.column = column
        self.to = to

    def deconstruct(self) -> Deconstructed:
        values = {"model": self.model_label, "column": self.column}
        return self.__class__.__name__, [self.name], values | ({"to": self.to} if self.to != "table" else {})

    def describe(self) -> str:
        return f"Archive {self.model_label}.{self.column} of {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"archive_{self.name}"

    def forwards(self, turn: Turn) -> None:
        if self.to not in ("table", "file"):
            raise DeclarationError(f"ArchiveColumn(to={self.to!r}) is no place.", hint='Write to="table" or to="file".')
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
        source = archive.Source(place, self.name, key.pk, key.pk_type)
        for _ in archive.take(source, epoch, to_file=self.to == "file"):
            pass

    def backwards(self, turn: Turn) -> None:
        if turn.model(self.model_label) is not None:
            archive.drop(turn.alias, self.name)


class StripClaimed(CutoverOperation):
    """Remove the lists that the streams claim, chunk by chunk; the column and the rest stay. Back: from the rows.

    It is for columns that hold more than the lists, and refuses like the drop. It locks the rows of one chunk at a time, waits
    for them as briefly as for a table, rests while the backfill would, and goes on where it was when it was killed.
    """

    locks = (Taken(PARENTS, Mode.ROW_EXCLUSIVE, "with the rows of one chunk, for about half a second"),)
    locks_back = locks

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
        epoch = ledger.read(binding.alias, self.name).epoch
        for _ in residue.strip(binding, epoch, lambda: may_go_on(binding)):
            pass

    def backwards(self, turn: Turn) -> None:
        binding = self.binding_with_column(turn)
        if binding is not None:
            residue.forget(binding)
            for _ in restore.refill(binding):
                pass


def may_go_on(binding: Binding) -> None:
    """Wait while the backfill would: it is paused, a replica is behind, WAL piles up, or whatever the settings say."""
    for _ in throttle.looks():
        if not throttle.reasons(binding):
            return


def undeclared(name: str) -> Refused:
    return Refused(
        f"{name} is not declared, and its parents have documents.",
        hint="Keep the declaration in `cutovers.py` until this migration has run everywhere.",
    )
