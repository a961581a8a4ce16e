"""How PostgreSQL runs the statement of a verification: parents by their key, rows in the order of the index, nothing twice."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from backfilling import execute
from cutover.mapping import Binding
from cutover.verify import compare, exact
from databases import Database
from stages import at_phase

PARENTS = 2000


@pytest.fixture
def binding(database: Database) -> Binding:
    """Enough parents with rows that to read all of either table is dearer than what a chunk needs."""
    found = at_phase("job_logs", 2)
    execute(
        None,
        "INSERT INTO jobs_job (name, progress, logs) SELECT '', 0, jsonb_build_object('stdout',"  # noqa: S608
        " (SELECT jsonb_agg('[2024-01-01 00:00:' || lpad(n::text, 2, '0') || '] INFO line' ORDER BY n DESC)"
        f" FROM generate_series(1, 30) n), 'stderr', '[]'::jsonb) FROM generate_series(1, {PARENTS})",
    )
    execute(
        None,
        "INSERT INTO jobs_joblog (job_id, position, created_at, level, message) SELECT j.id, n - 31,"
        " timestamptz '2024-01-01 00:00:00+00' + n * interval '1 s', 'INFO', 'line'"
        " FROM generate_series(1, 30) n, jobs_job j",
    )
    for table in ("jobs_job", "jobs_joblog"):
        execute(None, f"VACUUM ANALYZE {table}")
    return found


def plan(statement: str, values: dict[str, Any], *settings: str) -> list[dict[str, Any]]:
    """The nodes of the plan, as the chunk would get it."""
    with transaction.atomic(), connection.cursor() as cursor:
        for setting in settings:
            cursor.execute(f"SET LOCAL {setting}")
        cursor.execute(f"EXPLAIN (FORMAT JSON, COSTS OFF) {statement}", values)
        found = cursor.fetchone()[0]
    tree = json.loads(found) if isinstance(found, str) else found
    return list(nodes(tree[0]["Plan"]))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", []):
        yield from nodes(each)


def run(binding: Binding, after: Any, limit: int) -> tuple[list[compare.Parent], list[tuple[str, Any]], list[str]]:
    """A chunk, the statements that it ran, and its settings."""
    kept: list[tuple[str, Any]] = []

    def keep(execute: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        kept.append((statement, params))
        return execute(statement, params, many, context)

    with connection.execute_wrapper(keep):
        found = compare.chunk(binding, after, limit)
    settings = [f"{each['setting']} = {each['value']}" for text, each in kept if "set_config" in text]
    return found, [(text, params) for text, params in kept if "jobs_joblog" in text], settings


def test_a_chunk_that_agrees_is_one_statement(binding: Binding) -> None:
    found, statements, _ = run(binding, 100, 50)
    (parents,) = found
    assert (parents.number, parents.key) == (50, 150)
    assert all(measure.agrees(in_order=True) for measure in parents.streams)
    assert [each.elements for each in parents.streams] == [50 * 30, 0]
    assert len(statements) == 1


def test_rows_are_read_once_in_the_order_of_their_index_and_never_sorted(binding: Binding) -> None:
    _, ((statement, values),), settings = run(binding, 100, 50)
    found = plan(statement, values, *settings)
    scans = {each["Relation Name"]: each for each in found if "Relation Name" in each}
    assert [each.get("Relation Name") for each in found if "Relation Name" in each].count("jobs_joblog") == 1
    assert scans["jobs_joblog"]["Index Name"] == "cutover_job_logs_order_v1"
    assert (
        "jobs_joblog.job_id = " in scans["jobs_joblog"]["Index Cond"]
        or "job_id =" in scans["jobs_joblog"]["Index Cond"]
    )
    sorted_rows = [each for each in found if "Sort" in each["Node Type"] and "position" in str(each.get("Sort Key"))]
    assert sorted_rows == []


def test_parents_are_read_by_their_key_and_no_further_than_the_chunk(binding: Binding) -> None:
    _, ((statement, values),), settings = run(binding, 100, 50)
    found = plan(statement, values, *settings)
    (parents,) = (each for each in found if each.get("Relation Name") == "jobs_job")
    assert parents["Index Name"] == "jobs_job_pkey"
    assert "id > " in parents["Index Cond"]
    assert {"Seq Scan", "Memoize", "Materialize"}.isdisjoint(each["Node Type"] for each in found)


def test_what_is_counted_in_full_touches_its_own_parents_alone(binding: Binding) -> None:
    for stream in binding.streams:
        found = plan(exact.statement(binding, stream), {"keys": [5, 6]}, "jit = off")
        assert "Seq Scan" not in {each["Node Type"] for each in found}
