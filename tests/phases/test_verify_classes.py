"""Each class of difference, made on purpose, for every shape of cutover: the whole report, in SQL and in Python alike."""

from typing import Any

import pytest
from django.db import connection

from bothsides import NAMES, Pair, dirty, kinds, parent, quarantine, seen, verified, visited
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from databases import Database
from stages import at_phase


@pytest.fixture(params=["sql", "python"])
def way(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(Binding, "compiles", property(lambda self: False))
    return str(request.param)


@pytest.fixture(params=NAMES)
def pair(request: Any, way: str, database: Database) -> Pair:
    """A parent at dual write, backfilled, with five elements on both sides."""
    binding = at_phase(request.param, 2)
    visited(binding)
    made = parent(binding)
    made.write_json([made.element(n) for n in range(5)])
    made.add_rows([made.element(n) for n in range(5)])
    return made


def test_equal_sides_are_clean_and_have_equal_checksums(pair: Pair) -> None:
    found = verified(pair.binding)
    assert kinds(found) == {}
    assert (found.parents, found.json_elements, found.table_elements) == (1, 5, 5)
    assert found.json_checksum == found.table_checksum != "0"
    assert found.clean
    assert not found.differs


def test_an_element_without_a_row_is_missing_in_table(pair: Pair) -> None:
    pair.write_json([pair.element(n) for n in range(6)])
    found = verified(pair.binding)
    assert kinds(found) == {"missing_in_table": 1}
    (example,) = found.examples
    assert (example.kind, example.parent, example.stream) == ("missing_in_table", str(pair.key), pair.stream.name)
    assert "5" in example.element
    assert found.differs
    assert found.json_checksum != found.table_checksum


def test_a_row_that_json_lost_is_missing_in_json(pair: Pair) -> None:
    pair.write_json([pair.element(n) for n in (0, 1, 3, 4)])
    replaced = pair.binding.cutover.rewrites
    assert kinds(verified(pair.binding)) == {"stale" if replaced else "missing_in_json": 1}
    at_phase(pair.binding.name, Phase.PROPERTY_SHIM)
    assert kinds(verified(pair.binding)) == {"missing_in_json": 1}


def test_a_value_that_differs_between_the_same_neighbours_is_one_difference(pair: Pair) -> None:
    pair.write_json([pair.element(n) for n in (0, 1, 42, 3, 4)])
    assert kinds(verified(pair.binding)) == {"value_differs": 1}


def test_the_same_elements_in_another_order_differ_in_order(pair: Pair) -> None:
    pair.write_json([pair.element(n) for n in (0, 2, 1, 3, 4)])
    assert kinds(verified(pair.binding)) == {"order_differs": 1}


def test_rows_of_a_parent_that_is_gone_are_orphans(pair: Pair) -> None:
    gone = {"job_logs": 999, "ticket_history": 999, "account_tags": "zzz"}.get(
        pair.binding.name, "ffffffff-ffff-4fff-8fff-ffffffffffff"
    )
    pair.add_row(pair.element(7), 101, parent=gone)
    found = verified(pair.binding)
    assert kinds(found) == {"orphan": 1}
    assert found.examples[0].parent == str(gone)


def test_a_row_written_without_json_is_after_json(pair: Pair) -> None:
    pair.add_row(pair.element(7), 100)
    found = verified(pair.binding)
    assert kinds(found) == {"after_json": 1}
    assert not found.differs


def test_history_of_an_unvisited_parent_is_pending(pair: Pair) -> None:
    at_phase(pair.binding.name, 2)
    other = parent(pair.binding, 2)
    other.write_json([other.element(n) for n in range(3)])
    forget_visits(pair.binding)
    pair.write_json([pair.element(n) for n in (8, 9, 0, 1, 2, 3, 4)])
    assert kinds(verified(pair.binding)) == {"pending": 5}


def test_a_dual_write_that_lost_its_row_is_not_taken_for_history(pair: Pair) -> None:
    forget_visits(pair.binding)
    pair.write_json([pair.element(n) for n in (8, 0, 1, 2, 3, 4, 9)])
    assert kinds(verified(pair.binding)) == {"pending": 1, "missing_in_table": 1}


def test_what_a_foreign_write_brought_is_pending_until_it_is_visited(pair: Pair) -> None:
    pair.write_json([pair.element(n) for n in range(6)])
    dirty(pair.binding, pair.key)
    assert kinds(verified(pair.binding)) == {"pending": 1}


def test_what_is_no_list_is_undecodable_and_may_be_waived(pair: Pair) -> None:
    other = parent(pair.binding, 2)
    other.write_document("nonsense")
    assert kinds(verified(pair.binding)) == {"undecodable": 1}
    quarantine(pair.binding, "", other.key, '"nonsense"', waived=True)
    found = verified(pair.binding)
    assert kinds(found) == {"waived": 1}
    assert not found.differs


def test_an_undecodable_element_is_found_in_quarantine(pair: Pair) -> None:
    pair.write_json([*[pair.element(n) for n in range(5)], {"no": ["such", "element"]}])
    assert kinds(verified(pair.binding)) == {"undecodable": 1}
    quarantine(pair.binding, pair.stream.name, pair.key, '{"no": ["such", "element"]}', waived=True)
    assert kinds(verified(pair.binding)) == {"waived": 1}


def test_rows_of_an_earlier_dual_write_are_no_news_while_json_still_has_them(pair: Pair) -> None:
    at_phase(pair.binding.name, 1)
    pair.write_json([pair.element(n) for n in range(7)])
    found = verified(pair.binding)
    assert kinds(found) == {"pending": 2}
    assert found.blocks(Phase.DUAL_WRITE) == []


def test_rows_that_json_has_lost_since_are_stale(pair: Pair) -> None:
    at_phase(pair.binding.name, 1)
    pair.write_json([pair.element(n) for n in (0, 1, 3, 4)])
    found = verified(pair.binding)
    assert kinds(found) == {"stale": 1}
    assert found.blocks(Phase.DUAL_WRITE) == ["stale"]


def forget_visits(binding: Binding) -> None:
    with connection.cursor() as cursor:
        cursor.execute("delete from cutover_segment where cutover = %s", [binding.name])


def test_rows_beyond_the_cap_are_expected(database: Database, way: str) -> None:
    binding = at_phase("job_logs", 2)
    visited(binding)
    made = parent(binding)
    lines = [f"[2026-03-01 10:{n // 60:02d}:{n % 60:02d}] INFO line {n}" for n in range(1010)]
    made.write_json(lines[10:])
    made.add_rows(lines)
    found = verified(binding)
    assert kinds(found) == {"beyond_cap": 10}
    assert (found.json_elements, found.table_elements) == (1000, 1000)
    assert found.json_checksum == found.table_checksum


def test_an_old_line_that_came_back_is_one_line_in_a_distinct_list(database: Database, way: str) -> None:
    """stderr has no cap: it keeps the first of equal messages, whose rows come in the order of stdout."""
    binding = at_phase("job_logs", 2)
    visited(binding)
    made = parent(binding)
    lines = [f"[2026-03-01 10:00:{n:02d}] ERROR {text}" for n, text in enumerate("xyx")]
    made.write_document({"stdout": lines[::-1], "stderr": ["y", "x"]})
    made.add_rows(lines)
    found = verified(binding)
    assert kinds(found) == {}
    assert (found.json_elements, found.json_checksum) == (5, found.table_checksum)


def test_a_row_that_makes_no_element_is_unencodable(database: Database, way: str) -> None:
    binding = at_phase("device_events", 2)
    visited(binding)
    made = parent(binding)
    pk = made.add_row(made.element(1), 3)
    binding.child.model._default_manager.filter(pk=pk).update(extra=["no", "object"])
    assert kinds(verified(binding)) == {"unencodable": 1}


def test_text_that_is_no_json_is_undecodable(database: Database, way: str) -> None:
    binding = at_phase("ticket_history", 2)
    visited(binding)
    made = parent(binding)
    with connection.cursor() as cursor:
        cursor.execute("update shapes_ticket set history = '{\"changes\": ' where id = %s", [made.key])
    seen(binding)
    assert kinds(verified(binding)) == {"undecodable": 1}


def test_numbers_in_a_text_column_are_compared_by_value(database: Database, way: str) -> None:
    binding = at_phase("ticket_history", 2)
    visited(binding)
    made = parent(binding)
    made.add_row(["status", 100], 3)
    with connection.cursor() as cursor:
        cursor.execute(
            'update shapes_ticket set history = \'{"changes": {"items": [["status", 1e2]]}}\' where id = %s', [made.key]
        )
    seen(binding)
    assert kinds(verified(binding)) == {}


def test_only_ten_examples_of_a_class_are_kept_and_long_values_are_cut(database: Database) -> None:
    binding = at_phase("account_tags", 2)
    visited(binding)
    made = parent(binding)
    made.write_json(["x" * 500 + str(n) for n in range(30)])
    found = verified(binding)
    assert kinds(found) == {"missing_in_table": 30}
    assert [len(each.element) for each in found.examples] == [128] * 10


def test_null_documents_are_nothing(pair: Pair) -> None:
    binding = bind(pair.binding.name)
    if binding.nullable:
        parent(binding, 3).write_document(None)
    assert kinds(verified(binding)) == {}
