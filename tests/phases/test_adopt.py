"""Adoption: a child table that was there before the toolkit. It says what it found, and never begins further than that shows."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import stages
from backfilling import elements, execute, parent
from cutover import backfill, ledger, runner, use
from cutover.adoption import Found
from cutover.cli import main
from cutover.errors import Incomplete, Refused
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from databases import Database

pytestmark = pytest.mark.usefixtures("database")
BOTH = {"stdout": ["[2024-01-02 03:04:06] INFO b", "[2024-01-02 03:04:05] INFO a"], "stderr": []}


@pytest.fixture(autouse=True)
def project(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any) -> Path:
    """No writer by hand in the source, no quiet time, and all flags on."""
    settings.BASE_DIR = tmp_path
    monkeypatch.setattr(bind("job_logs").cutover, "quiet", -bind("job_logs").cutover.quiet)
    stages.set_flags("job_logs", Phase.BACKFILL_AND_DROP)
    return tmp_path


def row(number: int, second: int, message: str, position: int) -> None:
    execute(
        None,
        "INSERT INTO jobs_joblog (job_id, created_at, level, message, position) VALUES (%s, %s, 'INFO', %s, %s)",
        *(number, f"2024-01-02 03:04:{second:02}Z", message, position),
    )


def written_by_both() -> Binding:
    """One parent, whose elements have their rows; the rows are history."""
    binding = bind("job_logs")
    parent(binding, 1, BOTH)
    row(1, 5, "a", -2)
    row(1, 6, "b", -1)
    return binding


def adopt(*, to: Phase = Phase.NOT_STARTED, dry_run: bool = False, why: str = "") -> list[Any]:
    return list(runner.adopt(runner.Order(bind("job_logs"), to, why, dry_run)))


def look() -> Found:
    (found,) = (event for event in adopt(dry_run=True) if isinstance(event, Found))
    return found


def entry() -> ledger.Entry:
    return ledger.read("default", "job_logs")


def failed(found: Found) -> list[str]:
    return [verdict.gate for verdict in found.failed(Phase.DUAL_WRITE)]


def test_rows_that_all_have_their_element_show_dual_write_and_the_history_says_what_was_found() -> None:
    written_by_both()
    adopt(why="release 7.")
    assert (entry().phase, entry().epoch, entry().settled, entry().came_from) == (2, 1, True, 0)
    (line,) = ledger.history("default", "job_logs")
    assert (line.from_phase, line.to_phase, line.who) == (0, 2, runner.whoami())
    assert line.why.startswith("Adopted. release 7. Found: column: jobs_job.logs is there, jsonb; ")
    assert "order: by position: 2 rows are history, 0 came with JSON, 0 say that they came alone" in line.why
    assert {"table_exists", "positions_fit", "rows_in_json", "source_converted"} <= {
        each["gate"] for each in line.gates
    }
    assert all(each["holds"] for each in line.gates)


def test_an_empty_table_shows_add_table_and_no_more() -> None:
    parent(bind("job_logs"), 1, BOTH)
    found = look()
    assert found.phase is Phase.ADD_TABLE
    assert failed(found) == ["rows_found"]
    with pytest.raises(Refused, match="job_logs cannot begin at DUAL_WRITE: rows_found does not hold"):
        adopt(to=Phase.DUAL_WRITE)
    assert entry().epoch == 0
    adopt()
    assert entry().phase is Phase.ADD_TABLE


def test_a_look_moves_nothing_and_tells_the_whole_list() -> None:
    written_by_both()
    found = look()
    assert found.phase is Phase.DUAL_WRITE
    assert list(found.facts) == [
        *("column", "field", "table", "order", "index", "foreign key", "watch", "writers", "comparison")
    ]
    assert found.facts["comparison"] == "2 in JSON, 2 in the table: no difference"
    assert (entry().phase, entry().epoch, ledger.history("default", "job_logs")) == (0, 0, [])


def test_rows_that_say_they_came_alone_are_not_taken_for_elements_of_json() -> None:
    parent(bind("job_logs"), 1, BOTH)
    row(1, 5, "a", 0)
    found = look()
    assert found.phase is Phase.ADD_TABLE
    assert {"rows_in_json", "no_stale_rows"} <= set(failed(found))


def test_positions_of_somebody_elses_making_are_refused_until_the_rows_are_history() -> None:
    binding = bind("job_logs")
    parent(binding, 1, BOTH)
    row(1, 5, "a", 1001)
    row(1, 6, "b", 1003)
    assert failed(look()) == ["positions_fit"]
    # The statement of the runbook.
    execute(None, "UPDATE jobs_joblog SET position = position - 1 - (SELECT max(position) FROM jobs_joblog)")
    adopt()
    assert entry().phase is Phase.DUAL_WRITE
    use("job_logs").append(1, created_at=None, level="ERROR", message="c")
    assert elements(binding, 1, stream=1, where="level = 'ERROR'") == ["c"]
    assert execute(None, "SELECT message FROM jobs_joblog ORDER BY position") == [("a",), ("b",), ("c",)]


def test_the_backfill_after_an_adoption_brings_what_has_no_row_and_nothing_twice() -> None:
    binding = written_by_both()
    parent(binding, 2, {"stdout": ["[2024-01-02 03:04:05] INFO a"]})
    adopt()
    for _ in backfill.run(binding):
        pass
    assert elements(binding, 1, where="created_at IS NOT NULL") == BOTH["stdout"][::-1]
    assert elements(binding, 2, where="created_at IS NOT NULL") == ["[2024-01-02 03:04:05] INFO a"]


def test_a_row_that_json_has_lost_stands_in_the_way() -> None:
    written_by_both()
    row(1, 7, "JSON has no such line", -3)
    found = look()
    assert found.phase is Phase.ADD_TABLE
    assert failed(found) == ["no_stale_rows"]


@pytest.mark.parametrize(
    "line",
    [
        'JobLog.objects.create(job=job, message="x")',
        "models.JobLog.objects.bulk_create([])",
        "rows = [JobLog(job=job)]",
    ],
)
def test_source_that_makes_rows_by_hand_is_named(project: Path, line: str) -> None:
    written_by_both()
    (project / "writing.py").write_text(f"from jobs import models\n\ndef log(job):\n    {line}\n")
    found = look()
    assert failed(found) == ["source_converted"]
    assert "1 lines of the source write JSON or rows by hand: writing.py:4." in found.failed(Phase.DUAL_WRITE)[0].fact
    (project / "writing.py").write_text(f"def log(job):\n    {line}  # cutover: ok\n")
    assert failed(look()) == []


def test_nobody_begins_beyond_dual_write() -> None:
    written_by_both()
    with pytest.raises(Refused, match="cannot begin at PROPERTY_SHIM: nobody can begin beyond DUAL_WRITE"):
        adopt(to=Phase.PROPERTY_SHIM)


def test_a_ledger_that_has_moved_or_was_lost_and_a_column_that_is_gone_are_refused() -> None:
    written_by_both()
    adopt()
    with pytest.raises(Refused, match="job_logs is at DUAL_WRITE already; only a cutover that has never moved"):
        adopt()
    execute(None, "DELETE FROM cutover_ledger")
    with pytest.raises(Refused, match="has no row in the ledger, and its history ends at DUAL_WRITE"):
        adopt()
    execute(None, "DELETE FROM cutover_transition")
    execute(None, 'DROP TRIGGER "cutover_watch_job_logs_v1" ON jobs_job')
    execute(None, 'DROP TRIGGER "cutover_watch_job_logs_insert_v1" ON jobs_job')
    execute(None, "ALTER TABLE jobs_job DROP COLUMN logs")
    with pytest.raises(Refused, match="jobs_job has no column logs: there is nothing to move"):
        adopt()


def test_without_a_trigger_it_cannot_begin() -> None:
    written_by_both()
    execute(None, 'DROP TRIGGER "cutover_watch_job_logs_v1" ON jobs_job')
    found = look()
    assert (found.phase, found.facts["watch"]) == (Phase.NOT_STARTED, "the trigger is missing")
    with pytest.raises(Refused, match="cannot begin: trigger_current does not hold") as caught:
        adopt()
    assert "cutover scaffold job_logs ADD_TABLE" in caught.value.hint


def test_adoption_that_was_cut_short_goes_on_settling(connect: Any) -> None:
    written_by_both()
    old = connect(autocommit=False)
    old.execute("SELECT 1")
    with pytest.raises(Incomplete):
        list(runner.adopt(runner.Order(bind("job_logs"), Phase.NOT_STARTED, patience=timedelta(0))))
    assert (entry().phase, entry().settled) == (2, False)
    old.rollback()
    assert [type(event).__name__ for event in adopt()][-1] == "Settled"
    assert (entry().epoch, entry().settled) == (1, True)


def command(*args: str) -> Result:
    return CliRunner().invoke(main.cutover, ["adopt", "job_logs", *args])


def test_command_looks_first_and_begins_with_yes() -> None:
    written_by_both()
    done = command()
    assert done.exit_code == 0, done.output
    assert "  table        jobs_joblog is there, with rows\n" in done.stdout
    assert "ADD_TABLE: shown\n" in done.stdout
    assert "DUAL_WRITE: shown\n" in done.stdout
    assert "Begin with `cutover adopt job_logs DUAL_WRITE --yes`." in done.stderr
    assert entry().epoch == 0
    done = command("DUAL_WRITE", "--yes", "--why", "ours", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["phase"], told["epoch"], told["settled"]) == ("DUAL_WRITE", 1, True)
    assert entry().phase is Phase.DUAL_WRITE


def test_command_exits_3_where_too_little_is_shown() -> None:
    assert command("DUAL_WRITE").exit_code == 3
    assert command("DUAL_WRITE", "--yes").exit_code == 3
    assert command().exit_code == 0
    assert entry().epoch == 0
