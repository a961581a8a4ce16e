"""Django's admin: the newest elements of each list of a parent, read-only, where the JSON field was."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from django.db import models
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from cutover.facade import use

NEWEST = 100


def panel(cutover: str, *, newest: int = NEWEST, title: str = "") -> Callable[[models.Model], SafeString]:
    """A callable for `readonly_fields` (and `fields`) of a ModelAdmin: the lists of the parent, the newest elements of each.

    Only what it shows is read.
    """

    def shown(parent: models.Model) -> SafeString:
        if parent.pk is None:
            return SafeString("")
        return format_html_join("", "{}", ((stream(*each, newest),) for each in lists(cutover, parent)))

    shown.__name__ = f"{cutover}_panel"
    shown.short_description = title or cutover.replace("_", " ")  # type: ignore[attr-defined] # it is the admin's way
    return shown


def lists(cutover: str, parent: models.Model) -> Iterator[tuple[str, Any]]:
    """Each list of the parent with its heading; those under a Key by their keys."""
    found = use(cutover).lists(parent)
    for each in found.binding.streams:
        if each.key_field is None:
            yield each.name, found[each.name]
        else:
            yield from ((f"{each.name}: {key}", found[each.name][key]) for key in found[each.name])


def stream(name: str, elements: Any, newest: int) -> SafeString:
    shown, number = elements.newest(newest), len(elements)
    count = f"{number}" if len(shown) >= number else f"the newest {len(shown)} of {number}"
    lines = "\n".join(each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in shown)
    return format_html("<p><b>{}</b> ({})</p><pre>{}</pre>", name, count, lines)
