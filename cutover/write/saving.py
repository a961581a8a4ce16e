"""The guard on a model's own saves: from DUAL_WRITE on, none of them writes the JSON lists behind the toolkit's back.

A save leaves the column as the database has it. Where the document was changed in memory, it says so and saves nothing, or, with
`on_mutation = "capture"`, saves the difference (`captured`). Below DUAL_WRITE a save is Django's own.
Not guarded, because no instance is asked: `QuerySet.update`, `bulk_update`, conflicts of `bulk_create`, fixtures. They write the
column as they always did, and the watch trigger records them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from django.db import connections, models, router, transaction
from django.db.models.signals import pre_save as about_to_save

from cutover import lease
from cutover.errors import MutatedDocument
from cutover.mapping import Binding, bind, parts, value
from cutover.mapping.held import Origin
from cutover.phase import Phase
from cutover.write import captured, deferring, remembered, stored

GUARDED = "_cutover_guarded"


def install(binding: Binding) -> None:
    """Guard the field and the model, once; nothing where the field has left the model."""
    if binding.field is not None and not hasattr(binding.field.pre_save, GUARDED):
        guard_field(binding.name, binding.field)
        guard_model(binding.name, binding.parent.model)
        refuse_fixtures(binding.name, binding.parent.model)


def guard_field(name: str, field: Any) -> None:
    original = field.pre_save

    @wraps(original)
    def pre_save(instance: models.Model, add: bool) -> Any:
        return stored.column_value(bind(name), original, instance, add)

    setattr(pre_save, GUARDED, True)
    field.pre_save = pre_save


def guard_model(name: str, model: type[models.Model]) -> None:
    original = model.save_base

    @wraps(original)
    def save_base(self: models.Model, raw: bool = False, force_insert: Any = False, **kwargs: Any) -> None:
        if raw or not concerned(bind(name), kwargs.get("update_fields")):
            return original(self, raw=raw, force_insert=force_insert, **kwargs)
        with guarded(bind(name), self, bool(force_insert), kwargs.get("using")):
            return original(self, raw=raw, force_insert=force_insert, **kwargs)

    model.save_base = save_base  # type: ignore[assignment]


def concerned(binding: Binding, update_fields: Any) -> bool:
    field = binding.field
    return field is not None and (
        update_fields is None or field.name in update_fields or field.attname in update_fields
    )


@contextmanager
def guarded(binding: Binding, instance: models.Model, force_insert: bool, using: str | None) -> Iterator[None]:
    """One save: what it may not do is said before anything was written, and what it has to do besides is done with it."""
    alias = using or router.db_for_write(type(instance), instance=instance)
    beside = alias != binding.alias and same_database(alias, binding.alias)
    elsewhere = alias != binding.alias and not beside
    save = stored.Save(binding.name, instance, elsewhere, not elsewhere and deferring.covers(binding, instance), beside)
    with ExitStack() as stack:
        phase = lease.current(binding).phase
        if not (save.elsewhere or save.deferred) and phase >= Phase.DUAL_WRITE:
            foresee(binding, save, force_insert)
            if save.change or save.expects_insert or (instance._state.adding and not phase.writes_json):
                stack.enter_context(transaction.atomic(using=alias, savepoint=False))
        token = stored.running.set((*stored.running.get(), save))
        try:
            yield
        finally:
            stored.running.reset(token)
        finish(binding, save)


def same_database(alias: str, other: str) -> bool:
    """Whether two aliases lead to one database, as far as their settings tell: a second connection, not a replica behind it."""
    one, two = (connections[each].settings_dict for each in (alias, other))
    return all(one.get(name) == two.get(name) for name in ("NAME", "HOST", "PORT")) and all(
        one.get("OPTIONS", {}).get(name) == two.get("OPTIONS", {}).get(name) for name in ("service", "passfile")
    )


def foresee(binding: Binding, save: stored.Save, force_insert: bool) -> None:
    """What this save will be, as far as can be told before it: an INSERT, or an UPDATE with a change of the document."""
    instance = save.instance
    if instance._state.adding:
        if force_insert or instance.pk is None or instance._meta.pk.has_default():
            return
        rows = binding.parent.model._base_manager.using(binding.alias)
        save.expects_insert = not rows.filter(pk=instance.pk).exists()
    if not save.expects_insert:
        known = None if instance._state.adding else remembered.known(binding, instance)
        save.change = stored.allowed(binding, save, stored.change_of(binding, instance))
        save.base = None if known is None else known.base


def finish(binding: Binding, save: stored.Save) -> None:
    """What belongs to a save and is not Django's: elements of a new parent, the difference, and what is now remembered."""
    instance = save.instance
    if save.expects_insert and not save.inserted:
        raise stored.mutated(binding, instance, "somebody else has created it meanwhile")
    if save.elements is not None:
        captured.move_to_rows(binding, instance.pk, save.elements)
    if save.change and not save.inserted:
        with transaction.atomic(using=binding.alias, savepoint=False):
            captured.apply(binding, instance, save.change, save.base)
    if (save.written or save.change) and not save.elsewhere:
        remembered.remember_at_commit(binding, instance, Origin.COLUMN if save.written else Origin.SERVED)


def refuse_fixtures(name: str, model: type[models.Model]) -> None:
    """A fixture writes the column as it is; once nobody reads the lists there, that would lose them."""

    def refuse(sender: Any, instance: models.Model, raw: bool, **_: Any) -> None:  # noqa: ARG001
        binding = bind(name)
        if not raw or not lease.current(binding).rows_alone or binding.field is None:
            return
        document = value.to_document(binding, instance.__dict__.get(binding.field.attname))
        if any(parts.claimed(binding, document).values()):
            raise MutatedDocument(
                f"The fixture of {type(instance).__name__} {instance.pk} has elements in {binding.field_name}, "
                "where nobody reads them any more.",
                hint=f"Take them out of the fixture, and give it rows of {binding.child.model.__name__}.",
            )

    about_to_save.connect(refuse, sender=model, weak=False, dispatch_uid=f"cutover {name}")
