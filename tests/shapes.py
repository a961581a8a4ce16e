"""The four cutovers of the example project as live traffic needs them: documents from before, and what a writer appends."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cutover.mapping import Binding, path

Place = tuple[str, str | None]
Lists = dict[Place, list[Any]]
Fields = dict[str, Any]
BEGAN = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Shape:
    """One cutover.

    Attributes:
        documents: the text of the column: one with history, and one of every kind that has no element; None is SQL NULL.
        fields: the row that a writer appends as his n-th; two of his rows after each other are equal.
        elements: what such a row adds, by stream and dynamic key.
        distinct: whether an element that is there already is not added.
    """

    name: str
    documents: tuple[str | None, ...]
    fields: Callable[[int, int], Fields]
    elements: Callable[[Fields], dict[Place, Any]]
    distinct: bool = False


def line(fields: Fields) -> str:
    return f"[{fields['created_at']:%Y-%m-%d %H:%M:%S}] {fields['level']} {fields['message']}"


def line_fields(writer: int, number: int) -> Fields:
    """Each line twice, as two processes log the same; every third an error; the clock goes back now and then."""
    each = number // 2
    back = 60 if each % 5 == 0 else 0
    when = BEGAN + timedelta(seconds=each - back)
    return {"created_at": when, "level": "INFO" if each % 3 else "ERROR", "message": f"w{writer} {each}"}


def line_elements(fields: Fields) -> dict[Place, Any]:
    shown: dict[Place, Any] = {("stdout", None): line(fields)}
    return shown | ({("stderr", None): fields["message"]} if fields["level"] == "ERROR" else {})


def event_fields(writer: int, number: int) -> Fields:
    """Now and then an event that history has as well."""
    if number % 8 == 0:
        return {"kind": "on", "count": 1}
    return {"kind": f"w{writer}", "count": number // 2, "extra": {"note": {"n": number // 2}}}


def event_elements(fields: Fields) -> dict[Place, Any]:
    return {
        ("events", None): {name: value for name, value in fields.items() if name != "extra"} | fields.get("extra", {})
    }


def tag_fields(writer: int, number: int) -> Fields:
    value = "red" if number % 8 == 0 else f"w{writer} {number // 2}"
    return {"kind": ("color", f"own of w{writer}")[number // 4 % 2], "value": value}


def change_fields(writer: int, number: int) -> Fields:
    if number % 8 == 0:
        return {"field": "state", "amount": 1}
    return {"field": f"w{writer}", "amount": number // 2}


LOGS = {
    "stdout": ["[2024-01-02 03:04:06] ERROR b", "[2024-01-02 03:04:09] INFO later", "[2024-01-02 03:04:05] INFO a"],
    "stderr": ["b", "without a time"],
    "note": "kept",
}
EVENTS = [
    {"kind": "on", "count": 1},
    {"kind": "off", "at": "2024-01-02T03:04:05Z", "by": "me"},
    {"kind": "on", "count": 1},
]
PROFILE = {"tags": {"color": ["red", "blue", "red"], "size": ["xl"]}, "theme": "kept"}
HISTORY = {"changes": {"items": [["state", 1], ["state", None], ["state", 1], ["owner", 3]]}, "by": "kept"}

SHAPES = (
    Shape(
        "job_logs",
        (json.dumps(LOGS), '{"stdout": [], "stderr": []}', '{"stdout": null}', '{"note": "kept"}', "{}", "null", None),
        line_fields,
        line_elements,
        distinct=True,
    ),
    Shape("device_events", (json.dumps(EVENTS), *["[]", "null"] * 3), event_fields, event_elements),
    Shape(
        "account_tags",
        (json.dumps(PROFILE), '{"tags": {"color": []}}', '{"tags": {}}', '{"theme": "kept"}', "{}", "null", None),
        tag_fields,
        lambda fields: {("tags", fields["kind"]): fields["value"]},
    ),
    Shape(
        "ticket_history",
        (json.dumps(HISTORY), '{"changes": {"items": []}}', '{"changes": {}}', '{"by": "kept"}', "{}", "null", None),
        change_fields,
        lambda fields: {("items", None): [fields["field"], fields["amount"]]},
    ),
)


def listed(binding: Binding, document: Any) -> Lists:
    """The lists of a document that hold something, oldest first."""
    found = {}
    for stream in binding.streams:
        for key, elements in path.lists(stream, document):
            if elements:
                found[stream.name, key] = elements[::-1] if stream.newest_first else list(elements)
    return found


def counted(lists: Lists, place: Place) -> Counter[str]:
    return Counter(json.dumps(each, sort_keys=True) for each in lists.get(place, []))


def by(writer: int, elements: list[Any]) -> list[Any]:
    return [each for each in elements if f"w{writer}" in json.dumps(each)]
