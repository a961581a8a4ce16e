"""The operation that drops the column, asks the ledger first, and knows the way back."""

from typing import Any

from django.db import connections, models
from psycopg import sql

from cutover import db, ledger, marks
from cutover.db import Statement
from cutover.errors import Refused
from cutover.mapping import Binding
from cutover.operations import conditions, guard
from cutover.operations.archive import undeclared
from cutover.operations.conditions import Reason
from cutover.operations.locking import INSTANT, PARENTS, Taken
from cutover.operations.operation import CutoverOperation, Deconstructed, Turn
from cutover.phase import Phase
from cutover.schema import archive, column, intact, introspect, locks, manifest, names, restore, watch
from cutover.schema.column import Place
from cutover.schema.locks import Mode, Wanted
from cutover.sql import query

NOBODY = "migrate, without parents"  # who moves the ledger of an empty database


class DropColumn(CutoverOperation):
    """Drop the JSON column, once every element provably has its row. Back: the column returns, filled from the rows.

    Args:
        name: the cutover.
        model: the parent, `app.Model`.
        field: the field as it was; for the way back.
        field_name: its name on the model.
        archive: empty where ArchiveColumn stands before it, or `waived by NAME`: then documents that were NULL, null or
            empty cannot be told apart on the way back.

    ACCESS EXCLUSIVE on the parents for an instant, in a transaction that looks again at what may have changed. Back: the same for
    the empty column, EXCLUSIVE for the trigger, and then the rows of one chunk at a time.
    """

    locks = (Taken(PARENTS, Mode.ACCESS_EXCLUSIVE),)
    locks_back = (Taken(PARENTS, Mode.ACCESS_EXCLUSIVE, f"{INSTANT}; then the rows of one chunk at a time"),)

    def __init__(
        self, name: str, model: str, field_name: str, field: "models.Field[Any, Any]", archive: str = ""
    ) -> None:
        super().__init__(name)
        self.model_label = model
        self.field_name = field_name
        self.field = field
        self.archive = archive

    def deconstruct(self) -> Deconstructed:
        values: dict[str, Any] = {"model": self.model_label, "field_name": self.field_name, "field": self.field}
        return self.__class__.__name__, [self.name], values | ({"archive": self.archive} if self.archive else {})

    def describe(self) -> str:
        return f"Drop {self.model_label}.{self.field_name}, which {self.name} has moved to rows"

    @property
    def migration_name_fragment(self) -> str:
        return f"drop_{self.name}"

    def forwards(self, turn: Turn) -> None:
        place = self.place(turn)
        if place is None or introspect.find_column(place.alias, place.table, place.column) is None:
            return
        if introspect.empty(place.alias, place.table):
            conditions.refuse(str(place), list(conditions.users(place.alias, self.name)))
            drop(place, self.name, None)
            return
        binding = self.binding(turn)
        if binding is None:
            raise undeclared(self.name)
        conditions.refuse(str(place), conditions.for_drop(binding, self.archive))
        drop(place, self.name, ledger.read(place.alias, self.name).epoch)

    def backwards(self, turn: Turn) -> None:
        place = self.place(turn)
        if place is None:
            return
        binding = self.binding(turn)
        if binding is None and not introspect.empty(place.alias, place.table):
            raise undeclared(self.name)
        archived = binding is not None and self.read_archive(binding)
        if introspect.find_column(place.alias, place.table, place.column) is None:
            locks.short_lock(place.alias, lambda: column.add(place, self.bound_field), [Wanted(place.table)])
        if binding is not None and ledger.read(place.alias, self.name).dropped_at is not None:
            self.fill(self.binding(turn) or binding, archived)
        ledger.set_dropped(place.alias, self.name, False)
        if introspect.empty(place.alias, place.table):
            unfinish(place.alias, self.name)

    def script(self, turn: Turn) -> list[Statement]:
        place = self.place(turn)
        return [] if place is None else [guard.drop(place, self.name, self.binding(turn), self.archive)]

    def read_archive(self, binding: Binding) -> bool:
        """Whether the documents come from an archive; it is proven whole before anything is changed, and then is a table.

        Raises:
            Refused: it is damaged.
        """
        known = manifest.whole(binding.alias, self.name)
        if known is None or not known.complete or conditions.waived(self.archive):
            return False
        unpacks = known.file and not introspect.exists(binding.alias, names.archive_table(self.name))
        if unpacks:
            storage = str(self.bound_field.db_type(connections[binding.alias]))
            found = intact.unpack(binding.alias, self.name, known, pk_type=binding.parent.pk_type, storage=storage)
        else:
            found = intact.table_damage(binding.alias, self.name)
        if found is not None:
            raise Refused(
                f"{binding.parent.name}.{self.bound_field.column} is not restored: {found}.",
                hint=f'Put back what is damaged from a backup, or write archive="{conditions.WAIVED}NAME" into DropColumn: '
                "then the documents come from the rows alone.",
            )
        return True

    def fill(self, binding: Binding, archived: bool) -> None:
        """The trigger first: nobody else writes to the column while it is filled."""
        watch.install(binding)
        for _ in restore.fill(binding, self.default_text(binding.alias), archived=archived):
            pass
        known = manifest.whole(binding.alias, self.name)
        if known is not None and known.file:
            archive.drop_table(binding.alias, self.name)

    def default_text(self, alias: str) -> str | None:
        """The document of a parent without one, as JSON text."""
        default = column.default_sql(self.bound_field, alias)
        if default is None:
            return None
        return str(db.scalar(alias, sql.SQL("SELECT ({})::text").format(default)))

    @property
    def bound_field(self) -> "models.Field[Any, Any]":
        """The field with its name."""
        field = self.field.clone()
        field.set_attributes_from_name(self.field_name)
        return field

    def place(self, turn: Turn) -> Place | None:
        model = turn.model(self.model_label)
        if model is None:
            return None
        return Place(turn.alias, names.table(model._meta.db_table), str(self.bound_field.column))


def drop(place: Place, name: str, epoch: int | None) -> None:
    """Drop trigger and column in one transaction with one hot lock; what could have changed is looked at under that lock.

    Args:
        epoch: the ledger's epoch when it was asked; None where the table was empty.

    Raises:
        Busy: the lock was not obtained.
        Refused: something came in between.
    """

    def work() -> None:
        if epoch is None:
            conditions.refuse(str(place), arrived(place))
            finish(place.alias, name)
        else:
            conditions.refuse(str(place), meanwhile(place.alias, name, epoch))
            ledger.set_dropped(place.alias, name, True)
        for statement in watch.script_back(name, place.table):
            db.run(place.alias, statement)
        column.drop(place)

    locks.short_lock(place.alias, work, [Wanted(place.table)])


def meanwhile(alias: str, name: str, epoch: int) -> list[Reason]:
    """What changed between the question and the lock. The ledger's row is held, so nobody moves it now."""
    again = "look at `cutover status`"
    found = []
    held = db.one(alias, query("schema", "hold"), {"name": name})
    if held != (int(Phase.BACKFILL_AND_DROP), epoch):
        found.append(Reason(f"{name} was moved in the meantime", again))
    dirty = marks.count_dirty(alias, name)
    if dirty:
        found.append(Reason(f"{dirty} foreign writes came in the meantime", f"run `cutover backfill {name}`"))
    return found + list(conditions.users(alias, name))


def arrived(place: Place) -> list[Reason]:
    if introspect.empty(place.alias, place.table):
        return []
    return [Reason("the first parents came in the meantime", "look at `cutover status`")]


def finish(alias: str, name: str) -> None:
    """A database without parents has nothing to move: its ledger is at the end at once."""
    if not ledger.installed(alias):
        return
    epoch, came_from = db.rows(alias, query("schema", "finish"), {"name": name})[0]
    end = Phase.BACKFILL_AND_DROP
    ledger.record(
        alias, name, epoch=epoch, from_phase=Phase(came_from), to_phase=end, who=NOBODY, why="there were no parents"
    )


def unfinish(alias: str, name: str) -> None:
    """The same back, so that a database that is migrated to and fro is never ahead of its schema."""
    moved = db.one(alias, query("schema", "unfinish"), {"name": name, "who": NOBODY})
    if moved is not None:
        epoch, phase = moved
        end = Phase.BACKFILL_AND_DROP
        ledger.record(
            alias, name, epoch=epoch, from_phase=end, to_phase=Phase(phase), who="migrate", why="there were no parents"
        )
