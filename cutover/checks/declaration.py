"""Does a declaration fit its models, and does the child table free the writers? Needs no database."""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.db import models

from cutover import spec
from cutover.errors import DeclarationError
from cutover.mapping import Binding, bind


def check_declarations(**_: Any) -> list[CheckMessage]:
    """E010: a declaration does not fit its models. W011, W012, W013: see below."""
    found: list[CheckMessage] = []
    for name in spec.names():
        try:
            binding = bind(name)
        except DeclarationError as error:
            found.append(Error(str(error), hint=error.hint, obj=name, id="cutover.E010"))
            continue
        found += [*constrained(binding), *stamped(binding), *adopted(binding)]
    return found


def constrained(binding: Binding) -> list[CheckMessage]:
    """W011: the foreign key has a database constraint, so every append waits for SELECT ... FOR UPDATE on the parent."""
    field = binding.child.model._meta.get_field(binding.fk_field)
    if not getattr(field, "db_constraint", False):
        return []
    return [
        Caution(
            f"{binding.child.model._meta.label}.{binding.fk_field} has a database constraint: an append takes FOR KEY SHARE on "
            f"the parent and waits for whoever holds SELECT ... FOR UPDATE.",
            hint="Use db_constraint=False until the drop, or select_for_update(no_key=True) wherever the parent is locked.",
            obj=binding.child.model,
            id="cutover.W011",
        )
    ]


def stamped(binding: Binding) -> list[CheckMessage]:
    """W012: auto_now or auto_now_add on a column that a stream fills would stamp history with today."""
    fields = {name for stream in binding.streams for name in stream.fields}
    found: list[CheckMessage] = []
    for name in sorted(fields):
        field = binding.child.model._meta.get_field(name)
        if isinstance(field, models.DateField) and (field.auto_now or field.auto_now_add):
            found.append(
                Caution(
                    f"{binding.child.model._meta.label}.{name} has auto_now or auto_now_add.",
                    hint="Use default=timezone.now: the other two overwrite the time even in bulk inserts.",
                    obj=binding.child.model,
                    id="cutover.W012",
                )
            )
    return found


def adopted(binding: Binding) -> list[CheckMessage]:
    """W013: without positions the order is by time, and phase 4 demands a complete backfill."""
    if binding.position is not None:
        return []
    return [
        Caution(
            f"{binding.name} orders its rows by {', '.join(binding.ordering)}: equal times have no order of their own.",
            hint="Add `position = PositionField()` where the list order matters.",
            obj=binding.child.model,
            id="cutover.W013",
        )
    ]
