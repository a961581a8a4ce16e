"""What an instance holds in the attribute: where its value came from, and what it then was. Kept in the instance itself.

It is a value of its own for every moment, never changed in place, so that copies and pickles of an instance stay right.
"""

import copy
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from django.db import models

from cutover.mapping import value
from cutover.mapping.binding import Binding
from cutover.mapping.parts import Parts


class Origin(Enum):
    COLUMN = "column"  # as the JSON column had it, or the constructor
    SERVED = "served"  # made from rows; stays until the instance is refreshed
    ASSIGNED = "assigned"  # by the application; it is returned as it was given


@dataclass(frozen=True)
class Held:
    """`parts` are of the value as it was loaded, served or saved; None where that is not known.

    `base` is a copy of that value, kept only where a change is to be captured.
    """

    origin: Origin
    parts: Parts | None
    base: Any = None


def slot(binding: Binding) -> str:
    return f"_cutover_{binding.field_name}"


def attname(binding: Binding) -> str:
    return binding.field_name if binding.field is None else str(binding.field.attname)


def get(binding: Binding, instance: models.Model) -> Held | None:
    found = instance.__dict__.get(slot(binding))
    return found if isinstance(found, Held) else None


def remember(binding: Binding, instance: models.Model, origin: Origin, current: Any) -> None:
    """Take down what the attribute is now, as what the database has."""
    instance.__dict__[slot(binding)] = snapshot(binding, origin, current)


def snapshot(binding: Binding, origin: Origin, current: Any) -> Held:
    """Hashing costs about as much as parsing the document did (some 5 ms for a megabyte)."""
    if binding.field is None:
        return Held(origin, None)
    capture = binding.cutover.on_mutation == "capture"
    return Held(origin, value.taken_apart(binding, current), copy.deepcopy(current) if capture else None)


def assigned(binding: Binding, instance: models.Model) -> None:
    """The application has set the attribute; what was loaded stays what is compared with."""
    known = get(binding, instance)
    instance.__dict__[slot(binding)] = (
        Held(Origin.ASSIGNED, None) if known is None else replace(known, origin=Origin.ASSIGNED)
    )


def forget(binding: Binding, instance: models.Model) -> None:
    """Let the next access read anew, unless the application has changed the value in memory."""
    known = get(binding, instance)
    name = attname(binding)
    if instance._state.adding or known is None or known.origin is Origin.ASSIGNED or name not in instance.__dict__:
        return
    if binding.field is None or value.taken_apart(binding, instance.__dict__[name]) == known.parts:
        del instance.__dict__[name], instance.__dict__[slot(binding)]
