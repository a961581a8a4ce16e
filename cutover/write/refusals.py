"""Why a write is refused, in the words that its caller reads; and the parent's key, which may be the first reason. No queries."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from cutover.errors import NotEncodable, ParentMissing, PhaseMoved
from cutover.lease import Lease
from cutover.mapping import Binding, BoundStream

TRIES = 5  # how often a write is decided anew before it gives up


def parent_value(binding: Binding, key: Any) -> Any:
    """The parent's key as its column holds it.

    Raises:
        ParentMissing: no row can have it.
    """
    pk = binding.parent.model._meta.pk
    found = key.pk if isinstance(key, models.Model) else key
    try:
        value = pk.get_prep_value(found)
    except (ValueError, TypeError, ValidationError):
        value = None
    most = getattr(pk, "max_length", None)
    if value is None or (isinstance(value, str) and ("\0" in value or (most is not None and len(value) > most))):
        raise missing(binding, found)
    return value


def whose(binding: Binding, key: Any) -> str:
    return f"{binding.parent.model._meta.label} {repr(key) if isinstance(key, str) else key}"


def missing(binding: Binding, key: Any) -> ParentMissing:
    return ParentMissing(
        f"{whose(binding, key)} is not there; nothing was written.",
        hint="Write after the parent's transaction has been committed, or on the same connection.",
    )


def moved(binding: Binding) -> PhaseMoved:
    return PhaseMoved(
        f"The ledger of {binding.name} moved under {TRIES} tries; nothing was written.",
        hint="Write again; look at `cutover status` if it lasts.",
    )


def unfit(binding: Binding, key: Any, stream: BoundStream | None, dynamic: str | None = None) -> NotEncodable:
    parent = whose(binding, key)
    if stream is None:
        fact = f"{binding.column} of {parent} is no JSON; nothing was written."
    else:
        steps = [step if isinstance(step, str) else str(dynamic) for step in stream.steps]
        where = ".".join((binding.column, *steps))
        fact = f"{where} of {parent} has no place for a list; nothing was written."
    return NotEncodable(fact, hint="Repair the document, so that objects lead to a list.")


def nowhere(binding: Binding, held: Lease) -> NotEncodable:
    return NotEncodable(
        f"No stream of {binding.name} shows the row, and at {held.phase.name} there is no table for it; nothing was written.",
        hint="Declare a stream that shows such rows, or write them from DUAL_WRITE on.",
    )
