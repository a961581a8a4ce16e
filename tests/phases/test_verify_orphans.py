"""Rows whose parents are gone are found wherever they lie, and where there are none only the keys of parents are looked at."""

import json
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
    asked: list[str] = []

    def keep(execute: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(statement)
        return execute(statement, params, many, context)

    with connection.execute_wrapper(keep):
        assert list(suspects.orphans(binding, 10, None)) == []
    assert len(asked) == 1
    assert "count(*)" not in asked[0]


def test_a_look_between_two_parents_reads_one_row_by_the_index(database: Database) -> None:
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
    (scan,) = (each for each in nodes(tree[0]["Plan"]) if each.get("Relation Name") == "jobs_joblog")
    assert scan["Node Type"] in ("Index Scan", "Index Only Scan")
    assert "job_id > " in scan["Index Cond"]
    assert scan["Actual Rows"] * scan["Actual Loops"] <= 401


def nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(below for each in node.get("Plans", []) for below in nodes(each))]
