"""What one save writes into the JSON column, and what it may not. It writes nothing itself."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import models

from cutover import lease
from cutover.errors import MutatedDocument
from cutover.mapping import Binding, held, parts, path, value
from cutover.mapping.held import Origin
from cutover.mapping.parts import Change
from cutover.phase import Phase
from cutover.write import remembered


@dataclass
class Save:
    """One save of one instance while it runs.

    Attributes:
        elsewhere: to a database that the cutover does not live in; none of our business.
        deferred: the document is saved at the end of a block that is running.
        beside: through another connection to the same database; nothing can be saved there besides what Django writes.
        expects_insert: no row has the instance's key, so Django's UPDATE will find nothing.
        written: Django writes the document as it is.
        change: what is to be saved besides, against `base`; where that is None, against whatever is stored.
        elements: the document of an inserted parent, whose elements become rows; None where there are none.
    """

    name: str
    instance: models.Model
    elsewhere: bool = False
    deferred: bool = False
    beside: bool = False
    expects_insert: bool = False
    inserted: bool = False
    written: bool = False
    change: Change | None = None
    base: Any = None
    elements: Any = None


running: ContextVar[tuple[Save, ...]] = ContextVar("cutover_saving", default=())


def change_of(binding: Binding, instance: models.Model) -> Change | None:
    """What was changed in memory, and may be saved.

    Raises:
        MutatedDocument: it may not.
    """
    attname = held.attname(binding)
    if attname not in instance.__dict__:
        return None
    known = None if instance._state.adding else remembered.known(binding, instance)
    now = value.taken_apart(binding, instance.__dict__[attname])
    if now is None:
        raise mutated(binding, instance, "as a whole")
    change = parts.difference(None if known is None else known.parts, now)
    if (change.lists or change.whole) and binding.cutover.on_mutation != "capture":
        raise mutated(binding, instance, ", ".join(sorted(place(*each) for each in change.lists)) or "as a whole")
    return change or None


def allowed(binding: Binding, save: Save, change: Change | None) -> Change | None:
    """A change that can be saved besides.

    Raises:
        MutatedDocument: it would wait for the lock that the save itself holds on another connection.
    """
    if change and save.beside:
        raise mutated(binding, save.instance, "and is saved through another alias of the same database")
    return change


def place(stream: str, key: str | None) -> str:
    return stream if key is None else f"{stream} of {key}"


def mutated(binding: Binding, instance: models.Model, where: str) -> MutatedDocument:
    return MutatedDocument(
        f"{binding.field_name} of {type(instance).__name__} {instance.pk} was changed in memory ({where}); "
        "saving it would overwrite what others have appended.",
        hint=f"Use append, extend or replace of cutover.use({binding.name!r}), change it in a block of its `mutating`, "
        "or declare on_mutation = 'capture'.",
    )


def column_value(
    binding: Binding, original: Callable[[models.Model, bool], Any], instance: models.Model, add: bool
) -> Any:
    """What Django writes into the column: below DUAL_WRITE the document, then in an UPDATE the column itself."""
    save = next((each for each in reversed(running.get()) if each.instance is instance), None)
    phase = lease.current(binding).phase
    if save is not None and save.elsewhere:
        return original(instance, add)
    if save is not None and save.deferred:
        return models.F(held.attname(binding))
    if phase < Phase.DUAL_WRITE:
        return written_value(binding, original(instance, add), instance, save, add)
    if add:
        return inserted_value(binding, original(instance, True), instance, save, phase)
    if save is None or not save.expects_insert:
        change = change_of(binding, instance)
        if save is None and change:
            raise mutated(binding, instance, "residue")
        if save is not None:
            save.change = allowed(binding, save, change)
    return models.F(held.attname(binding))


def written_value(binding: Binding, stored: Any, instance: models.Model, save: Save | None, add: bool) -> Any:
    """The document, as Django writes it without the toolkit."""
    if save is not None:
        save.written = True
    if add:
        held.remember(binding, instance, Origin.COLUMN, stored)
    return stored


def inserted_value(binding: Binding, stored: Any, instance: models.Model, save: Save | None, phase: Phase) -> Any:
    """The document of a new parent; from STOP_JSON_WRITES on with empty lists, and its elements become rows."""
    held.remember(binding, instance, Origin.SERVED if phase.reads_rows else Origin.COLUMN, stored)
    if save is not None:
        save.inserted = True
    if phase.writes_json:
        return stored
    if hasattr(stored, "resolve_expression"):
        raise mutated(binding, instance, "an expression")
    document = value.to_document(binding, stored)
    if not any(parts.claimed(binding, document).values()):
        return stored
    if save is None:
        raise MutatedDocument(
            f"A new {type(instance).__name__} has elements in {binding.field_name}, which is no longer written.",
            hint=f"Create it with empty lists, then use extend of cutover.use({binding.name!r}).",
        )
    save.elements = document
    return value.from_text(binding, path.dump(parts.emptied(binding, document)))
