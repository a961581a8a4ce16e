"""What the backfill has done and what the verification says of it must agree, for every shape and for odd documents."""

import pytest
from django.db import connection

from bothsides import NAMES, kinds, parent, seen, verified
from cutover import backfill, verify
from cutover.mapping import Binding
from databases import Database
from stages import at_phase


def filled(name: str) -> Binding:
    binding = at_phase(name, 2)
    for number in range(4):
        made = parent(binding, number)
        made.write_json([made.element(n) for n in (0, 1, 1, 3)[: number + 1]])
    return binding


@pytest.mark.parametrize("name", NAMES)
def test_history_is_pending_before_and_equal_after(name: str, database: Database) -> None:
    binding = filled(name)
    before = verified(binding)
    assert set(before.found) == {"pending"}
    list(backfill.run(binding))
    after = verified(binding)
    assert kinds(after) == {}
    assert after.json_checksum == after.table_checksum == before.json_checksum
    assert backfill.why_incomplete(binding) == []


@pytest.mark.parametrize("name", NAMES)
def test_what_the_backfill_put_into_quarantine_is_undecodable_and_nothing_else(name: str, database: Database) -> None:
    binding = filled(name)
    made = parent(binding, 8)
    made.write_json([made.element(1), {"no": ["such", 1.50]}, made.element(2), {"no": ["such", 1.50]}])
    parent(binding, 9).write_document({"nonsense": 1} if name == "device_events" else [1, 2])
    assert set(verified(binding).found) == {"pending"}
    list(backfill.run(binding))
    held = backfill.quarantine.open_count(binding.alias, binding.name)
    assert kinds(verified(binding)) == {"undecodable": held}
    backfill.quarantine.waive(binding.alias, binding.name, who="the test")
    assert kinds(verified(binding)) == {"waived": held}
    assert list(verify.repair(binding, apply=True)) == []


@pytest.mark.parametrize(
    "text",
    ["{", '{"changes": {"items": [["a", 1], ["\\u0000", 2]]}}', '{"changes": {"items": ["\\ud800"]}}', "[[" * 50_000],
)
def test_text_that_jsonb_cannot_hold_is_undecodable_where_the_backfill_says_so(database: Database, text: str) -> None:
    binding = filled("ticket_history")
    made = parent(binding, 9)
    with connection.cursor() as cursor:
        cursor.execute("update shapes_ticket set history = %s where id = %s", [text, made.key])
    seen(binding)
    list(backfill.run(binding))
    assert backfill.quarantine.open_count(binding.alias, binding.name) == 1
    assert kinds(verified(binding)) == {"undecodable": 1}
    backfill.quarantine.waive(binding.alias, binding.name, who="the test")
    assert kinds(verified(binding)) == {"waived": 1}


def test_surplus_of_a_secondary_list_becomes_rows_that_agree(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    made = parent(binding)
    lines = [f"[2026-03-01 10:00:{n:02d}] ERROR {text}" for n, text in enumerate("xyxz")]
    made.write_document({"stdout": lines[::-1], "stderr": ["z", "cut long ago", "y", "x"]})
    list(backfill.run(binding))
    assert kinds(verified(binding)) == {}
