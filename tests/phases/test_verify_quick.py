"""The quick comparison never says that sides agree which do not, and what it counts is what the full one counts."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backfilling import execute
from bothsides import NAMES, parent, visited
from cutover import db
from cutover.mapping import Binding, bind
from cutover.verify import compare, course, exact, quick, streaming
from databases import Database
from stages import at_phase

CAP = 3
LETTERS = st.lists(st.integers(0, 3), max_size=6)
# What is added to rows that are those of the list: nothing, mostly.
CHANGES = st.sampled_from([None, None, None, "swap", "repeat", "without JSON", "drop", "other"])


def decided(binding: Binding) -> dict[int, tuple[Any, ...]]:
    """What the quick statement says of each stream of the one parent: by its number, whether they agree and the counts."""
    (row,) = db.rows(binding.alias, quick.statement(binding), {"after": None, "limit": 10})
    starts = [quick.FIRST + n * quick.VALUES for n in range(len(quick.streams(binding)))]
    values = [row[start : start + quick.VALUES] for start in starts]
    return {stream.number: found for stream, found in zip(quick.streams(binding), values, strict=True)}


def in_full(binding: Binding, number: int, key: Any) -> compare.Measure:
    ((_, *numbers, odd),) = db.rows(binding.alias, exact.statement(binding, binding.streams[number]), {"keys": [key]})
    return compare.measure(number, numbers, odd)


def changed(rows: list[int], change: str | None, at: int) -> list[tuple[int, bool]]:
    """The letters of the rows, and whether they stand for JSON."""
    found = [(letter, True) for letter in rows]
    if change == "without JSON":
        found.insert(at, (0, False))
    if found and change in ("drop", "other"):
        gone = found.pop(at % len(found))
        found += [((gone[0] + 1) % 4, True)] if change == "other" else []
    if found and change == "repeat":
        found.insert(0, found[-1])
    if len(found) > 1 and change == "swap":
        found[0], found[-1] = found[-1], found[0]
    return found


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("cap", [None, CAP])
@pytest.mark.parametrize("name", ["job_logs", "device_events", "ticket_history"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(elements=LETTERS, more=LETTERS, change=CHANGES, at=st.integers(0, 5))
def test_an_agreement_is_one_in_full(
    database: Database,
    name: str,
    cap: int | None,
    distinct: bool,
    elements: list[int],
    more: list[int],
    change: str | None,
    at: int,
) -> None:
    """`more` are older rows; where they lie beyond the cap, the sides may still agree."""
    whole = at_phase(name, 2)
    first, *others = whole.streams
    binding = replace(whole, streams=(replace(first, spec=replace(first.spec, cap=cap, distinct=distinct)), *others))
    visited(binding)
    for table in (binding.child.name, binding.parent.name):
        execute(None, f'delete from "{table}"')  # noqa: S608 - a table of the example project
    made = parent(binding)
    made.write_json([made.element(n) for n in elements])
    for number, (letter, stands) in enumerate(changed([*more, *elements], change, at), start=1):
        made.add_row(made.element(letter), 2 * number + int(stands))
    for number, (agree, *counted) in decided(binding).items():
        full = in_full(binding, number, made.key)
        if agree:
            assert full.agrees(compare.in_order(binding, binding.streams[number]))
            repeats = distinct and len(set(elements)) < len(elements)
            if not repeats:
                assert list(map(int, counted)) == [full.elements, full.checksum, full.rows, full.kept, full.after_json]
        elif number == 0 and not distinct:
            assert not full.agrees(in_order=True)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "account_tags"])
def test_a_list_and_its_rows_are_decided_at_once(database: Database, name: str) -> None:
    binding = at_phase(name, 2)
    made = parent(binding)
    made.write_json([made.element(n) for n in range(5)])
    made.add_rows([made.element(n) for n in range(5)])
    assert [found[0] for found in decided(binding).values()] == [True] * len(binding.streams)


@pytest.mark.parametrize("element", ["5", "null", "true", '["a"]', '{"a": 1}', '[["5"]]'])
def test_an_element_of_another_type_is_not_mistaken_for_the_row_that_reads_like_it(
    database: Database, element: str
) -> None:
    binding = at_phase("job_logs", 2)
    execute(
        None,
        "INSERT INTO jobs_job (id, name, progress, logs) VALUES (1, '', 0, %s::jsonb)",
        json.dumps({"stdout": [], "stderr": [json.loads(element)]}),
    )
    execute(
        None,
        "INSERT INTO jobs_joblog (job_id, position, created_at, level, message) VALUES (1, -1, NULL, 'ERROR', %s)",
        element,
    )
    assert decided(binding)[1][0] is False
    assert not in_full(binding, 1, 1).agrees(in_order=False)
    execute(None, "UPDATE jobs_job SET logs = %s::jsonb", json.dumps({"stdout": [], "stderr": [element]}))
    assert decided(binding)[1][0] is True


def test_a_string_that_reads_like_an_object_is_not_mistaken_for_one(database: Database) -> None:
    binding = at_phase("device_events", 2)
    made = parent(binding)
    element = made.element(1)
    made.write_json([element])
    made.add_rows([element])
    assert decided(binding)[0][0] is True
    with connection.cursor() as cursor:
        cursor.execute("UPDATE shapes_device SET events = jsonb_build_array((events -> 0)::text)")
    assert decided(binding)[0][0] is False


def test_a_row_that_makes_no_element_is_never_passed_over(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    made = parent(binding)
    made.write_json([])
    execute(
        None,
        "INSERT INTO jobs_joblog (job_id, position, created_at, level, message) VALUES (%s, 2, 'infinity', 'INFO', 'a')",
        made.key,
    )
    assert decided(binding)[0][0] is False
    (found,) = compare.chunk(binding, None, 10)
    assert found.streams[0].broken == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", [[], [1], [3], [1, 3], [1, 2, 3]])
def test_parents_that_agree_are_counted_as_if_each_were_looked_at_by_itself(
    database: Database, name: str, wrong: list[int]
) -> None:
    """Also where the last one of a chunk is among them, or is not."""
    binding = at_phase(name, 2)
    for number in (1, 2, 3):
        made = parent(binding, number)
        made.write_json([made.element(n) for n in range(number + 2)])
        made.add_rows([made.element(n) for n in range(number + (1 if number in wrong else 2))])
    found, alone = compare.chunk(binding, None, 10), streaming.chunk(binding, None, 10)
    assert compare.number(found) == compare.number(alone) == 3
    assert found[-1].key == alone[-1].key
    counts = ("elements", "table_elements", "rows", "kept", "after_json", "broken")
    assert [total(found, count) for count in counts] == [total(alone, count) for count in counts]
    sums = ("elements", "checksum", "table_checksum", "rows", "kept", "after_json")
    pages = [page for key in (None, alone[0].key, alone[1].key) for page in compare.chunk(binding, key, 1)]
    assert compare.number(pages) == 3
    assert [total(found, name) for name in sums] == [total(pages, name) for name in sums]
    assert sum(each.size_bytes for each in found) == sum(each.size_bytes for each in pages) > 0
    differing = [each.key for each in alone if not course.agrees(binding, each)]
    assert [each.key for each in found if not course.agrees(binding, each)] == differing
    assert len(differing) == len(wrong)


def total(parents: list[compare.Parent], name: str) -> int:
    return sum(getattr(measure, name) for each in parents for measure in each.streams)


def test_a_document_that_nobody_can_read_is_never_among_those_that_agree(database: Database) -> None:
    binding = at_phase("ticket_history", 2)
    made = [parent(binding, number) for number in (1, 2, 3)]
    table, column = binding.parent.name, binding.column
    execute(None, f"UPDATE {table} SET {column} = '[' WHERE id = %s", made[1].key)  # noqa: S608 - names of the example project
    found = compare.chunk(binding, None, 10)
    assert [(each.key, each.number, each.unreadable) for each in found] == [
        (made[1].key, 1, True),
        (made[2].key, 2, False),
    ]


def test_a_list_with_keys_of_its_own_is_counted_in_full() -> None:
    assert quick.streams(bind("account_tags")) == []
