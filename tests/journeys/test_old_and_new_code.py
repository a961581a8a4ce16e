"""{old code, new code} x phase: what either of them reads and loses, and who is told; then processes that a flag holds back.

Old code knows the column alone: refresh, insert at 0, skip duplicates, cut to 1,000, save. That it comes between its own refresh
and save is the loss that the cutover is made against; from the first row on it takes nothing from a reader any more.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import RestrictViolation

import stages
import traffic
from backfilling import to_the_end
from cutover import lease, marks, report, runner, use, verify
from cutover.errors import Refused
from cutover.gates import Verdict
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from parents import NOON, line
from project.jobs.models import Job, JobLog
from shapes import SHAPES
from traffic import OwnBeliefs

Connect = Callable[..., psycopg.Connection[Any]]
pytestmark = pytest.mark.usefixtures("database")

JSON_ONLY = [Phase.NOT_STARTED, Phase.ADD_TABLE]
RECORDED = [*JSON_ONLY, Phase.DUAL_WRITE, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES]
LAST = Phase.BACKFILL_AND_DROP
HISTORY = line(0, "before")
ROUNDS = 10


@dataclass
class OldCode:
    """The unconverted handler and the page that shows a job, on a connection of their own."""

    connection: psycopg.Connection[Any]
    job: Job
    refreshed: Any = None

    def read(self) -> Any:
        found = self.connection.execute("SELECT logs FROM jobs_job WHERE id = %s", [self.job.pk]).fetchone()
        assert found is not None
        return found[0]

    def refresh(self) -> None:
        self.refreshed = self.read()

    def save(self, text: str) -> None:
        stdout = self.refreshed["stdout"]
        if text not in stdout:
            stdout.insert(0, text)
        del stdout[1000:]
        self.connection.execute(
            "UPDATE jobs_job SET logs = %s WHERE id = %s", [json.dumps(self.refreshed), self.job.pk]
        )

    def log(self, text: str) -> None:
        self.refresh()
        self.save(text)


@pytest.fixture(autouse=True)
def _no_quiet_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bind("job_logs").cutover, "quiet", timedelta(0))


@pytest.fixture
def job(database: object) -> Job:
    return Job.objects.create(logs={"stdout": [HISTORY], "stderr": []})


@pytest.fixture
def old(job: Job, connect: Connect) -> OldCode:
    return OldCode(connect(application_name="old code"), job)


def at(phase: Phase) -> Binding:
    """At the phase, come from a complete backfill, with every flag on; what was marked on the way is visited."""
    if phase >= Phase.DUAL_WRITE:
        to_the_end(stages.at_phase("job_logs", Phase.DUAL_WRITE))
    binding = stages.at_phase("job_logs", phase)
    stages.set_flags("job_logs", LAST)
    lease.forget()
    return binding


def append(job: Job, minute: int, message: str) -> str:
    """New code logs; the line."""
    use("job_logs").append(job, created_at=NOON + timedelta(minutes=minute), level="INFO", message=message)
    return line(minute, message)


def seen(job: Job) -> list[str]:
    """What readers in new code see, by key and by the attribute alike; in no order, for old code has no say in it."""
    found = sorted(use("job_logs").read(job.pk)["stdout"])
    assert found == sorted(Job.objects.get(pk=job.pk).logs["stdout"])
    return found


def verdict(binding: Binding, to: Phase, gate: str) -> Verdict:
    (judged,) = runner.advance(runner.Order(binding, to, dry_run=True))
    assert isinstance(judged, runner.Judged)
    (found,) = [each for each in judged.verdicts if each.gate == gate]
    return found


# --- side by side ---


@pytest.mark.parametrize("phase", RECORDED)
def test_new_readers_see_what_either_code_wrote_and_old_code_is_known(old: OldCode, phase: Phase) -> None:
    binding, job = at(phase), old.job
    written = [HISTORY, append(job, 1, "new"), line(2, "old")]
    old.log(written[2])
    written += [append(job, 3, "newer"), line(4, "older")]
    old.log(written[4])
    assert seen(job) == sorted(written)
    assert [each.application_name for each in marks.writers("default", "job_logs", NOON, updates=True)] == ["old code"]
    if phase >= Phase.DUAL_WRITE:
        assert marks.count_dirty("default", "job_logs") == 2
        to_the_end(binding)
        assert sorted(
            f"[{e.created_at:%Y-%m-%d %H:%M:%S}] {e.level} {e.message}" for e in JobLog.objects.all()
        ) == sorted(written)
        assert seen(job) == sorted(written)
    assert marks.count_dirty("default", "job_logs") == 0


@pytest.mark.parametrize("phase", Phase)
def test_old_readers_see_what_new_code_writes_until_json_is_no_longer_written(old: OldCode, phase: Phase) -> None:
    at(phase)
    new = append(old.job, 1, "new")
    assert old.read()["stdout"] == ([new, HISTORY] if phase.writes_json else [HISTORY])


def test_the_last_phase_rejects_old_code_and_new_code_goes_on(old: OldCode) -> None:
    at(LAST)
    written = [HISTORY, append(old.job, 1, "new")]
    with pytest.raises(RestrictViolation, match="belongs to the cutover job_logs"):
        old.log(line(2, "old"))
    written.append(append(old.job, 3, "newer"))
    assert seen(old.job) == sorted(written)
    assert old.read()["stdout"] == [HISTORY]


# --- new code between the refresh and the save of old code ---


def race(old: OldCode) -> list[str]:
    """The lines that both believe to have written."""
    old.refresh()
    new = append(old.job, 1, "new")
    old.save(line(2, "old"))
    return sorted([HISTORY, new, line(2, "old")])


@pytest.mark.parametrize("phase", JSON_ONLY)
def test_where_json_is_all_there_is_old_code_still_takes_lines_away(old: OldCode, phase: Phase) -> None:
    at(phase)
    assert set(race(old)) - set(seen(old.job)) == {line(1, "new")}


def test_dual_write_keeps_what_old_code_takes_away_and_the_repair_puts_it_back(old: OldCode) -> None:
    binding = at(Phase.DUAL_WRITE)
    written = race(old)
    assert set(written) - set(seen(old.job)) == {line(1, "new")}
    *_, last = verify.run(binding)
    assert last.result.found == {"missing_in_json": 1, "pending": 1}
    list(verify.repair(binding, apply=True))
    assert seen(old.job) == sorted(old.read()["stdout"]) == written


@pytest.mark.parametrize("phase", [Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES])
def test_readers_of_rows_miss_nothing_that_old_code_takes_away(old: OldCode, phase: Phase) -> None:
    at(phase)
    assert race(old) == seen(old.job)


def test_nobody_goes_back_to_json_before_it_is_known_what_old_code_took_away(old: OldCode) -> None:
    binding = at(Phase.PROPERTY_SHIM)
    list(verify.run(binding))
    written, back = race(old), runner.Order(binding, Phase.DUAL_WRITE)
    with pytest.raises(Refused, match="rehydrated does not hold") as caught:
        list(runner.rollback(back))
    assert "Run `cutover verify job_logs`" in caught.value.hint
    list(verify.repair(binding, apply=True))
    list(verify.run(binding))
    list(runner.rollback(back))
    lease.forget()
    assert seen(old.job) == written


@pytest.mark.slow
@pytest.mark.parametrize("phase", [Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES])
def test_readers_miss_nothing_while_old_code_races_with_live_writers(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, phase: Phase
) -> None:
    monkeypatch.setattr(lease, "_held", OwnBeliefs())
    at(phase)
    live = traffic.traffic(SHAPES[0])
    old = OldCode(connect(application_name="old code"), Job(pk=live.busy[0]))
    with live.running():
        for number in range(ROUNDS):
            fields = {"created_at": NOON, "level": "INFO", "message": f"old {number}"}
            old.refresh()
            live.goes_on(len(live.busy))
            live.note(live.begun, old.job.pk, fields)
            old.save(line(0, f"old {number}"))
            live.note(live.committed, old.job.pk, fields)
        live.everybody_sees_what_was_committed()


# --- gates ---


def test_the_gate_into_dual_write_names_old_code(old: OldCode, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = at(Phase.ADD_TABLE)
    monkeypatch.setattr(binding.cutover, "quiet", timedelta(minutes=1))
    old.connection.execute("UPDATE cutover_ledger SET moved_at = moved_at - interval '2 minutes'")
    assert verdict(binding, Phase.DUAL_WRITE, "no_foreign_writers").holds
    old.log(line(1, "old"))
    found = verdict(binding, Phase.DUAL_WRITE, "no_foreign_writers")
    assert not found.holds
    assert "old code as" in found.fact
    with pytest.raises(Refused, match="no_foreign_writers does not hold"):
        list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE)))


def test_the_gate_into_the_last_phase_names_old_code_until_its_lines_are_rows(old: OldCode) -> None:
    binding = at(Phase.STOP_JSON_WRITES)
    written = [HISTORY, append(old.job, 1, "new"), line(2, "old")]
    old.log(written[2])
    found = verdict(binding, LAST, "no_foreign_writes")
    assert not found.holds
    assert "old code as" in found.fact
    to_the_end(binding)
    list(verify.run(binding))
    assert "were all visited: old code as" in verdict(binding, LAST, "no_foreign_writes").fact
    list(runner.advance(runner.Order(binding, LAST)))
    lease.forget()
    assert seen(old.job) == sorted(written)


# --- a process with a flag off ---


@pytest.mark.parametrize(("phase", "runs_at"), [(1, 0), (2, 2), (3, 2), (4, 3), (5, 4)])
def test_a_process_that_its_flag_holds_back_loses_nothing_and_is_named(job: Job, phase: int, runs_at: int) -> None:
    binding = at(Phase(phase))
    written = [HISTORY, append(job, 1, "with the flag")]
    hold_back(phase)
    written.append(append(job, 2, "held back"))
    assert seen(job) == sorted(written)
    told = report.gather(binding)
    assert (told.entry.phase, told.effective) == (phase, runs_at)
    assert [process.pid for process in told.held_back] == [os.getpid()]
    assert [each["held_back"] for each in told.as_dict()["processes"]] == [True]
    let_go()
    written.append(append(job, 3, "with the flag again"))
    assert seen(job) == sorted(written)
    hold_back(phase)
    assert seen(job) == sorted(written)
    let_go()
    seen(job)
    assert report.gather(binding).held_back == []


def hold_back(phase: int) -> None:
    """This process goes on with the flag of the phase off."""
    stages.set_flags("job_logs", Phase(phase - 1))
    lease.forget()


def let_go() -> None:
    stages.set_flags("job_logs", LAST)
    lease.forget()
