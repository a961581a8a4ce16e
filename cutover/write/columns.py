"""The columns of a child row that a writer gives, and how a value becomes what the column holds. It runs no query."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from cutover.codecs import Kind
from cutover.codecs.element import is_storable, shown, why_not_jsonb
from cutover.codecs.textforms import in_range
from cutover.errors import NotEncodable
from cutover.mapping import Binding, path

LEFT_OUT = object()  # the database gives the value


@dataclass(frozen=True, eq=False)
class Column:
    """A column that a new row can give: neither the parent, nor the position, nor a key that the database draws."""

    label: str
    field: models.Field[Any, Any]
    kind: Kind

    @cached_property
    def name(self) -> str:
        return self.field.name

    @cached_property
    def drawn_by_database(self) -> bool:
        """Whether a row that does not give it is completed by the database (Django 5's `db_default`)."""
        return getattr(self.field, "db_default", models.NOT_PROVIDED) is not models.NOT_PROVIDED

    @cached_property
    def needed(self) -> bool:
        """Whether a row that does not give it would say something that nobody has said."""
        stamped = getattr(self.field, "auto_now", False) or getattr(self.field, "auto_now_add", False)
        return not (self.kind.nullable or stamped or self.drawn_by_database or self.field.has_default())

    @cached_property
    def plain(self) -> type | None:
        """The type of which every value is one that `get_prep_value` gives back as it is; None where a field has its own."""
        own = type(self.field).get_prep_value
        if self.kind.family == "text" and own in (models.CharField.get_prep_value, models.TextField.get_prep_value):
            return str
        if self.kind.aware and own is models.DateTimeField.get_prep_value:
            return datetime
        return int if self.kind.bits and own is models.IntegerField.get_prep_value else None

    @cached_property
    def taken(self) -> Callable[[Any], bool]:
        """Whether the column takes a value as it is, told quickly; what this denies, `prepared` has to be asked about."""
        plain, most, bits = self.plain, self.kind.max_length, self.kind.bits or 0
        if plain is str:
            return lambda value: type(value) is str and (most is None or len(value) <= most) and is_storable(value)
        if plain is datetime:
            return lambda value: type(value) is datetime and value.utcoffset() is not None
        return lambda value: type(value) is plain and isinstance(value, int) and in_range(value, bits)

    def default(self) -> Any:
        """The value of a row that does not give one, or LEFT_OUT. `auto_now_add` is now."""
        if getattr(self.field, "auto_now", False) or getattr(self.field, "auto_now_add", False):
            return self.prepared(self.field.pre_save(SimpleNamespace(), True))  # type: ignore[arg-type]
        if self.drawn_by_database:
            return LEFT_OUT
        return self.prepared(self.field.get_default())

    def prepared(self, value: Any) -> Any:
        """The value as the column holds it.

        Raises:
            NotEncodable: naming the field, the value and what the column takes.
        """
        try:
            found = self.field.get_prep_value(value.pk if isinstance(value, models.Model) else value)
            if self.kind.family == "json" and found is not None:
                found = path.parse(json.dumps(found, cls=getattr(self.field, "encoder", None), allow_nan=False))
        except (ValidationError, ValueError, TypeError) as error:
            raise self.refusal(value, "does not take it") from error
        if self.kind.aware and isinstance(found, datetime) and found.tzinfo is None:
            found = timezone.make_aware(found, timezone.get_default_timezone())
        reason = self.why_not(found)
        if reason is not None:
            raise self.refusal(value, reason)
        return found

    def why_not(self, value: Any) -> str | None:
        """What the column says to a prepared value, or None."""
        if value is None:
            return None if self.kind.nullable or self.kind.family == "json" else "takes no NULL"
        if isinstance(value, str) or self.kind.family == "json":
            reason = why_not_jsonb(value)
            if reason:
                return f"cannot hold it, {reason}"
        if isinstance(value, str) and self.kind.max_length is not None and len(value) > self.kind.max_length:
            return f"takes {self.kind.max_length} characters, not {len(value)}"
        if isinstance(value, int) and self.kind.bits is not None and not in_range(value, self.kind.bits):
            return f"takes whole numbers of {self.kind.bits} bits"
        return None

    def refusal(self, value: Any, reason: str) -> NotEncodable:
        return NotEncodable(
            f"{self.label}.{self.name} {reason}: {shown(value)}; nothing was written.",
            hint="Give the field a value that its column takes.",
        )


@lru_cache(maxsize=128)
def of(binding: Binding) -> tuple[Column, ...]:
    """The columns that a new row can give, in the order of the model."""
    model = binding.child.model
    label = model._meta.label
    return tuple(
        Column(label, field, binding.kinds[field.name])
        for field in model._meta.concrete_fields
        if field.column not in (binding.fk, binding.position)
        and not isinstance(field, models.AutoField | models.BigAutoField | models.SmallAutoField)
        and not getattr(field, "generated", False)
    )


def named(binding: Binding, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields by their own names; `user_id` is the field `user`.

    Raises:
        NotEncodable: a name is that of no field, or of one that the toolkit sets itself.
    """
    names = known_names(binding)
    try:
        return {names[name]: value for name, value in given.items()}
    except KeyError as unknown:
        raise NotEncodable(
            f"A new {binding.child.model._meta.label} takes no {unknown.args[0]!r}; nothing was written.",
            hint=f"It takes {', '.join(dict.fromkeys(names.values()))}.",
        ) from None


@lru_cache(maxsize=128)
def known_names(binding: Binding) -> Mapping[str, str]:
    """What a field may be called, and its own name."""
    names = {each.field.attname: each.name for each in of(binding) if not each.field.primary_key}
    return names | {name: name for name in names.values()}


@lru_cache(maxsize=128)
def own_names(binding: Binding) -> frozenset[str]:
    return frozenset(known_names(binding).values())


def values(binding: Binding, given: Mapping[str, Any]) -> dict[str, Any]:
    """A whole row by field name; what the database gives is LEFT_OUT.

    Raises:
        NotEncodable: a column does not take its value.
    """
    by_name = given if given.keys() <= own_names(binding) else named(binding, given)
    found = {}
    for each in of(binding):
        value = by_name.get(each.name, LEFT_OUT)
        if value is LEFT_OUT:
            value = each.default()
        elif not each.taken(value):
            value = each.prepared(value)
        found[each.name] = value
    return found
