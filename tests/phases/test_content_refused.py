"""Rows that the database refuses: the fast path fails on the chunk, the precise one finds the element, everything else moves."""

import json
import random
import string

import pytest

from backfilling import elements, execute, parent, to_the_end
from bothsides import kinds, verified
from content import BESIDE, WAYS, Bad, comes_over, document, go, lines, nothing_changes
from cutover import backfill
from cutover.backfill import quarantine
from databases import Database
from stages import at_phase


@pytest.mark.parametrize("way", WAYS)
def test_a_number_below_the_bound_of_its_column_is_kept_with_the_constraint(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A PositiveIntegerField is an integer with a constraint, and codecs know no constraints."""
    go(monkeypatch, way)
    execute(None, 'ALTER TABLE shapes_event ADD CONSTRAINT count_check CHECK ("count" >= 0)')
    binding = at_phase("device_events", 2)
    good = [{"kind": "on", "count": 0}, {"kind": "on", "count": 2}]
    listed = [json.dumps(good[0]), '{"kind": "on", "count": -1}', json.dumps(good[1])]
    reason = (
        'The database refuses its row: new row for relation "shapes_event" violates check constraint "count_check".'
    )
    comes_over(binding, f"[{', '.join(listed)}]", good, [Bad("$[1]", reason, listed[1])])


def test_of_many_parents_only_the_element_that_is_refused_stays_behind(database: Database) -> None:
    execute(None, "ALTER TABLE jobs_joblog ADD CONSTRAINT no_bomb CHECK (message <> 'bomb')")
    binding = lines()
    for number in range(1, 301):
        bomb = ["[2024-01-02 03:04:05] INFO bomb"] if number in (7, 250) else []
        parent(binding, number, {"stdout": [BESIDE[0], *bomb, BESIDE[1]]})
    assert to_the_end(binding).quarantined == 2
    found = quarantine.listing("default", "job_logs")
    assert [(each.parent_key, each.path) for each in found] == [("7", "$.stdout[1]"), ("250", "$.stdout[1]")]
    assert all('violates check constraint "no_bomb"' in each.reason for each in found)
    assert execute(None, "SELECT job_id, count(*) FROM jobs_joblog GROUP BY 1 HAVING count(*) <> 2") == []
    assert execute(None, "SELECT count(DISTINCT job_id) FROM jobs_joblog") == [(300,)]
    assert backfill.why_incomplete(binding) == []
    assert kinds(verified(binding)) == {"undecodable": 2}
    nothing_changes(binding)


@pytest.mark.parametrize("way", WAYS)
def test_an_element_that_an_index_cannot_take_is_kept_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    go(monkeypatch, way)
    execute(None, "CREATE INDEX by_message ON jobs_joblog (message)")
    noise = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=2**20))  # noqa: S311 - no secret
    large = f"[2024-01-02 03:04:05] INFO {noise}"
    listed = [BESIDE[0], large, BESIDE[1]]
    bad = [Bad("$.stdout[1]", "The database refuses its row: index row ", json.dumps(large))]
    comes_over(lines(), document([json.dumps(each) for each in listed]), BESIDE[::-1], bad)


def test_what_a_unique_column_refuses_is_kept_and_the_first_one_moves(database: Database) -> None:
    execute(None, "CREATE UNIQUE INDEX once ON shapes_change (ticket_id, field)")
    binding = at_phase("ticket_history", 2)
    one = parent(binding, 1, {"changes": {"items": [["a", 1], ["a", 2], ["b", 1]]}})
    two = parent(binding, 2, {"changes": {"items": [["a", 1]]}})
    assert to_the_end(binding).quarantined == 1
    assert (elements(binding, one), elements(binding, two)) == ([["a", 1], ["b", 1]], [["a", 1]])
    (held,) = quarantine.listing("default", "ticket_history")
    assert (held.path, held.element) == ("$.changes.items[1]", '["a", 2]')
    assert held.reason == 'The database refuses its row: duplicate key value violates unique constraint "once".'
    nothing_changes(binding)


@pytest.mark.parametrize("storage", ["json", "text"])
def test_equal_elements_of_a_document_that_jsonb_cannot_hold_have_each_their_place(
    database: Database, storage: str
) -> None:
    listed = ['"bad"', json.dumps(BESIDE[0]), '"bad"', r'"nul\u0000"', r'"nul\u0000"', '"bad"']
    bad = [
        Bad(f"$.stdout[{number}]", "jsonb cannot hold" if "nul" in text else "'[' is not", text)
        for number, text in enumerate(listed)
        if number != 1
    ]
    found = comes_over(lines(storage), document(listed), BESIDE[:1], bad)
    assert {each.index: each.occurrence for each in found} == {0: 1, 2: 2, 5: 3, 3: 1, 4: 2}
