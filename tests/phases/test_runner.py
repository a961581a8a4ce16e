"""Advance and roll back: gates, the commit, settling, the wheel, the history; and what a crash leaves."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

import stages
from cutover import ledger, runner
from cutover.errors import Busy, Incomplete, Refused
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from databases import Database
from waiting import backend_pid, wait_until

Connect = Callable[..., psycopg.Connection[Any]]
pytestmark = pytest.mark.usefixtures("database")
AT_ONCE = timedelta(seconds=0)


@pytest.fixture(autouse=True)
def _no_quiet_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bind("job_logs").cutover, "quiet", timedelta(0))


@pytest.fixture
def binding() -> Binding:
    """At ADD_TABLE, with the flags of the next phase on."""
    found = stages.at_phase("job_logs", Phase.ADD_TABLE)
    stages.set_flags("job_logs", Phase.DUAL_WRITE)
    return found


def entry() -> ledger.Entry:
    return ledger.read("default", "job_logs")


def test_advance_tells_gates_then_the_move_then_settled(binding: Binding) -> None:
    events = list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE)))
    kinds = [type(event).__name__ for event in events]
    assert kinds[:2] == ["Judged", "Moved"]
    assert set(kinds[2:-1]) <= {"Waiting"}
    assert kinds[-1] == "Settled"
    assert entry().settled


def test_a_gate_that_does_not_hold_changes_nothing_and_says_what_to_do(binding: Binding) -> None:
    stages.set_flags("job_logs", Phase.ADD_TABLE)
    before = entry()
    with pytest.raises(Refused) as caught:
        list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE)))
    assert str(caught.value) == "job_logs stays at ADD_TABLE: flags_on does not hold."
    assert "CUTOVER_JOB_LOGS_DUAL_WRITE=1" in caught.value.hint
    assert entry().epoch == before.epoch
    assert entry().driver == ""


def test_dry_run_asks_every_gate_and_changes_nothing(binding: Binding) -> None:
    before = entry()
    (judged,) = runner.advance(runner.Order(binding, Phase.DUAL_WRITE, dry_run=True))
    assert isinstance(judged, runner.Judged)
    assert judged.holds
    assert {verdict.gate for verdict in judged.verdicts} >= {"flags_on", "fleet_agrees", "no_foreign_writers"}
    assert entry().epoch == before.epoch


def test_the_history_says_who_why_and_what_the_gates_said(binding: Binding) -> None:
    list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE, why="release 12")))
    last = ledger.history("default", "job_logs")[-1]
    assert (last.from_phase, last.to_phase, last.why) == (Phase.ADD_TABLE, Phase.DUAL_WRITE, "release 12")
    assert last.who == runner.whoami()
    assert last.settled_at is not None
    assert all(gate["holds"] for gate in last.gates)


def test_an_open_transaction_holds_advance_and_is_named(binding: Binding, connect: Connect) -> None:
    other = connect(autocommit=False, application_name="night report")
    other.execute("SELECT 1")
    with pytest.raises(Incomplete) as caught:
        list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE, patience=AT_ONCE)))
    assert f"backend {backend_pid(other)}, night report" in str(caught.value)
    assert entry().phase is Phase.DUAL_WRITE
    assert not entry().settled
    other.rollback()
    assert [type(event).__name__ for event in runner.advance(runner.Order(binding, Phase.DUAL_WRITE))][-1] == "Settled"
    assert entry().settled


def test_a_prepared_transaction_holds_advance_and_is_named(binding: Binding, connect: Connect) -> None:
    other = connect()
    other.execute("BEGIN")
    other.execute("INSERT INTO jobs_job (name, progress) VALUES ('prepared', 0)")
    other.execute("PREPARE TRANSACTION 'late'")
    with pytest.raises(Incomplete, match="prepared transaction 'late'"):
        list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE, patience=AT_ONCE)))
    other.execute("ROLLBACK PREPARED 'late'")
    list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE)))
    assert entry().settled


def test_a_waived_reader_is_not_waited_for_and_goes_into_the_history(binding: Binding, connect: Connect) -> None:
    dump = connect(autocommit=False, application_name="pg_dump")
    dump.execute("SELECT 1")
    list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE, waive=[backend_pid(dump)])))
    (waived,) = ledger.history("default", "job_logs")[-1].waived
    assert waived.startswith(f"backend {backend_pid(dump)}, pg_dump")


def test_a_phase_that_has_not_settled_can_only_be_taken_back(binding: Binding, connect: Connect) -> None:
    other = connect(autocommit=False)
    other.execute("SELECT 1")
    with pytest.raises(Incomplete):
        list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE, patience=AT_ONCE)))
    stages.set_flags("job_logs", Phase.PROPERTY_SHIM)
    with pytest.raises(Refused, match="settled"):
        list(runner.advance(runner.Order(binding, Phase.PROPERTY_SHIM)))
    other.rollback()
    list(runner.rollback(runner.Order(binding, Phase.ADD_TABLE)))
    assert entry().phase is Phase.ADD_TABLE


def test_second_driver_is_told_who_drives(binding: Binding) -> None:
    ledger.take_wheel("default", "job_logs", "ann@host:1", timedelta(seconds=30))
    with pytest.raises(Busy, match="job_logs is being moved by ann@host:1"):
        list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE)))
    assert entry().phase is Phase.ADD_TABLE


def test_the_wheel_of_a_driver_that_died_is_free_after_a_while(binding: Binding) -> None:
    ledger.take_wheel("default", "job_logs", "ann@host:1", timedelta(seconds=-1))
    list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE)))
    assert entry().phase is Phase.DUAL_WRITE


def test_two_moves_from_one_reading_cannot_both_be_made(binding: Binding) -> None:
    read = entry()
    ledger.move("default", read, Phase.DUAL_WRITE, who="a", why="", gates=())
    with pytest.raises(Busy, match="was moved by somebody else"):
        ledger.move("default", read, Phase.DUAL_WRITE, who="b", why="", gates=())
    assert len([move for move in ledger.history("default", "job_logs") if move.epoch == read.epoch + 1]) == 1


def command(*words: str) -> subprocess.Popen[str]:
    """The command line as a process of its own."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "PYTHONPATH": os.pathsep.join(["tests", ".", *sys.path]),
    }
    line = [sys.executable, "-m", "cutover", *words]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_advance_killed_while_it_waits_is_gone_on_with_by_the_same_command(
    binding: Binding, connect: Connect, database: Database
) -> None:
    other = connect(autocommit=False)
    other.execute("SELECT 1")
    watch = connect()
    watch.execute("UPDATE cutover_ledger SET moved_at = moved_at - interval '2 minutes'")  # the quiet time has passed
    first = command("advance", "job_logs", "DUAL_WRITE", "--json")
    wait_until(lambda: entry().phase is Phase.DUAL_WRITE, 30, "the move is committed")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not entry().settled
    other.rollback()
    watch.execute("UPDATE cutover_ledger SET driver_until = clock_timestamp()")  # or half a minute later
    second = command("advance", "job_logs", "DUAL_WRITE", "--json")
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert json.loads(out)["settled"]
    assert entry().settled
    assert [move.to_phase for move in ledger.history("default", "job_logs")].count(Phase.DUAL_WRITE) == 1


def test_a_refusal_exits_with_3_and_prints_the_gates(binding: Binding) -> None:
    refused = command("advance", "job_logs", "STOP_JSON_WRITES", "--json")
    out, err = refused.communicate(timeout=60)
    assert refused.returncode == 3
    assert json.loads(out)["error"] == "job_logs is at ADD_TABLE; it cannot advance to STOP_JSON_WRITES."
    assert "Traceback" not in err
