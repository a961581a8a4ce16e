"""How PostgreSQL runs a read: by the index of the order, the newest rows of each parent and no more."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from backfilling import execute
from cutover import lease, ledger, read
from cutover.mapping import Binding
from cutover.read import document
from cutover.schema import index
from databases import Database
from project.jobs.models import Job
from stages import at_phase

PARENTS, ROWS, LONG = 60, 300, 4000


@pytest.fixture
def binding(database: Database) -> Binding:
    """Parents with rows, one of them with many more than show."""
    found = at_phase("job_logs", 5)
    ledger.set_backfilled("default", "job_logs", True)
    lease.forget()
    execute(None, f"INSERT INTO jobs_job (name, progress) SELECT '', 0 FROM generate_series(1, {PARENTS})")  # noqa: S608
    execute(
        None,
        "INSERT INTO jobs_joblog (job_id, position, created_at, level, message)"  # noqa: S608
        " SELECT j.id, 2 * n, '2026-03-01', CASE n % 9 WHEN 0 THEN 'ERROR' ELSE 'INFO' END, 'line ' || n FROM jobs_job j,"
        f" generate_series(1, CASE j.id % {PARENTS} WHEN 7 THEN {LONG} ELSE {ROWS} END) n ORDER BY n, j.id",
    )
    index.ensure(found)
    execute(None, "VACUUM ANALYZE jobs_joblog")
    return found


def plans(work: Any) -> Iterator[dict[str, Any]]:
    """The plan of each statement over the rows that the work runs, as it was run."""
    kept: list[tuple[str, Any]] = []

    def keep(run: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        kept.append((statement, params))
        return run(statement, params, many, context)

    with connection.execute_wrapper(keep):
        work()
    for statement, params in kept:
        if "jobs_joblog" in statement:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON, COSTS OFF, TIMING OFF) {statement}", params)
                found = cursor.fetchone()[0]
            yield (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def scans(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in nodes(plan) if node.get("Relation Name") == "jobs_joblog"]


def test_a_read_takes_the_newest_rows_by_the_index(binding: Binding) -> None:
    job = Job.objects.get(pk__in=[pk for pk in Job.objects.values_list("pk", flat=True) if pk % PARENTS == 7])
    (plan,) = plans(lambda: read.read(binding, job.pk))
    stdout, stderr = scans(plan)
    assert {node["Index Name"] for node in (stdout, stderr)} == {"cutover_job_logs_order_v1"}
    assert "job_id" in stdout["Index Cond"]
    assert stdout["Actual Rows"] <= document.limit_of(binding.streams[0]) + 1  # up to 15 a window reads one ahead
    assert not [node for node in nodes(plan) if node["Node Type"] == "Sort" and node["Actual Rows"] > LONG]


def test_a_page_reads_each_parents_own_newest_rows(binding: Binding) -> None:
    jobs = list(Job.objects.order_by("pk")[:50])
    (plan,) = plans(lambda: read.prefetch(binding, jobs))
    kinds = {node["Node Type"] for node in nodes(plan)}
    for scan in scans(plan):
        assert scan["Node Type"] == "Index Scan"
        assert scan["Index Name"] == "cutover_job_logs_order_v1"
        assert scan["Actual Loops"] == len(jobs)
        assert scan["Actual Rows"] <= document.limit_of(binding.streams[0]) + 1
    assert not kinds & {"Hash Join", "Merge Join", "Bitmap Heap Scan"}
    assert {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"} <= {"jobs_job"}
