"""What the stateful test walks with: three shapes of lists, each with its elements, its document and the rows that make it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

Element = Any
Fields = dict[str, Any]
Lists = dict[str, list[Element]]
BEGAN = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Shape:
    """One cutover of the example project. Lists are oldest first here, whatever they are in the document.

    Attributes:
        drawn: what hypothesis draws for one append.
        fields: that and a running number as the fields of a row.
        elements: what such a row adds, by stream.
        document, lists: from lists to a document and back.
    """

    name: str
    streams: tuple[str, ...]
    drawn: st.SearchStrategy[Any]
    fields: Callable[[Any, int], Fields]
    elements: Callable[[Fields], dict[str, Element]]
    document: Callable[[Lists], Any]
    lists: Callable[[Any], Lists]

    def empty(self) -> Lists:
        return {stream: [] for stream in self.streams}

    def add(self, lists: Lists, fields: Fields) -> None:
        for stream, element in self.elements(fields).items():
            lists[stream].append(element)


def line_fields(level: str, number: int) -> Fields:
    back = 60 if number % 3 == 0 else 0  # clocks do go back
    return {"level": level, "message": f"line {number}", "created_at": BEGAN + timedelta(seconds=number - back)}


def line_elements(fields: Fields) -> dict[str, Element]:
    line = f"[{fields['created_at']:%Y-%m-%d %H:%M:%S}] {fields['level']} {fields['message']}"
    return {"stdout": line} | ({"stderr": fields["message"]} if fields["level"] == "ERROR" else {})


def logs_document(lists: Lists) -> Any:
    return {"note": "kept", **{stream: elements[::-1] for stream, elements in lists.items()}}


def logs_lists(document: Any) -> Lists:
    assert document["note"] == "kept"
    return {stream: document[stream][::-1] for stream in ("stdout", "stderr")}


def history_lists(document: Any) -> Lists:
    assert document["by"] == "kept"
    return {"items": document["changes"]["items"]}


SHAPES: Sequence[Shape] = (
    Shape(
        "job_logs",
        ("stdout", "stderr"),
        drawn=st.sampled_from(["INFO", "ERROR"]),
        fields=line_fields,
        elements=line_elements,
        document=logs_document,
        lists=logs_lists,
    ),
    Shape(
        "device_events",
        ("events",),
        drawn=st.sampled_from(["on", "off"]),
        fields=lambda kind, _number: {"kind": kind, "count": 1},
        elements=lambda fields: {"events": dict(fields)},
        document=lambda lists: lists["events"],
        lists=lambda document: {"events": document},
    ),
    Shape(
        "ticket_history",
        ("items",),
        drawn=st.sampled_from([("state", 1), ("state", None), ("owner", 1)]),
        fields=lambda drawn, _number: {"field": drawn[0], "amount": drawn[1]},
        elements=lambda fields: {"items": [fields["field"], fields["amount"]]},
        document=lambda lists: {"by": "kept", "changes": {"items": lists["items"]}},
        lists=history_lists,
    ),
)
