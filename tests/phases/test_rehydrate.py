"""Rehydration: JSON written back from rows, so that readers may go back to it."""

from typing import Any

import pytest
from django.db import connection

from bothsides import NAMES, Pair, kinds, parent, verified, visited
from cutover import marks, snapshot, verify
from cutover.chunk import Pace
from cutover.errors import Busy, Refused
from cutover.mapping import Binding
from cutover.verify import holding, rebuild, rebuilt, rehydration
from databases import Database
from stages import at_phase, move_only


@pytest.fixture(params=NAMES)
def pair(request: Any, database: Database) -> Pair:
    """A parent that came back from phase 4, where two elements were written to the table alone."""
    binding = at_phase(request.param, 4)
    visited(binding)
    made = parent(binding)
    made.write_json([made.element(n) for n in range(3)])
    made.add_rows([made.element(n) for n in range(3)])
    made.add_row(made.element(3), 100)
    made.add_row(made.element(4), 102)
    at_phase(request.param, 3)
    return made


def view(binding: Binding, key: Any) -> list[list[Any]]:
    """What a reader of each list sees."""
    sides = snapshot.take(binding, [key])[key]
    return [
        rebuild.shown(stream, found)
        for stream in binding.streams
        for found in snapshot.lists(stream, sides, sides.document()).values()
    ]


def test_json_becomes_what_its_readers_saw_and_the_order_stays(pair: Pair) -> None:
    assert verify.rehydrated(pair.binding) == 2
    seen = view(pair.binding, pair.key)
    *_, planned = verify.rehydrate(pair.binding, apply=False)
    assert verify.rehydrated(pair.binding) == 2
    *_, last = verify.rehydrate(pair.binding)
    assert (last.parents, last.rows, last.left, last.done) == (1, 2, 0, True)
    assert planned == last
    assert pair.listed() == pair.rows() == [pair.element(n) for n in range(5)]
    assert view(pair.binding, pair.key) == seen
    assert verify.rehydrated(pair.binding) == 0
    assert kinds(verified(pair.binding)) == {}
    assert marks.count_dirty(pair.binding.alias, pair.binding.name) == 0


def test_a_second_time_there_is_nothing_to_do(pair: Pair) -> None:
    list(verify.rehydrate(pair.binding))
    (last,) = verify.rehydrate(pair.binding)
    assert (last.parents, last.rows) == (0, 0)


def test_a_row_that_equals_a_frozen_element_is_a_second_element(pair: Pair) -> None:
    pair.add_row(pair.element(1), 104)
    list(verify.rehydrate(pair.binding))
    again = [] if pair.stream.distinct else [pair.element(1)]
    expected = [pair.element(n) for n in (0, 1, 2, 3, 4)] + again
    if pair.stream.distinct:
        expected = [
            pair.element(n) for n in (0, 2, 3, 4, 1)
        ]  # the newest of equal lines, as a list with a cap shows it
    assert pair.listed() == expected
    assert verify.rehydrated(pair.binding) == 0
    assert not verified(pair.binding).differs


def test_rows_beyond_the_cap_are_stamped_and_stay_out_of_json(database: Database) -> None:
    binding = at_phase("job_logs", 4)
    visited(binding)
    made = parent(binding)
    lines = [f"[2026-03-01 10:{n // 60:02d}:{n % 60:02d}] INFO line {n}" for n in range(1020)]
    made.write_json(lines[:1000])
    made.add_rows(lines[:1000])
    for number, line in enumerate(lines[1000:]):
        made.add_row(line, 4000 + 2 * number)
    at_phase("job_logs", 3)
    list(verify.rehydrate(binding))
    assert made.listed() == lines[20:]
    assert made.rows() == lines
    assert kinds(verified(binding)) == {"beyond_cap": 20}


def test_a_row_of_two_lists_comes_back_into_both(database: Database) -> None:
    binding = at_phase("job_logs", 4)
    made = parent(binding)
    made.write_document({"stdout": [], "note": "kept"})
    made.add_row("[2026-03-01 10:00:00] ERROR broken", 100)
    at_phase("job_logs", 3)
    list(verify.rehydrate(binding))
    assert made.document() == {
        "stdout": ["[2026-03-01 10:00:00] ERROR broken"],
        "stderr": ["broken"],
        "note": "kept",
    }


def test_a_document_that_was_null_gets_its_list(database: Database) -> None:
    binding = at_phase("ticket_history", 4)
    made = parent(binding)
    made.write_document(None)
    made.add_row(["status", 1], 100)
    at_phase("ticket_history", 3)
    list(verify.rehydrate(binding))
    assert made.document() == {"changes": {"items": [["status", 1]]}}


def test_what_stands_in_the_way_of_a_list_is_not_overwritten(database: Database) -> None:
    binding = at_phase("account_tags", 4)
    made = parent(binding)
    made.write_document({"tags": {"colour": "nonsense"}})
    made.add_row("red", 100)
    at_phase("account_tags", 3)
    *_, planned = verify.rehydrate(binding, apply=False)
    *_, last = verify.rehydrate(binding)
    assert (last.parents, last.rows, last.left) == (0, 0, 1)
    assert planned == last
    assert made.document() == {"tags": {"colour": "nonsense"}}
    assert verify.rehydrated(binding) == 1


def test_text_that_is_no_json_is_not_overwritten(database: Database) -> None:
    binding = at_phase("ticket_history", 4)
    made = parent(binding)
    made.add_row(["status", 1], 100)
    with connection.cursor() as cursor:
        cursor.execute("update shapes_ticket set history = '{' where id = %s", [made.key])
        at_phase("ticket_history", 3)
        *_, planned = verify.rehydrate(binding, apply=False)
        *_, last = verify.rehydrate(binding)
        assert planned == last
        assert last.left == 1
        cursor.execute("select history from shapes_ticket where id = %s", [made.key])
        assert cursor.fetchone() == ("{",)


def test_cut_short_between_two_transactions_it_goes_on_with_the_rest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("device_events", 4)
    pairs = [parent(binding) for _ in range(3)]
    for made in pairs:
        made.add_row(made.element(1), 100)
    at_phase("device_events", 3)
    monkeypatch.setattr(holding, "pace", lambda: Pace(parents=1, largest=1))
    course = verify.rehydrate(binding)
    assert next(course).parents == 1
    course.close()
    assert sorted(len(made.listed()) for made in pairs) == [0, 0, 1]
    assert verify.rehydrated(binding) == 2
    *_, last = verify.rehydrate(binding)
    assert (last.parents, last.rows, last.done) == (3, 3, True)  # with what was done before
    assert [len(made.listed()) for made in pairs] == [1, 1, 1]
    assert verify.rehydrated(binding) == 0


@pytest.mark.parametrize("phase", [0, 2, 4])
def test_it_is_refused_in_any_other_phase(database: Database, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    with pytest.raises(Refused, match="JSON is written back from rows at PROPERTY_SHIM"):
        next(verify.rehydrate(binding))


def test_a_phase_that_has_not_settled_is_refused(database: Database) -> None:
    binding = at_phase("job_logs", 4)
    move_only("job_logs", 3)
    with pytest.raises(Refused, match="job_logs is at PROPERTY_SHIM, not settled"):
        next(verify.rehydrate(binding))


def test_a_move_meanwhile_ends_it(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = rehydration.writable(pair.binding)
    monkeypatch.setattr(rehydration, "writable", lambda binding: entry)
    move_only(pair.binding.name, 4)
    with pytest.raises(Busy, match="was moved to STOP_JSON_WRITES meanwhile"):
        next(verify.rehydrate(pair.binding))
    assert len(pair.listed()) == 3


def test_a_document_is_rebuilt_from_rows_alone(pair: Pair) -> None:
    sides = snapshot.take(pair.binding, [pair.key], documents=False)[pair.key]
    whole = rebuilt(pair.binding, sides, None)
    pair.write_document(whole)
    assert pair.listed() == [pair.element(n) for n in range(5)]


def test_rebuilding_keeps_what_no_stream_claims(database: Database) -> None:
    binding = at_phase("account_tags", 4)
    made = parent(binding)
    made.add_row("red", 100)
    sides = snapshot.take(binding, [made.key], documents=False)[made.key]
    skeleton = {"theme": "dark", "tags": {"size": []}}
    assert rebuilt(binding, sides, skeleton) == {"theme": "dark", "tags": {"size": [], "colour": ["red"]}}
    assert skeleton == {"theme": "dark", "tags": {"size": []}}
