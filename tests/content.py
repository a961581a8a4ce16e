"""What the tests of odd content share: job lines in a column of any type, and what becomes of good and bad elements together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.db.models import Q
from django.test import override_settings

from backfilling import all_rows, elements, execute, parent, to_the_end
from bothsides import kinds, verified
from cutover import Stream, Text, backfill
from cutover.backfill import difference, quarantine
from cutover.backfill.quarantine import Held
from cutover.codecs import Codec
from cutover.mapping import Binding, resolve
from cutover.verify import result
from stages import at_phase

STORAGES = ("jsonb", "json", "text")
WAYS = ("sql", "python")
TEMPLATE = "[{created_at:%Y-%m-%d %H:%M:%S}] {level} {message}"
BESIDE = ["[2024-01-02 03:04:06] INFO second", "[2024-01-02 03:04:05] INFO first"]


@dataclass(frozen=True)
class Bad:
    """An element that has to go into quarantine: its path, the beginning of its reason, and its JSON text."""

    path: str
    reason: str
    text: str

    @property
    def index(self) -> int | None:
        return int(self.path.rpartition("[")[2][:-1]) if self.path.endswith("]") else None


def lines(storage: str = "jsonb", tz: str = "UTC", **options: Any) -> Binding:
    """job_logs with its lines alone, newest first, in a column of this type; equal lines count."""
    codec = options.pop("codec", None) or Text(TEMPLATE, tz=tz)
    shown = Q(created_at__isnull=False)
    return declared("job_logs", Stream("stdout", codec, where=shown, newest_first=True, **options), storage=storage)


def declared(name: str, stream: Stream, *, storage: str = "") -> Binding:
    """A cutover at phase 2 with another stream, or another type of column, than it has in the example project."""
    base = at_phase(name, 2)
    if storage and storage != base.storage:
        retype(base, storage)
    bound = resolve.stream(base.cutover, stream, 0, base.child.model, base.alias, base.kinds)
    return replace(base, storage=storage or base.storage, streams=(bound,))


def recoded(binding: Binding, codec: Codec) -> Binding:
    """The same after its codec was mended."""
    spec = replace(binding.streams[0].spec, codec=codec)
    bound = resolve.stream(binding.cutover, spec, 0, binding.child.model, binding.alias, binding.kinds)
    return replace(binding, streams=(bound,))


def retype(binding: Binding, storage: str) -> None:
    """Give the column another type; the trigger that names it has to go."""
    table, column = binding.parent.name, binding.column
    for (trigger,) in execute(
        None, "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", table
    ):
        execute(None, f"DROP TRIGGER {trigger} ON {table}")
    execute(None, f"ALTER TABLE {table} ALTER {column} TYPE {storage} USING {column}::text::{storage}")


def go(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Let the backfill go by SQL, or through Python."""
    if way == "python":
        monkeypatch.setattr(difference, "compiles", lambda binding: False)


def document(listed: Sequence[str], key: str = "stdout") -> str:
    """A document as text, its elements given as JSON texts."""
    return f'{{"{key}": [{", ".join(listed)}], "note": "kept"}}'


def comes_over(binding: Binding, text: str | None, good: Sequence[Any], bad: Sequence[Bad]) -> list[Held]:
    """Backfill a parent with this document beside two that are well: the good elements are rows, the bad are in quarantine.

    `good` is oldest first. A second run, and one from the beginning, change nothing.
    """
    keys = [parent(binding, number, text, text=True) for number in (1, 2, 3) if number == 2]
    beside = [parent(binding, number, EXAMPLE[binding.name]) for number in (1, 3)]
    assert to_the_end(binding).quarantined == len(bad)
    with override_settings(USE_TZ=True):  # or the driver of the test would take the zone off the times
        assert elements(binding, keys[0]) == list(good)
        assert [len(elements(binding, key)) for key in beside] == [2, 2]
    found = quarantine.listing(binding.alias, binding.name)
    assert {each.path: (each.index, each.element) for each in found} == {
        each.path: (each.index, each.text) for each in bad
    }
    assert all(each.parent_key == str(keys[0]) for each in found)
    reasons = {each.path: each.reason for each in found}
    assert {each.path: reasons[each.path][: len(each.reason)] for each in bad} == {
        each.path: each.reason for each in bad
    }
    assert backfill.why_incomplete(binding) == []
    assert kinds(verified(binding)) == ({result.UNDECODABLE: len(bad)} if bad else {})
    nothing_changes(binding)
    return found


def nothing_changes(binding: Binding) -> None:
    """Neither in a second run, nor in one from the beginning."""
    before = (all_rows(binding), quarantine.listing(binding.alias, binding.name))
    to_the_end(binding)
    assert (all_rows(binding), quarantine.listing(binding.alias, binding.name)) == before
    backfill.reset(binding)
    to_the_end(binding)
    assert (all_rows(binding), quarantine.listing(binding.alias, binding.name)) == before


EXAMPLE: Mapping[str, Any] = {
    "job_logs": {"stdout": BESIDE},
    "device_events": [{"kind": "on"}, {"kind": "off"}],
    "account_tags": {"tags": {"color": ["red", "blue"]}},
    "ticket_history": {"changes": {"items": [["a", 1], ["b", 2]]}},
}


def dumped(value: object) -> str:
    """As jsonb prints it."""
    return json.dumps(value, ensure_ascii=False)
