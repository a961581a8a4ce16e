"""The dry run: exact where the table is small, sampled where it is large, and without a lock or a trace."""

from typing import Any

import pytest

from backfilling import EXAMPLES, all_rows, execute, parent, to_the_end
from cutover.backfill import chunk, controls, difference, dryrun
from cutover.mapping import Binding
from databases import Database
from stages import at_phase


def filled(name: str, count: int) -> Binding:
    binding = at_phase(name, 2)
    for number in range(1, count + 1):
        parent(binding, number, EXAMPLES[name])
    return binding


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("path", ["sql", "python"])
def test_every_shape_is_counted_and_tried(
    database: Database, monkeypatch: pytest.MonkeyPatch, name: str, path: str
) -> None:
    binding = filled(name, 50)
    if path == "python":
        monkeypatch.setattr(difference, "compiles", lambda binding: False)
    found = dryrun.estimate(binding)
    last = to_the_end(binding)
    assert (found.total.parents, found.ahead, found.share, found.source) == (50, found.total, 1.0, "trial")
    assert found.total.elements >= last.elements > 0
    assert found.elements_per_second
    done = dryrun.estimate(binding)
    assert (done.total, done.ahead, done.source) == (found.total, dryrun.Amount(0, 0, 0), "chunks")


def test_the_trial_locks_no_parent_and_touches_no_row_of_the_child(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = filled("ticket_history", 20)
    execute(None, "INSERT INTO shapes_change (ticket_id, position, field, amount) VALUES (1, 5, 'live', 1)")
    before, seen, fill = all_rows(binding), list[Any](), chunk.fill
    locks = (
        "SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
        " WHERE l.pid = pg_backend_pid() AND c.relname IN ('shapes_ticket', 'shapes_change') AND c.relpersistence <> 't'"
    )

    def watched(binding: Binding, *given: Any) -> Any:
        done = fill(binding, *given)
        seen.append((done.inserted, set(execute(None, locks))))
        return done

    monkeypatch.setattr(chunk, "fill", watched)
    assert dryrun.estimate(binding).source == "trial"
    assert seen == [(60, {("shapes_ticket", "AccessShareLock"), ("shapes_change", "AccessShareLock")})]
    assert all_rows(binding) == before
    assert execute(None, "SELECT count(*) FROM pg_class WHERE relname = 'shapes_change'") == [(1,)]


def test_a_large_table_is_sampled_and_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = filled("device_events", 4000)
    size = execute(None, "SELECT pg_table_size('shapes_device')")[0][0]
    monkeypatch.setattr(dryrun, "SMALL_BYTES", size // 2)
    found = dryrun.estimate(binding)
    assert found.share == pytest.approx(0.5, abs=0.01)
    assert 1000 < found.total.parents < 7000
    assert found.total.elements == pytest.approx(2 * found.total.parents, rel=0.01)


def test_no_element_and_no_speed_is_no_time(database: Database) -> None:
    found = dryrun.estimate(filled("device_events", 0))
    assert (found.total, found.elements_per_second, found.takes, found.source) == (
        dryrun.Amount(0, 0, 0),
        None,
        None,
        "",
    )


def test_rests_are_part_of_the_time(database: Database) -> None:
    binding = filled("device_events", 50)
    to_the_end(binding)
    execute(None, "UPDATE cutover_segment SET done_at = NULL, cursor = NULL")
    before = dryrun.estimate(binding).takes
    controls.change(binding, who="ann", rest=0.75)
    after = dryrun.estimate(binding).takes
    assert before is not None
    assert after is not None
    assert after.total_seconds() == pytest.approx(4 * before.total_seconds(), rel=0.01)
