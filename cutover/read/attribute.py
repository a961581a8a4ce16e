"""The model attribute: what the JSON column held, served from rows and JSON together once the phase says so.

A data descriptor around the field's own one. It decides where a value comes from and remembers what it was; it never writes.
"""

from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import models

from cutover import lease
from cutover.mapping import Binding, bind, held, value
from cutover.mapping.held import Origin
from cutover.phase import Phase
from cutover.read import document, refreshing, shadow


class Attribute:
    """`job.logs`. Below PROPERTY_SHIM it is Django's own attribute, to the query.

    From then on the first access reads rows and JSON, by one statement, and keeps the value until `refresh_from_db`.
    An instance that was never saved, and a value that was assigned, are left alone.
    """

    def __init__(self, name: str, inner: Any, field: Any) -> None:
        self.name, self.inner, self.field = name, inner, field

    @property
    def binding(self) -> Binding:
        return bind(self.name)

    def __get__(self, instance: models.Model | None, owner: type[models.Model] | None = None) -> Any:
        if instance is None:
            return self.inner.__get__(None, owner)
        binding = self.binding
        if not settled(binding, instance):
            if reads_rows(binding):
                serve(binding, instance)
            shadow.reads(binding, (instance.pk,))
        return self.inner.__get__(instance, owner)

    def __set__(self, instance: models.Model, new: Any) -> None:
        store(self, instance, new)
        if instance._state.adding or refreshing.now(instance):
            held.remember(self.binding, instance, Origin.COLUMN, instance.__dict__[self.field.attname])
        else:
            held.assigned(self.binding, instance)

    def __delete__(self, instance: models.Model) -> None:
        """Make the field deferred, as `del instance.field` does."""
        if self.field.attname not in instance.__dict__:
            raise AttributeError(self.field.attname)
        del instance.__dict__[self.field.attname]
        instance.__dict__.pop(held.slot(self.binding), None)


def settled(binding: Binding, instance: models.Model) -> bool:
    """Whether the value in memory is the one to return: of a new instance, assigned, or served already."""
    if instance._state.adding or instance.pk is None or refreshing.now(instance):
        return True
    known = held.get(binding, instance)
    return known is not None and known.origin is not Origin.COLUMN


def reads_rows(binding: Binding) -> bool:
    """Whether this process reads rows. In an event loop, where no query may be made, what was last believed."""
    try:
        return lease.current(binding).phase.reads_rows
    except SynchronousOnlyOperation:
        last = lease.believed(binding)
        return (last.phase if last is not None else Phase.NOT_STARTED).reads_rows


def serve(binding: Binding, instance: models.Model) -> None:
    """Read the parent's document and keep it in the instance; one that is gone keeps what was loaded.

    Raises:
        Model.DoesNotExist: the parent is gone, and the field had been deferred.
    """
    found = document.texts(binding, [instance.pk])
    if instance.pk in found:
        keep(binding, instance, found[instance.pk])
    elif held.attname(binding) not in instance.__dict__:
        raise binding.parent.model.DoesNotExist(  # type: ignore[attr-defined]
            f"{type(instance).__name__} {instance.pk} is not there."
        )


def keep(binding: Binding, instance: models.Model, text: str | None, origin: Origin = Origin.SERVED) -> None:
    """Put a document that was read into the instance, as the field would have loaded it."""
    served = value.from_text(binding, text)
    descriptor = lookup(type(instance), binding)
    if isinstance(descriptor, Attribute):
        store(descriptor, instance, served)
    else:
        instance.__dict__[held.attname(binding)] = served
    held.remember(binding, instance, origin, instance.__dict__[held.attname(binding)])


def store(descriptor: Attribute, instance: models.Model, new: Any) -> None:
    if hasattr(descriptor.inner, "__set__"):
        descriptor.inner.__set__(instance, new)
    else:
        instance.__dict__[descriptor.field.attname] = new


def lookup(model: type[models.Model], binding: Binding) -> Any:
    return next(
        (base.__dict__[binding.field_name] for base in model.__mro__ if binding.field_name in base.__dict__), None
    )


def install(binding: Binding) -> None:
    """Put the attribute in the place of the field's own one, once; nothing where the field has left the model."""
    field, model = binding.field, binding.parent.model
    if field is None:
        return
    inner = lookup(model, binding)
    if not isinstance(inner, Attribute):
        setattr(model, field.attname, Attribute(binding.name, inner, field))
        refreshing.watch(model)
