"""Repair: what it would do, what it does, what it leaves alone; and that a second verification finds nothing."""

from typing import Any

import pytest
from django.db import connection

from bothsides import NAMES, Pair, kinds, parent, quarantine, verified, visited
from cutover import ledger, marks, verify
from cutover.errors import Refused
from cutover.mapping import Binding
from cutover.verify import Action
from databases import Database
from stages import at_phase, move_only


@pytest.fixture(params=NAMES)
def pair(request: Any, database: Database) -> Pair:
    binding = at_phase(request.param, 2)
    visited(binding)
    made = parent(binding)
    made.write_json([made.element(n) for n in range(5)])
    made.add_rows([made.element(n) for n in range(5)])
    return made


def repaired(binding: Binding) -> list[Action]:
    """What was planned, which must change nothing, and is then what is done."""
    before = verified(binding).found
    planned = list(verify.repair(binding, apply=False))
    assert not any(action.done for action in planned)
    assert verified(binding).found == before
    done = list(verify.repair(binding, apply=True))
    assert marks.count_dirty(binding.alias, binding.name) == 0
    assert sorted((each.kind, each.element) for each in done) == sorted((each.kind, each.element) for each in planned)
    return done


def lacking(pair: Pair, order: tuple[int, ...]) -> None:
    pair.write_json([pair.element(n) for n in order])


@pytest.mark.parametrize(
    "order", [(0, 1, 2, 3, 4, 5), (9, 0, 1, 2, 3, 4), (0, 1, 2, 7, 8, 3, 4), (0, 7, 1, 2, 3, 8, 4)]
)
def test_a_missing_row_is_inserted_at_its_place(pair: Pair, order: tuple[int, ...]) -> None:
    lacking(pair, order)
    done = repaired(pair.binding)
    assert {each.kind for each in done} == {"missing_in_table"}
    assert all(each.done for each in done)
    assert pair.rows() == pair.listed() == [pair.element(n) for n in order]
    assert kinds(verified(pair.binding)) == {}


def test_an_element_that_json_lost_is_put_back_at_its_place(pair: Pair) -> None:
    lacking(pair, (0, 1, 4))
    at_phase(pair.binding.name, 3)
    done = repaired(pair.binding)
    assert [each.kind for each in done] == ["missing_in_json", "missing_in_json"]
    assert pair.listed() == [pair.element(n) for n in range(5)]
    assert kinds(verified(pair.binding)) == {}


def test_json_wins_over_a_row_of_another_value(pair: Pair) -> None:
    lacking(pair, (0, 1, 42, 3, 4))
    (done,) = repaired(pair.binding)
    assert (done.kind, done.what, done.done) == ("value_differs", "give the row the value that JSON has", True)
    assert pair.rows() == [pair.element(n) for n in (0, 1, 42, 3, 4)]
    assert kinds(verified(pair.binding)) == {}


def test_rows_are_put_into_the_order_of_json(pair: Pair) -> None:
    pair.add_row(pair.element(9), 12)  # stands for no JSON element; keeps its place and its bit
    lacking(pair, (4, 0, 2, 1, 3))
    done = repaired(pair.binding)
    assert {each.kind for each in done} == {"order_differs"}
    assert [each for each in pair.rows() if each != pair.element(9)] == [pair.element(n) for n in (4, 0, 2, 1, 3)]
    assert kinds(verified(pair.binding)) == {"after_json": 1}


def test_everything_at_once_is_mended(pair: Pair) -> None:
    lacking(pair, (0, 2, 1, 7, 8))
    repaired_once = list(verify.repair(pair.binding, apply=True))
    assert repaired_once
    assert kinds(verified(pair.binding)) == {}


def test_an_orphan_is_deleted_and_the_rows_of_others_stay(pair: Pair) -> None:
    gone = parent(pair.binding, 2)
    gone.add_rows([gone.element(1), gone.element(2)], first=50)
    with connection.cursor() as cursor:
        cursor.execute(
            f'delete from "{pair.binding.parent.name}" where "{pair.binding.parent.pk}" = %s',  # noqa: S608
            [gone.key],
        )
    (done,) = repaired(pair.binding)
    assert (done.kind, done.element, done.done) == ("orphan", "2 rows", True)
    assert gone.rows() == []
    assert len(pair.rows()) == 5


def test_stale_rows_are_deleted_and_the_backfill_begins_anew(pair: Pair) -> None:
    ledger.set_backfilled(pair.binding.alias, pair.binding.name, True)
    at_phase(pair.binding.name, 1)
    pair.write_json([pair.element(n) for n in (0, 1, 3, 4, 5)])
    (done,) = repaired(pair.binding)
    assert (done.kind, done.done) == ("stale", True)
    assert pair.rows() == [pair.element(n) for n in (0, 1, 3, 4)]
    assert ledger.read(pair.binding.alias, pair.binding.name).backfilled_at is None
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from cutover_segment")
        assert cursor.fetchone() == (0,)


def test_what_is_undecodable_is_named_and_left_alone(pair: Pair) -> None:
    pair.write_json([*[pair.element(n) for n in range(5)], {"no": ["such", "element"]}])
    quarantine(pair.binding, pair.stream.name, pair.key, '{"no": ["such", "element"]}')
    (left,) = verify.repair(pair.binding, apply=True)
    assert (left.kind, left.done) == ("undecodable", False)
    assert left.what == "left alone: mend the element, or waive it by name"
    assert len(pair.listed()) == 6


def test_json_that_is_no_longer_written_is_left_alone(pair: Pair) -> None:
    at_phase(pair.binding.name, 4)
    lacking(pair, (0, 1, 3, 4))
    (left,) = verify.repair(pair.binding, apply=True)
    assert (left.kind, left.what, left.done) == ("missing_in_json", "left alone: JSON is no longer written", False)
    assert len(pair.listed()) == 4


def test_a_missing_row_is_inserted_in_every_later_phase(pair: Pair) -> None:
    lacking(pair, (0, 1, 2, 3, 4, 5))
    at_phase(pair.binding.name, 5)
    (done,) = repaired(pair.binding)
    assert (done.kind, done.done) == ("missing_in_table", True)
    assert kinds(verified(pair.binding)) == {}


def test_residue_and_other_lists_stay_as_they_are(database: Database) -> None:
    binding = at_phase("account_tags", 2)
    visited(binding)
    made = parent(binding)
    made.write_document({"theme": 1.5, "tags": {"colour": ["a"], "none": [], "null": None}})
    made.add_rows(["a", "b"])
    (done,) = repaired(binding)
    assert (done.kind, done.key) == ("missing_in_json", "colour")
    assert made.document() == {"theme": 1.5, "tags": {"colour": ["a", "b"], "none": [], "null": None}}


def test_a_row_of_two_lists_is_inserted_once(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    visited(binding)
    made = parent(binding)
    made.write_document({"stdout": ["[2026-03-01 10:00:00] ERROR broken"], "stderr": ["older", "broken"]})
    done = list(verify.repair(binding, apply=True))
    assert [(each.stream, each.element) for each in done] == [
        ("stdout", "[2026-03-01 10:00:00] ERROR broken"),
        ("stderr", "older"),
    ]
    rows = binding.child.model._default_manager.order_by("position").values_list("level", "message", "created_at__year")
    assert sorted(rows, key=str) == [("ERROR", "broken", 2026), ("ERROR", "older", None)]
    assert kinds(verified(binding)) == {}


def test_a_row_that_another_list_agrees_with_is_left_alone(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    visited(binding)
    made = parent(binding)
    line = "[2026-03-01 10:00:00] ERROR broken"
    made.write_document({"stdout": [line], "stderr": ["brokem"]})
    made.add_rows([line])
    (left,) = verify.repair(binding, apply=True)
    assert (left.kind, left.stream, left.done) == ("value_differs", "stderr", False)
    assert made.rows() == [line]


def test_an_unsettled_phase_is_refused(pair: Pair) -> None:
    move_only(pair.binding.name, 3)
    with pytest.raises(Refused, match="PROPERTY_SHIM has not settled"):
        next(verify.repair(pair.binding, apply=True))
