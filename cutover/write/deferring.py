"""Which instances are inside a block that saves their document at its end, so that their own saves leave it alone."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from cutover.mapping import Binding


@dataclass(eq=False)
class Block:
    """One that is running: the parent, the document that is being changed, and the instances that hold it."""

    binding: Binding
    key: Any
    document: Any
    instances: list[models.Model] = field(default_factory=list)
    broken: bool = False


running: ContextVar[tuple[Block, ...]] = ContextVar("cutover_mutating", default=())


def find(binding: Binding, key: Any) -> Block | None:
    """The block in which a parent's document is being changed, if there is one."""
    return next((each for each in running.get() if each.binding is binding and each.key == key), None)


def covers(binding: Binding, instance: models.Model) -> bool:
    """Whether the instance's document is saved at the end of a block."""
    found = find(binding, instance.pk)
    return found is not None and any(each is instance for each in found.instances)
