"""What the database says: the ledger, the trigger, the fleet, foreign writes, and who would hold the next move."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.checks import CheckMessage
from django.db import connection

import stages
from cutover import checks, fleet, ledger
from cutover.mapping import bind
from cutover.phase import FLAGGED, Phase
from cutover.schema import watch
from project.jobs.models import Job

pytestmark = pytest.mark.usefixtures("database")


def found() -> dict[str, CheckMessage]:
    """By id, without those of other cutovers."""
    said = checks.check_database(databases=["default"])
    return {each.id.rpartition(".")[2]: each for each in said if each.obj == "job_logs" and each.id}


def say(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_nothing_is_asked_of_a_database_that_is_not_named() -> None:
    stages.at_phase("job_logs", Phase.DUAL_WRITE)
    stages.set_flags("job_logs", Phase.NOT_STARTED)
    assert checks.check_database(databases=None) == []
    assert "E030" in found()


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
def test_a_cutover_in_order_has_no_finding_in_any_phase(phase: Phase) -> None:
    stages.at_phase("job_logs", phase)
    assert found() == {}


def test_flags_behind_the_ledger() -> None:
    stages.at_phase("job_logs", Phase.PROPERTY_SHIM)
    stages.set_flags("job_logs", Phase.ADD_TABLE)
    told = found()["E030"]
    assert told.msg == "job_logs is at PROPERTY_SHIM and the flags reach ADD_TABLE."
    assert told.hint == "Turn DUAL_WRITE on here."


def test_no_child_table() -> None:
    stages.at_phase("job_logs", Phase.ADD_TABLE)
    say("DROP TABLE jobs_joblog")
    assert set(found()) == {"E031"}


def test_a_trigger_that_is_missing_or_disabled() -> None:
    binding = stages.at_phase("job_logs", Phase.ADD_TABLE)
    say("ALTER TABLE jobs_job DISABLE TRIGGER ALL")
    assert found()["E032"].msg == "job_logs: the watch trigger is disabled."
    watch.remove("default", "job_logs", binding.parent.identifier)
    assert found()["E032"].msg == "job_logs: the watch trigger is missing."


def test_a_ledger_that_lost_its_row() -> None:
    stages.at_phase("job_logs", Phase.DUAL_WRITE)
    say("DELETE FROM cutover_ledger")
    assert "E033" in found()


def test_processes_that_are_held_back_are_named() -> None:
    stages.at_phase("job_logs", Phase.DUAL_WRITE)
    behind: dict[Phase, bool] = {phase: phase is Phase.ADD_TABLE for phase in FLAGGED}
    fleet.seen("default", "job_logs", behind, Phase.ADD_TABLE, has_field=True)
    told = found()["W034"]
    assert told.msg.startswith("job_logs: 1 live processes are held back: ")
    assert told.hint == "Restart them with DUAL_WRITE on."


@pytest.mark.parametrize(
    "phase", [Phase.ADD_TABLE, Phase.DUAL_WRITE, Phase.STOP_JSON_WRITES], ids=lambda phase: phase.name
)
def test_foreign_writes_name_who_wrote(phase: Phase, connect: Callable[..., psycopg.Connection[Any]]) -> None:
    job = Job.objects.create()
    stages.at_phase("job_logs", phase)
    other = connect(application_name="old worker")
    other.execute("""UPDATE jobs_job SET logs = '{"stdout": ["x"]}' WHERE id = %s""", [job.pk])
    told = found()["W035"]
    assert "job_logs: foreign writes to logs since " in told.msg
    assert "old worker as " in told.msg


def test_foreign_writes_from_before_the_quiet_time_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job.objects.create()
    stages.at_phase("job_logs", Phase.ADD_TABLE)
    say("""UPDATE jobs_job SET logs = '{"stdout": ["x"]}' WHERE id = %s""", job.pk)
    assert "W035" in found()
    monkeypatch.setattr(bind("job_logs").cutover, "quiet", timedelta(0))
    assert "W035" not in found()


def test_a_move_that_has_not_settled() -> None:
    stages.at_phase("job_logs", Phase.ADD_TABLE)
    stages.set_flags("job_logs", Phase.DUAL_WRITE)
    stages.move_only("job_logs", Phase.DUAL_WRITE)
    assert found()["W037"].msg == "job_logs was moved to DUAL_WRITE and has not settled."
    ledger.settle("default", ledger.read("default", "job_logs"))
    assert "W037" not in found()


def test_long_transactions_are_named_and_short_ones_are_not(
    settings: Any, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    stages.at_phase("job_logs", Phase.ADD_TABLE)
    reader = connect(autocommit=False, application_name="nightly dump")
    reader.execute("SELECT 1")
    assert "W036" not in found()
    settings.CUTOVER_OLD_TRANSACTION_REPORT_SECONDS = 0.000001
    told = found()["W036"]
    assert f"backend {reader.info.backend_pid}, nightly dump, as " in told.msg
    reader.rollback()
    assert "W036" not in found()
    settings.CUTOVER_OLD_TRANSACTION_REPORT_SECONDS = None
    reader.execute("SELECT 1")
    assert "W036" not in found()
