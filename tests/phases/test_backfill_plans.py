"""How PostgreSQL runs the statements of a backfill: a chunk touches its own parents and rows, whatever the tables weigh."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from backfilling import EXAMPLES, execute, parent
from cutover import backfill
from cutover.backfill import chunk, complete, direct, reach, visit
from cutover.backfill.chunk import Whole
from cutover.chunk import Pace
from cutover.mapping import Binding
from databases import Database
from stages import at_phase

OURS = ("jobs_job", "jobs_joblog")
PARENTS = 3000


@pytest.fixture
def binding(database: Database) -> Binding:
    """Enough parents with rows that to read all of either table is dearer than what a chunk needs."""
    found = at_phase("job_logs", 2)
    lines = ", ".join(f"'[2024-01-01 00:00:{number:02}] INFO line {number}'" for number in range(20))
    execute(
        None,
        "INSERT INTO jobs_job (name, progress, logs) SELECT '', 0, jsonb_build_object('stdout', jsonb_build_array("  # noqa: S608
        f"{lines}), 'stderr', '[]'::jsonb) FROM generate_series(1, {PARENTS})",
    )
    execute(
        None,
        "INSERT INTO jobs_joblog (job_id, position, created_at, level, message) SELECT j.id, -n, now(), 'INFO', 'line'"
        " FROM jobs_job j, generate_series(1, 40) n WHERE j.id % 2 = 0",
    )
    return found


def statements(binding: Binding) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the backfill runs in one chunk and in the last look, as it runs it."""
    kept: list[tuple[str, dict[str, Any]]] = []

    def keep(execute: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        kept.append((statement, params))
        return execute(statement, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(keep):
        visit.prepare(binding)
        keys, _ = reach.keys(binding, "1500", Pace(parents=30))
        reach.among(binding, keys, Pace())
        chunk.fill(binding, keys)
        complete.gaps(binding, complete.uneven(binding, keys)[0], [])
        complete.gaps(binding, keys, [])
        for stream in binding.streams:
            chunk.missing(binding, stream, keys)
        transaction.set_rollback(True)
    yield from ((text, params) for text, params in kept if any(name in text for name in OURS))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


@pytest.mark.parametrize("analyzed", [True, False])
def test_no_statement_reads_a_whole_table(binding: Binding, analyzed: bool) -> None:
    """Fails where a chunk's parents or rows are found by reading all: then a backfill is quadratic."""
    if analyzed:
        execute(None, "ANALYZE jobs_job, jobs_joblog")
    seen = 0
    for text, params in statements(binding):
        with transaction.atomic(), connection.cursor() as cursor:
            visit.prepare(binding)
            cursor.execute(f"EXPLAIN (FORMAT JSON) {text}", params)
            (found,) = cursor.fetchone()
            transaction.set_rollback(True)
        plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        whole = [
            f"{node['Node Type']} on {node['Relation Name']}"
            for node in nodes(plan)
            if node["Node Type"] == "Seq Scan" and node.get("Relation Name") in OURS
        ]
        assert whole == [], f"{whole}\n{text}"
        assert "JIT" not in found[0] if isinstance(found, list) else True
        seen += 1
    assert seen >= 8


def test_a_parent_without_rows_is_filled_without_pairing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pairing of elements and rows costs several times the insert; history must not pay for it."""
    binding = at_phase("job_logs", 2)
    for number in range(1, 20):
        parent(binding, number, EXAMPLES["job_logs"])

    def refuse(*_: object) -> str:
        raise AssertionError("Pairing was asked for.")

    monkeypatch.setattr(chunk.difference, "fill", refuse)
    assert list(backfill.run(binding))[-1].elements == 38
    assert backfill.why_incomplete(binding) == []


def test_a_list_that_is_empty_costs_a_chunk_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = at_phase("job_logs", 2)
    for number in range(1, 4):
        parent(binding, number, {"stdout": EXAMPLES["job_logs"]["stdout"], "stderr": []})
    filled, at_once = list[str](), chunk.at_once

    def kept(binding: Binding, stream: Any, keys: Any, portion: Any) -> Any:
        filled.append(stream.name)
        return at_once(binding, stream, keys, portion)

    monkeypatch.setattr(chunk, "at_once", kept)
    list(backfill.run(binding))
    assert set(filled) == {"stdout"}
    assert backfill.why_incomplete(binding) == []


BAD = {"stdout": ["[2024-02-30 00:00:00] INFO no such day", "[2024-02-29 00:00:00] INFO a"]}


@pytest.mark.parametrize("bad", [{1}, {20}, {7}, {7, 8}, {1, 11}, {3, 12, 20}])
def test_a_bad_element_sends_only_its_parent_the_slow_way(database: Database, bad: set[int]) -> None:
    binding = at_phase("job_logs", 2)
    keys = [str(parent(binding, n, BAD if n in bad else EXAMPLES["job_logs"])) for n in range(1, 21)]
    with transaction.atomic():
        visit.prepare(binding)
        full = chunk.at_once(binding, binding.streams[0], keys)
        assert full == Whole(frozenset(keys) - {str(n) for n in bad}, 2 * (20 - len(bad)))
        done = chunk.fill(binding, keys)
    assert done.inserted == len(bad)
    reasons = {(each.parent, each.reason[:10]) for each in done.refused}
    assert reasons == {(str(n), "created_at") for n in bad}


def test_many_bad_elements_are_not_looked_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = at_phase("job_logs", 2)
    keys = [str(parent(binding, n, BAD if n % 2 else EXAMPLES["job_logs"])) for n in range(1, 201)]
    seen, whole = list[int](), chunk.whole

    def kept(*args: Any) -> Whole:
        seen.append(len(args[2]))
        return whole(*args)

    monkeypatch.setattr(chunk, "whole", kept)
    with transaction.atomic():
        visit.prepare(binding)
        chunk.at_once(binding, binding.streams[0], keys)
        assert len(seen) <= 2 * chunk.MOST_BAD
        done = chunk.fill(binding, keys)
    assert (done.inserted, len(done.refused)) == (300, 100)


@pytest.mark.parametrize("stream", [0, 1])
def test_rows_that_are_the_list_already_need_no_pairing(database: Database, stream: int) -> None:
    binding = at_phase("job_logs", 2)
    key = parent(binding, 1, EXAMPLES["job_logs"])
    list(backfill.run(binding))
    asked = {"keys": [str(key)]}
    bound = binding.streams[stream]
    assert execute(None, direct.short(binding, bound).replace("%(keys)s", "'{1}'").replace("%%", "%")) == []
    with transaction.atomic():
        visit.prepare(binding)
        assert chunk.at_once(binding, bound, asked["keys"]) == Whole(frozenset({str(key)}), 0)
    execute(None, "DELETE FROM jobs_joblog WHERE level = 'ERROR'")
    assert execute(None, direct.short(binding, bound).replace("%(keys)s", "'{1}'").replace("%%", "%")) == [("1",)]
