"""Rows whose parents are gone are found wherever they lie, and where there are none only the keys of parents are looked at."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pytest
from django.db import connection, transaction

from backfilling import execute
from bothsides import parent
from cutover.mapping import Binding
from cutover.verify import suspects
from databases import Database
from stages import at_phase

PLACES = (None, 10, 15, 20, 30, 35, 40)


@pytest.fixture
def binding(database: Database, monkeypatch: pytest.MonkeyPatch) -> Binding:
    """Parents 10, 20, 30 and 40, of which 20 has no rows."""
    monkeypatch.setattr(suspects, "LOOKS", 1)
    found = at_phase("job_logs", 2)
    for key in (10, 20, 30, 40):
        made = parent(found)
        execute(None, "UPDATE jobs_job SET id = %s WHERE id = %s", key, made.key)
        if key != 20:
            rows(key)
    return found


def rows(key: int, number: int = 2) -> None:
    for _ in range(number):
        execute(None, "INSERT INTO jobs_joblog (job_id, position, level, message) VALUES (%s, -1, 'INFO', 'a')", key)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements of a block, as they are run."""
    asked: list[str] = []

    def keep(execute: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(statement)
        return execute(statement, params, many, context)

    with connection.execute_wrapper(keep):
        yield asked


def between(after: int | None, gone: int, upto: int | None) -> bool:
    return (after is None or gone > after) and (upto is None or gone <= upto)


@pytest.mark.parametrize("gone", [5, 12, 20, 25, 40, 45])
def test_they_are_found_in_every_range_in_which_they_lie_and_in_no_other(binding: Binding, gone: int) -> None:
    """A parent that is gone may be one that others had rows of, or the last one of a chunk."""
    execute(None, "DELETE FROM jobs_job WHERE id = %s", gone)
    execute(None, "DELETE FROM jobs_joblog WHERE job_id = %s", gone)
    rows(gone, 3)
    for after in PLACES:
        for upto in PLACES:
            if upto is None or after is None or after <= upto:
                expected = [(gone, 3)] if between(after, gone, upto) else []
                assert list(suspects.orphans(binding, after, upto)) == expected, (after, upto)


def test_where_there_are_none_the_rows_are_not_read(binding: Binding) -> None:
    with statements() as asked:
        assert list(suspects.orphans(binding, 10, None)) == []
    assert len(asked) == 1
    assert "count(*)" not in asked[0]


def test_texts_may_have_another_order_there_than_here(database: Database) -> None:
    """So their rows are read, whatever lies between their parents."""
    binding = at_phase("account_tags", 2)
    made = [parent(binding, number) for number in (1, 2, 3)]
    for each in made:
        each.add_rows([each.element(n) for n in range(2)])
    execute(None, "DELETE FROM shapes_account WHERE code = %s", made[1].key)
    with statements() as asked:
        assert list(suspects.orphans(binding, made[0].key, None)) == [(made[1].key, 2)]
    assert all("count(*)" in each for each in asked)


def test_rows_without_a_parent_are_none_of_a_parent_that_is_gone(binding: Binding) -> None:
    execute(None, "ALTER TABLE jobs_joblog ALTER job_id DROP NOT NULL")
    try:
        execute(None, "INSERT INTO jobs_joblog (position, level, message) VALUES (-1, 'INFO', 'a')")
        rows(25)
        for after in (None, 10):
            assert list(islice(suspects.orphans(binding, after, None), 3)) == [(25, 2)]
    finally:
        execute(None, "DELETE FROM jobs_joblog WHERE job_id IS NULL")
        execute(None, "ALTER TABLE jobs_joblog ALTER job_id SET NOT NULL")


def test_a_look_between_two_parents_reads_no_row_of_either(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    execute(None, "INSERT INTO jobs_job (name, progress, logs) SELECT '', 0, '{}' FROM generate_series(1, 500)")
    execute(
        None,
        "INSERT INTO jobs_joblog (job_id, position, level, message)"
        " SELECT id, -n, 'INFO', 'a' FROM jobs_job, generate_series(1, 40) n",
    )
    for table in ("jobs_job", "jobs_joblog"):
        execute(None, f"VACUUM ANALYZE {table}")
    text = suspects.asked(binding, "between").as_string(None)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", {"after": 1, "upto": 400})
        found = cursor.fetchone()[0]
    tree = json.loads(found) if isinstance(found, str) else found
    pairs, last = (each for each in nodes(tree[0]["Plan"]) if each.get("Relation Name") == "jobs_joblog")
    assert {pairs["Node Type"], last["Node Type"]} <= {"Index Scan", "Index Only Scan"}
    assert "job_id > " in pairs["Index Cond"]
    assert "job_id < " in pairs["Index Cond"]
    assert (pairs["Actual Loops"], pairs["Actual Rows"]) == (400, 0)
    assert "job_id > " in last["Index Cond"]
    assert last["Actual Rows"] * last["Actual Loops"] == 1


def nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(below for each in node.get("Plans", []) for below in nodes(each))]
