"""`cutover backfill` as processes: stopped and started again, several at once, gentler while it runs, and dry."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backfilling import all_rows, execute, parent
from cutover import backfill, ledger
from cutover.backfill import controls
from cutover.mapping import Binding
from databases import Database
from stages import at_phase
from waiting import wait_until

ROOT = Path(__file__).parents[2]
WAITING = {"job_logs is paused.", "The last segments are held by other workers."}
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(database: Database) -> Iterator[Start]:
    """Start the command line beside the test; what still runs at its end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> "subprocess.Popen[str]":
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}",
        }
        line = [sys.executable, "-m", "cutover", *words]
        pipe = subprocess.PIPE
        made = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=environment)
        started.append(made)
        return made

    yield run
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate()


def said(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """The exit code, and what it said on both streams."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def chunks() -> int:
    """How many parents have been done."""
    return int(execute(None, "SELECT COALESCE(sum(parents), 0)::int FROM cutover_segment")[0][0])


def jobs(count: int, lines: int = 3) -> Binding:
    binding = at_phase("job_logs", 2)
    listed = [f"[2024-01-02 03:04:05] INFO line {number}" for number in range(lines)]
    for number in range(1, count + 1):
        parent(binding, number, {"stdout": listed, "stderr": []})
    return binding


def slow(binding: Binding) -> None:
    """Small chunks, and a long rest after each: it takes so long that something can happen meanwhile."""
    controls.change(binding, who="ann", target=0.01, rest=0.9)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_it_ends_after_its_chunk_and_the_same_command_goes_on(
    start: Start, number: signal.Signals
) -> None:
    binding = jobs(400, lines=200)
    slow(binding)
    worker = start("backfill", "job_logs")
    wait_until(chunks, 30)
    worker.send_signal(number)
    code, _, err = said(worker)
    assert code == 7, err
    assert err.endswith(
        "Error: The backfill of job_logs was stopped after a chunk.\n"
        "Run the same command again; it goes on where it was.\n"
    )
    done = chunks()
    assert 0 < done < 400
    assert len(all_rows(binding)) == 200 * done
    assert backfill.status(binding).workers == []
    assert execute(None, "SELECT count(*) FROM cutover_segment WHERE leased_until IS NOT NULL") == [(0,)]
    controls.change(binding, who="ann", target=0, rest=0)
    code, _, err = said(start("backfill", "job_logs"))
    assert code == 0, err
    assert err.endswith("job_logs: every element has its row. 80000 were inserted for 400 parents.\n")


WATCH = """
CREATE TABLE chunk_log (worker text, paused boolean);
CREATE FUNCTION log_chunk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chunk_log SELECT NEW.worker, paused FROM cutover_ledger WHERE name = NEW.cutover;
    RETURN NULL;
END $$;
CREATE TRIGGER log_chunk AFTER UPDATE ON cutover_segment
FOR EACH ROW WHEN (NEW.parents > OLD.parents) EXECUTE FUNCTION log_chunk();
"""


def test_a_pause_from_another_process_lets_one_more_chunk_of_each_worker_through_at_most(start: Start) -> None:
    """A chunk that moves its cursor after the pause was committed had begun before; the next one of its worker has not."""
    binding = jobs(400, lines=200)
    slow(binding)
    execute(None, WATCH)
    command = start("backfill", "job_logs", "--workers", "2")
    wait_until(chunks, 30)
    assert said(start("backfill", "job_logs", "--pause"))[0] == 0
    wait_until(lambda: {each.waiting for each in backfill.status(binding).workers} <= WAITING, 30)
    wait_until(lambda: "job_logs is paused." in {each.waiting for each in backfill.status(binding).workers}, 30)
    done = chunks()
    assert "waits: job_logs is paused., since " in said(start("status", "job_logs"))[1]
    assert chunks() == done < 400
    after = execute(None, "SELECT worker, count(*) FROM chunk_log WHERE paused GROUP BY worker")
    assert all(count <= 1 for _, count in after)
    assert said(start("backfill", "job_logs", "--resume"))[0] == 0
    controls.change(binding, who="ann", target=0, rest=0)
    assert said(command)[0] == 0


def test_several_workers_are_processes_that_end_with_the_command(start: Start) -> None:
    binding = jobs(400, lines=200)
    slow(binding)
    command = start("backfill", "job_logs", "--workers", "3")
    wait_until(lambda: len(backfill.status(binding).workers) == 3, 30)
    wait_until(chunks, 30)
    pids = [each.pid for each in backfill.status(binding).workers]
    assert command.pid not in pids
    command.kill()
    wait_until(lambda: not any(alive(pid) for pid in pids), 30)
    assert chunks() < 400
    assert len(all_rows(binding)) == 200 * chunks()
    assert backfill.status(binding).workers == []


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_several_workers_end_after_their_chunk_when_the_command_is_stopped(
    start: Start, number: signal.Signals
) -> None:
    binding = jobs(400, lines=200)
    slow(binding)
    command = start("backfill", "job_logs", "--workers", "2")
    wait_until(chunks, 30)
    command.send_signal(number)
    code, _, err = said(command)
    assert code == 7, err
    assert "Error: The backfill of job_logs was stopped after a chunk." in err
    assert backfill.status(binding).workers == []
    assert 0 < chunks() < 400


def test_several_workers_complete_it_and_one_that_is_killed_does_no_harm(start: Start) -> None:
    binding = jobs(400, lines=50)
    slow(binding)
    command = start("backfill", "job_logs", "--workers", "3", "--json")
    wait_until(lambda: len(backfill.status(binding).workers) == 3, 30)
    os.kill(backfill.status(binding).workers[1].pid, signal.SIGKILL)
    controls.change(binding, who="ann", target=0, rest=0)
    code, out, err = said(command)
    assert code == 0, err
    assert json.loads(out)["finished"] is True
    assert len(all_rows(binding)) == 400 * 50
    assert backfill.why_incomplete(binding) == []


def test_a_worker_that_fails_gives_the_command_its_code_and_its_words(start: Start) -> None:
    binding = jobs(100)
    ledger.set_dropped("default", "job_logs", True)
    code, _, err = said(start("backfill", "job_logs", "--workers", "2"))
    assert code == 3, err
    assert "Worker 1 of job_logs ended with 3: The column of job_logs was dropped at " in err
    assert all_rows(binding) == []


def test_where_workers_run_a_pace_is_set_for_them_and_none_is_started(start: Start) -> None:
    binding = jobs(400, lines=200)
    slow(binding)
    worker = start("backfill", "job_logs")
    wait_until(lambda: backfill.status(binding).workers, 30)
    code, out, err = said(start("backfill", "job_logs", "--target", "0.02", "--workers", "1", "--json"))
    assert code == 0, err
    told = json.loads(out)
    assert (told["running"], told["started"]) == (1, 0)
    assert (told["controls"]["target_seconds"], told["controls"]["workers"]) == (0.02, 1)
    assert "job_logs: chunks of 0.02 s, rests 90% of the time, at most 1 at work." in err
    assert len(backfill.status(binding).workers) == 1
    assert said(start("backfill", "job_logs", "--full"))[0] == 0
    assert str(controls.read(binding)) == "chunks of 0.5 s, at most 1 at work"
    assert said(worker)[0] == 0


def test_where_none_runs_a_pace_is_set_and_kept(start: Start) -> None:
    binding = jobs(3)
    code, _, err = said(start("backfill", "job_logs", "--nice"))
    assert code == 0, err
    assert str(controls.read(binding)) == "chunks of 0.05 s, rests 50% of the time"
    assert len(all_rows(binding)) == 9
    assert said(start("backfill", "job_logs", "--usual"))[0] == 0
    usual = "chunks of 0.5 s (while others are at work chunks of 0.05 s, rests 33% of the time)"
    assert str(controls.read(binding)) == usual


def test_a_dry_run_counts_and_estimates_and_changes_nothing(start: Start) -> None:
    binding = jobs(200, lines=50)
    controls.change(binding, who="ann", rest=0)  # or this very session is at work beside it, within the last second
    before = execute(None, "SELECT pg_current_xact_id_if_assigned(), last_value FROM cutover_position_v1")
    code, out, err = said(start("backfill", "job_logs", "--dry-run"))
    assert code == 0, err
    assert out.startswith("job_logs: 200 parents, 10,000 elements, ")
    assert " MiB (counted)\n  takes    about " in out
    assert " with one worker, without the last look (" in out
    assert " elements/s from a trial on a few parents, rolled back)" in out
    assert all_rows(binding) == []
    assert execute(None, "SELECT count(*) FROM cutover_segment") == [(0,)]
    assert execute(None, "SELECT pg_current_xact_id_if_assigned(), last_value FROM cutover_position_v1") == before
    slow(binding)
    worker = start("backfill", "job_logs")
    wait_until(chunks, 30)
    worker.send_signal(signal.SIGINT)
    said(worker)
    code, out, err = said(start("backfill", "job_logs", "--dry-run", "--json"))
    assert code == 0, err
    told = json.loads(out)
    assert told["total"]["parents"] == 200
    assert told["ahead"]["parents"] == 200 - chunks()
    assert told["ahead"]["elements"] == 50 * (200 - chunks())
    assert (told["exact"], told["source"], told["rest"]) == (True, "chunks", 0.9)
    assert told["seconds"] > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--nice", "--target", "1"], "--nice sets --target and --rest itself."),
        (["--pause", "--workers", "2"], "--pause and a pace are different commands."),
        (["--target", "0"], "0.0 is not in the range 0.01<=x<=60"),
        (["--rest", "1"], "1.0 is not in the range 0<=x<=0.95"),
        (["--quarantine"], "No such option"),
        (["--waive", "ann"], "No such option"),
    ],
)
def test_what_does_not_fit_together_is_refused(start: Start, words: list[str], told: str) -> None:
    code, _, err = said(start("backfill", "job_logs", *words))
    assert code == 2
    assert told in err
