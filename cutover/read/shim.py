"""Keeps the attribute on a model whose JSON field is gone: `logs = Shim("job_logs")`. It serves, and cannot be assigned."""

from typing import Any, Self, overload

from django.db import models

from cutover.errors import MutatedDocument
from cutover.mapping import bind, held, parts, path, value
from cutover.read import attribute, refreshing


class Shim:
    """The document of a cutover, read from rows (and from the column while it has something to say), by name."""

    def __init__(self, cutover: str) -> None:
        self.cutover = cutover
        self.attribute = ""

    def contribute_to_class(self, model: type[models.Model], name: str) -> None:
        """Django calls it while it makes the class."""
        self.attribute = name
        setattr(model, name, self)
        refreshing.watch_name(model, name, self.forget)

    @overload
    def __get__(self, instance: None, owner: type[models.Model]) -> Self: ...
    @overload
    def __get__(self, instance: models.Model, owner: type[models.Model]) -> Any: ...
    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> Any:
        if instance is None:
            return self
        binding = bind(self.cutover)
        if instance._state.adding or instance.pk is None:
            return value.from_text(binding, path.dump(parts.empty(binding)))
        if held.get(binding, instance) is None:
            attribute.serve(binding, instance)
        return instance.__dict__[binding.field_name]

    def __set__(self, instance: models.Model, new: object) -> None:
        raise MutatedDocument(
            f"{type(instance).__name__}.{self.attribute} is served from rows; it cannot be assigned.",
            hint=f"Use append, extend or replace of cutover.use({self.cutover!r}).",
        )

    def forget(self, instance: models.Model) -> None:
        """Read anew at the next access."""
        binding = bind(self.cutover)
        instance.__dict__.pop(binding.field_name, None)
        instance.__dict__.pop(held.slot(binding), None)
