"""Takes a text template apart into literal text and fields. It knows no columns and no values."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter

from cutover.codecs.clock import Clock


@dataclass(frozen=True)
class Field:
    """A field of a template. `clock` is the format of a time; without one the field ends at `separator`, or never."""

    name: str
    clock: Clock | None = None
    separator: str | None = None


def parse(template: str) -> tuple[str | Field, ...]:
    """The literals and fields of a template, in order; a separator is not listed again behind its field.

    Raises ValueError, naming the fields, for a template that would not tell where one field ends.
    """
    items = _merged(template)
    parsed: list[str | Field] = []
    separator: str | None = None
    for at, item in enumerate(items):
        following = items[at + 1] if at + 1 < len(items) else None
        if isinstance(item, str):
            if item is not separator:
                parsed.append(item)
        elif item.clock is not None:
            parsed.append(item)
        elif isinstance(following, Field):
            raise ValueError(f"nothing separates {item.name} from {following.name} in the template {template!r}.")
        else:
            separator = following
            parsed.append(Field(item.name, separator=separator))
    _check_names(template, [item.name for item in parsed if isinstance(item, Field)])
    return tuple(parsed)


def _merged(template: str) -> list[str | Field]:
    items: list[str | Field] = []
    for literal, name, format_spec, conversion in Formatter().parse(template):
        if literal:
            # `{{` ends a piece for Formatter, so that a literal can come in two
            before = items.pop() if items and isinstance(items[-1], str) else ""
            items.append(f"{before}{literal}")
        if name is None:
            continue
        if conversion or not name.isidentifier():
            raise ValueError(f"the template {template!r} has a field {name!r}; a field is a column's name.")
        items.append(Field(name, Clock(format_spec) if format_spec else None))
    return items


def _check_names(template: str, names: list[str]) -> None:
    if not names:
        raise ValueError(f"the template {template!r} has no field.")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the template {template!r} has the field {name} twice.")
