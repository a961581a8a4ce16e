"""The demonstration as a process, and proof that its measuring can fail."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutover.demo import history, lines, oracle, project, witness
from cutover.demo.comparison import Finding, Written, missing
from cutover.demo.project import Deployment
from cutover.demo.summary import Buffered, Summary
from cutover.phase import Phase
from cutover.sql import query
from waiting import wait_until

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COMMAND = [sys.executable, "-m", "cutover", "demo"]


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def demo(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *args], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


# The whole story


@pytest.mark.slow
def test_demo_loses_and_doubles_nothing_and_drops_the_column(tmp_path: Path) -> None:
    log = tmp_path / "real.log"
    log.write_bytes(
        b"2015-10-18 ERROR [main] caf\xe9 is no UTF-8\n\n  \nWARN nul \0 inside { } % \\\n081109 plain line\n" * 20
    )
    done = demo("--writers", "1", "--seconds", "7", "--jobs", "8", "--lines", str(log), "--json")
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    said = json.loads(done.stdout)
    assert said["good"]
    assert said["faults"] == []
    assert (said["lost"], said["doubled"], said["short"], said["errors"]) == (0, 0, 0, 0)
    assert said["column_dropped"]
    assert said["json_checksum"] == said["table_checksum"] != ""
    assert said["lost_by_legacy"] > 0
    assert said["written_since"] > 100
    assert said["followed"] > 100
    assert said["swapped"] == 0
    assert said["reads"] > 0
    titles = ["legacy", *(phase.title for phase in Phase), "column dropped"]
    assert [phase["name"] for phase in said["phases"]] == titles
    assert all(phase["appends"] > 0 for phase in said["phases"])


@pytest.mark.slow
def test_buffered_demo_loses_and_doubles_nothing_when_flusher_and_redis_are_killed() -> None:
    done = demo("--handler", "buffered", "--writers", "1", "--seconds", "5", "--jobs", "4", "--json")
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    said = json.loads(done.stdout)
    assert said["faults"] == []
    assert (said["lost"], said["doubled"], said["short"], said["errors"]) == (0, 0, 0, 0)
    assert said["column_dropped"]
    assert said["followed"] > 100
    assert said["swapped"] == 0
    buffer = said["buffer"]
    assert buffer["lines"] > 100
    assert (buffer["left"], buffer["lost"]) == (0, 0)
    assert (buffer["flushers_killed"], buffer["redis_killed"]) == (2, 1)
    assert buffer["past"] > 0


@pytest.mark.slow
def test_interrupted_demo_leaves_no_process_and_no_file() -> None:
    with subprocess.Popen(
        [*COMMAND, "--jobs", "4"], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "legacy" in line:
                break
        workers = wait_until(lambda: children(process.pid, "worker.py"), why="the fleet is there")
        homes = {Path(f"/proc/{pid}/cwd").resolve() for pid in workers}
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(timeout=30) != 0
    assert homes
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), why="the workers are gone")
    wait_until(lambda: not any(home.parent.exists() for home in homes), seconds=30, why="the files are gone")


def children(parent: int, word: str) -> list[int]:
    if not Path("/proc").exists():
        pytest.skip("looks for processes in /proc")
    found = subprocess.run(
        ["ps", "--ppid", str(parent), "-o", "pid=,args="], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if word in line]


def test_feed_without_a_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blank.log").write_text("\n \n\0\n")
    done = demo("--lines", str(tmp_path / "blank.log"))
    assert done.returncode == 2
    assert "There is no line in" in done.stderr


# The oracle can tell


@pytest.fixture
def sworn(connect: Callable[..., psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    """Two jobs with history and ten lines since, all of them with their rows."""
    connection = connect()
    oracle.create(connection)
    history.make(connection, 2, lines.made_up())
    connection.execute(
        """
        INSERT INTO jobs_joblog (job_id, position, created_at, level, message)
        SELECT j.id, -e.n, substr(e.text, 2, 19)::timestamp AT TIME ZONE 'UTC', split_part(substr(e.text, 23), ' ', 1),
               substr(e.text, 24 + length(split_part(substr(e.text, 23), ' ', 1)))
        FROM jobs_job j, jsonb_array_elements_text(j.logs -> 'stdout') WITH ORDINALITY e (text, n)
        """
    )
    connection.execute(
        """
        INSERT INTO jobs_joblog (job_id, position, created_at, level, message)
        SELECT j.id, 0, NULL, 'ERROR', e.text FROM jobs_job j, jsonb_array_elements_text(j.logs -> 'stderr') e (text)
        WHERE NOT EXISTS (SELECT FROM jobs_joblog r WHERE r.job_id = j.id AND r.message = e.text)
        """
    )
    oracle.take_baseline(connection)
    for number in range(10):
        say(connection, f"line {number}")
    return connection


def say(connection: psycopg.Connection[Any], message: str, *, row: bool = True) -> None:
    job_id = oracle.one(connection, "first_job")[0]
    values = {
        "job_id": job_id,
        "message": message,
        "level": "INFO",
        "process": "",
        "text": f"[2026-01-01 12:00:00] INFO {message}",
    }
    connection.execute(query("demo", "swear"), values)
    if row:
        connection.execute(
            "INSERT INTO jobs_joblog (job_id, position, created_at, level, message) VALUES (%s, 1, %s, 'INFO', %s)",
            [job_id, NOON, message],
        )


def compared(connection: psycopg.Connection[Any], *, dual: bool = True) -> oracle.Compared:
    now = oracle.now(connection)
    return oracle.compare_table(connection, dual_since=NOON if dual else now, backfilled=now)


def test_oracle_is_content_with_a_table_that_holds_everything(sworn: psycopg.Connection[Any]) -> None:
    found = compared(sworn)
    assert (found.lost, found.doubled, found.cut) == (0, 0, 0)
    assert found.expected > 10


@pytest.mark.parametrize("where", ["message = 'line 7'", "position = -3"], ids=["a line", "history"])
def test_row_deleted_behind_its_back_is_lost(sworn: psycopg.Connection[Any], where: str) -> None:
    sworn.execute(f"DELETE FROM jobs_joblog WHERE id = (SELECT min(id) FROM jobs_joblog WHERE {where})")  # noqa: S608
    found = compared(sworn)
    assert (found.lost, found.doubled) == (1, 0)
    assert len(found.examples) == 1


def test_error_without_its_row_is_lost(sworn: psycopg.Connection[Any]) -> None:
    sworn.execute("DELETE FROM jobs_joblog WHERE id = (SELECT min(id) FROM jobs_joblog WHERE created_at IS NULL)")
    assert compared(sworn).lost == 1


@pytest.mark.parametrize("message", ["message", "'nobody wrote this'"], ids=["twice", "by nobody"])
def test_row_too_many_is_doubled(sworn: psycopg.Connection[Any], message: str) -> None:
    sworn.execute(
        f"INSERT INTO jobs_joblog (job_id, position, created_at, level, message) SELECT job_id, 9, created_at, level, {message} "  # noqa: S608
        "FROM jobs_joblog WHERE message = 'line 7'"
    )
    found = compared(sworn)
    assert (found.lost, found.doubled) == (0, 1)


def test_line_that_was_said_twice_may_have_one_row_or_two(sworn: psycopg.Connection[Any]) -> None:
    say(sworn, "line 7", row=False)
    assert (compared(sworn).lost, compared(sworn).doubled) == (0, 0)
    sworn.execute(
        "INSERT INTO jobs_joblog (job_id, position, created_at, level, message) SELECT job_id, 9, created_at, level, message "
        "FROM jobs_joblog WHERE message = 'line 7'"
    )
    assert compared(sworn).doubled == 0


def test_what_the_cap_cut_before_dual_write_is_not_lost(sworn: psycopg.Connection[Any]) -> None:
    for number in range(1000):
        say(sworn, f"newer {number}")
    sworn.execute("DELETE FROM jobs_joblog WHERE message = 'line 7'")
    assert (compared(sworn, dual=False).lost, compared(sworn, dual=False).cut) == (0, 1)
    assert (compared(sworn).lost, compared(sworn).cut) == (1, 0)


def test_line_has_its_place_at_the_end_of_a_disorder(sworn: psycopg.Connection[Any]) -> None:
    asked = (
        query("demo", "ended"),
        {"job_id": oracle.one(sworn, "first_job")[0], "text": "[2026-01-01 12:00:00] INFO line 7"},
    )
    written = sworn.execute(*asked).fetchone()
    oracle.disorder(sworn, oracle.now(sworn))
    assert sworn.execute(*asked).fetchone() == written
    oracle.disorder(sworn, NOON)
    before = oracle.now(sworn)
    oracle.order(sworn)
    placed = sworn.execute(*asked).fetchone()
    assert placed is not None
    assert before < placed[0] < oracle.now(sworn)


def test_line_that_has_no_row_yet_is_where_a_disorder_begins(sworn: psycopg.Connection[Any]) -> None:
    before = oracle.now(sworn)
    say(sworn, "waits", row=False)
    after = oracle.now(sworn)
    say(sworn, "flushed")
    assert before < oracle.all_flushed_before(sworn, NOON) < after
    sworn.execute(
        "INSERT INTO jobs_joblog (job_id, position, level, message) SELECT min(id), 9, '', 'waits' FROM jobs_job"
    )
    assert oracle.all_flushed_before(sworn, NOON) > after


def test_disorder_begins_before_a_line_that_is_not_committed(
    sworn: psycopg.Connection[Any], connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    before = oracle.now(sworn)
    with connect(autocommit=False) as writer:
        say(writer, "in Redis, and sworn to", row=False)
        after = oracle.now(sworn)
        assert before < oracle.all_flushed_before(sworn, NOON) < after
        writer.rollback()
    assert oracle.all_flushed_before(sworn, NOON) > after


def test_rows_that_stand_the_other_way_round_are_told(sworn: psycopg.Connection[Any]) -> None:
    sworn.execute("UPDATE jobs_joblog SET position = 100 + id WHERE message LIKE 'line %'")
    assert (compared(sworn).followed, compared(sworn).swapped) == (9, 0)
    sworn.execute("UPDATE jobs_joblog SET position = 90 WHERE message = 'line 4'")
    assert compared(sworn).swapped == 1
    assert compared(sworn, dual=False).followed == 0  # JSON alone has no such order
    oracle.disorder(sworn, NOON)
    assert compared(sworn).followed == 0


def test_losses_of_the_legacy_handler_are_counted(connect: Callable[..., psycopg.Connection[Any]]) -> None:
    connection = connect()
    oracle.create(connection)
    history.make(connection, 1, lines.made_up())
    for number in range(3):
        say(connection, f"line {number}", row=False)
    connection.execute(
        "UPDATE jobs_job SET logs = jsonb_insert(logs, '{stdout,0}', '\"[2026-01-01 12:00:00] INFO line 1\"')"
    )
    oracle.take_baseline(connection)
    assert oracle.lost_by_legacy(connection) == (3, 2)


# What a reader should have seen


def full_view(sworn: psycopg.Connection[Any], *behind: str) -> Finding:
    """What a reader finds who sees a thousand lines that were sworn after the ten of the fixture, and behind them some more."""
    job_id = oracle.one(sworn, "first_job")[0]
    newer = [f"newer {number}" for number in range(1000 - len(behind))]
    for message in newer:
        say(sworn, message, row=False)
    view = [*map(shown, reversed(newer)), *behind]
    written = sworn.execute(query("demo", "written_to"), {"job_id": job_id, "limit": witness.NEWEST}).fetchall()
    return witness.compare(job_id, {"stdout": view, "stderr": []}, written, ([], []))


def shown(message: str) -> str:
    return f"[2026-01-01 12:00:00] INFO {message}"


def test_line_at_the_end_of_a_full_view_that_nobody_swore_to_hides_nothing_and_accuses_nobody(
    sworn: psycopg.Connection[Any],
) -> None:
    assert full_view(sworn, shown("kept for later")).short == 0
    assert full_view(sworn, shown("line 3"), shown("line 1")).short == 1  # line 2


def test_line_that_was_said_before_the_baseline_and_again_after_it_has_its_place_from_before(
    sworn: psycopg.Connection[Any],
) -> None:
    say(sworn, "twice", row=False)
    sworn.execute("UPDATE demo_line SET before = true WHERE message = 'twice'")
    assert full_view(sworn, "a line of the baseline").short == 0
    say(sworn, "twice", row=False)
    assert full_view(sworn, "a line of the baseline").short == 0


def test_view_that_is_not_full_shows_every_committed_line() -> None:
    written = [Written("b", at(2)), Written("a", at(1))]
    assert missing(["b", "h"], written, ["h", "g"], full=False, last_ended=None) == ["a", "g"]


def test_line_behind_newer_ones_of_a_full_view_is_hidden() -> None:
    written = [Written("c", at(3)), Written("b", at(2)), Written("a", at(1))]
    assert missing(["c", "b"], written, ["h"], full=True, last_ended=at(2.5)) == []


def test_line_that_began_after_the_last_shown_one_had_been_written_must_be_seen() -> None:
    written = [Written("c", at(3)), Written("b", at(2)), Written("a", at(1))]
    assert missing(["c", "a"], written, [], full=True, last_ended=at(1.5)) == ["b"]


def test_history_is_visible_down_to_the_last_element_of_a_full_view() -> None:
    assert missing(["a", "h1", "h3"], [Written("a", at(1))], ["h1", "h2", "h3", "h4"], full=True, last_ended=None) == [
        "h2"
    ]


@pytest.mark.parametrize(
    "fault",
    [
        {"lost": 1},
        {"doubled": 1},
        {"swapped": 1},
        {"short": 1},
        {"shown_twice": 1},
        {"errors": 1},
        {"complete": False},
        {"json_checksum": "x"},
        {"column_dropped": False},
        {"buffer": Buffered()},
        {"buffer": Buffered(lines=1, left=1)},
        {"buffer": Buffered(lines=1, lost=1)},
    ],
    ids=str,
)
def test_each_fault_alone_makes_the_run_a_failure(fault: dict[str, Any]) -> None:
    good: dict[str, Any] = {"complete": True, "column_dropped": True}
    assert Summary(**good).faults == []
    assert len(Summary(**(good | fault)).faults) == 1


# The project


def test_written_project_compiles_in_every_file(tmp_path: Path) -> None:
    project.write(tmp_path / "p")
    files = sorted((tmp_path / "p").rglob("*.py"))
    assert {file.name for file in files} >= {"settings.py", "models.py", "cutovers.py", "handler.py", "worker.py"}
    for file in files:
        compile(file.read_text(), file.name, "exec")


def test_flags_of_a_deployment_are_a_prefix() -> None:
    environment = Deployment("converted", Phase.PROPERTY_SHIM).environment
    on = {name.removeprefix("CUTOVER_JOB_LOGS_") for name in environment if name.startswith("CUTOVER_")}
    assert on == {"ADD_TABLE", "DUAL_WRITE", "PROPERTY_SHIM"}
    assert environment["RELEASE"] == "converted"


def test_messages_keep_level_and_text_through_the_feed(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"18:01 FATAL x\0y\n\n WARN caf\xe9 \nno level\n")
    said = lines.prepare([tmp_path / "a.log"], tmp_path / "feed")
    assert said == [("CRITICAL", "18:01 FATAL xy"), ("WARNING", "WARN caf�"), ("INFO", "no level")]
    assert lines.load(tmp_path / "feed") == said
