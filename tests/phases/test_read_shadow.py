"""Shadow reads: a share of the reads compares both sides; only what differs twice is stored; the reader never notices."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import connection, transaction
from django.test import override_settings

from cutover import backfill, conf, gates, lease, ledger, read, verify
from cutover.cli import main as cli
from cutover.errors import DeclarationError
from cutover.gates import Move
from cutover.mapping import Binding
from cutover.models import Mark, Quarantine, Shadow, ShadowCount
from cutover.phase import Phase
from cutover.read import shadow, shadows
from cutover.write import append
from databases import Database
from parents import line, queries, row
from project.jobs.models import Job, JobLog
from stages import at_phase
from waiting import wait_until

LINE = {"level": "INFO", "message": "new", "created_at": "2025-03-01T12:02:00Z"}
PHASES = [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM]


@pytest.fixture(autouse=True)
def everything() -> Iterator[None]:
    """Every read is compared, and a suspect is looked at again at once."""
    shadow.forget()
    with override_settings(CUTOVER_SHADOW_READS=1.0):
        yield
    shadow.forget()


@pytest.fixture
def binding(database: Database) -> Binding:
    return at_phase("job_logs", Phase.DUAL_WRITE)


def lost(binding: Binding) -> Job:
    """A parent whose JSON has lost an element that the row still has."""
    job = Job.objects.create()
    for minute in (1, 2):
        append(binding, job.pk, {**LINE, "created_at": f"2025-03-01T12:0{minute}:00Z"})
    rewrite_own(job, {"stdout": [line(1, "new")], "stderr": []})
    return Job.objects.get(pk=job.pk)


def rewrite_own(job: Job, document: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_job DISABLE TRIGGER USER")
        Job._base_manager.filter(pk=job.pk).update(logs=document)
        cursor.execute("ALTER TABLE jobs_job ENABLE TRIGGER USER")


def read_until(job: Job, done: Callable[[], bool]) -> None:
    def again() -> bool:
        Job.objects.get(pk=job.pk).logs  # noqa: B018
        return done()

    wait_until(again)


def found() -> list[tuple[Any, ...]]:
    return list(Shadow.objects.values_list("parent_key", "stream", "number", "json_element", "row_element"))


@pytest.mark.parametrize("phase", PHASES)
def test_a_lost_element_is_stored_at_the_second_look(database: Database, phase: Phase) -> None:
    binding = at_phase("job_logs", phase)
    job = lost(binding)
    Job.objects.get(pk=job.pk).logs  # noqa: B018
    assert (found(), len(shadow.memory(binding).suspects)) == ([], 1)
    read_until(job, Shadow.objects.exists)
    assert found() == [(str(job.pk), "stdout", 0, line(1, "new"), line(2, "new"))]
    read_until(job, lambda: ShadowCount.objects.get().compared > 1)


@pytest.mark.parametrize("phase", PHASES)
def test_sides_that_agree_leave_nothing(database: Database, phase: Phase) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create(logs={"stdout": [line(0, "history")], "stderr": [], "kept": 1})
    append(binding, job.pk, {**LINE, "level": "ERROR"})
    row(job, 9, "written without JSON", position=2)
    Mark.objects.all().delete()
    read_until(job, ShadowCount.objects.exists)
    assert (found(), shadow.memory(binding).suspects) == ([], {})


def test_a_suspect_that_was_mended_is_forgotten(binding: Binding) -> None:
    job = lost(binding)
    Job.objects.get(pk=job.pk).logs  # noqa: B018
    assert shadow.memory(binding).suspects
    rewrite_own(job, {"stdout": [line(2, "new"), line(1, "new")], "stderr": []})
    read_until(job, lambda: not shadow.memory(binding).suspects)
    assert found() == []


def test_once_the_backfill_is_complete_rows_alone_are_compared(binding: Binding) -> None:
    job = Job.objects.create(logs={"stdout": [line(2, "b"), line(1, "a")], "stderr": []})
    Mark.objects.all().delete()
    for _ in backfill.run(binding):
        pass
    JobLog.objects.filter(message="a").delete()
    lease.forget()
    read_until(job, Shadow.objects.exists)
    assert found() == [(str(job.pk), "stdout", 1, line(1, "a"), None)]


@pytest.mark.parametrize("reason", ["mark", "quarantine"])
def test_what_is_known_already_is_not_stored(binding: Binding, reason: str) -> None:
    job = lost(binding)
    values: dict[str, Any] = {"cutover": "job_logs", "parent_key": str(job.pk), "at": "2025-03-01T12:00:00Z"}
    if reason == "mark":
        Mark.objects.create(**values, operation="update", phase=2)
    else:
        Quarantine.objects.create(**values, stream="stdout", digest="", occurrence=1, element='""', reason="")
    Job.objects.get(pk=job.pk).logs  # noqa: B018
    shadow.memory(binding).suspects[job.pk].seen = time.monotonic() - 60
    shadow.observe(binding, ())
    assert (found(), shadow.memory(binding).suspects) == ([], {})


def test_inside_a_transaction_nothing_is_written_before_its_end(binding: Binding) -> None:
    job = lost(binding)
    with transaction.atomic():
        Job.objects.get(pk=job.pk).logs  # noqa: B018
        shadow.memory(binding).suspects[job.pk].seen = time.monotonic() - 60
        Job.objects.get(pk=job.pk).logs  # noqa: B018
        assert not Shadow.objects.exists()
    assert Shadow.objects.exists()
    assert ShadowCount.objects.get().compared == 2


def test_a_comparison_that_fails_harms_neither_reader_nor_transaction(
    binding: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job.objects.create(logs={"stdout": [line(1, "x")]})
    monkeypatch.setattr(shadow.differences, "look", lambda *_, **__: connection.cursor().execute("SELECT 1/0"))
    with transaction.atomic():
        assert Job.objects.get(pk=job.pk).logs["stdout"] == [line(1, "x")]
        Job.objects.filter(pk=job.pk).update(name="saved")
    assert Job.objects.get(pk=job.pk).name == "saved"
    assert shadow.memory(binding).failed >= 1


class SoftTimeLimit(Exception):
    """As Celery's: raised by a signal, wherever the process is."""


def test_a_soft_time_limit_passes_through(binding: Binding, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job.objects.create()

    def interrupted(*_: object, **__: object) -> None:
        raise SoftTimeLimit

    monkeypatch.setattr(shadow.differences, "look", interrupted)
    with pytest.raises(SoftTimeLimit):
        Job.objects.get(pk=job.pk).logs  # noqa: B018


def test_an_event_loop_is_left_alone(database: Database) -> None:
    binding = at_phase("job_logs", Phase.DUAL_WRITE)
    job = Job.objects.get(pk=Job.objects.create(logs={"stdout": ["x"]}).pk)
    lease.current(binding)

    async def look() -> Any:
        return job.logs

    assert asyncio.run(look()) == {"stdout": ["x"]}


def test_other_phases_are_not_compared(binding: Binding) -> None:
    job = lost(binding)
    for phase in (Phase.ADD_TABLE, Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP):
        lease.current(at_phase("job_logs", phase))
        with queries(1 + phase.reads_rows):
            Job.objects.get(pk=job.pk).logs  # noqa: B018
    assert not shadow.memory(binding).suspects


def test_a_page_is_compared_by_one_query(database: Database) -> None:
    binding = at_phase("job_logs", Phase.PROPERTY_SHIM)
    Job.objects.bulk_create([Job() for _ in range(5)])
    jobs = list(Job.objects.all())
    lease.current(binding)
    with queries(2):
        read.prefetch(binding, jobs)
    assert shadow.memory(binding).compared == 0 or ShadowCount.objects.get().compared == 5


def test_the_settings_say_what_share(database: Database) -> None:
    binding = at_phase("job_logs", Phase.DUAL_WRITE)
    with override_settings(CUTOVER_SHADOW_READS=0):
        assert shadow.sampled(binding, range(100)) == []
    with override_settings(CUTOVER_SHADOW_READS={"job_logs": 0.5, "other": 1}):
        assert 300 < len(shadow.sampled(binding, range(1000))) < 700
    with override_settings(CUTOVER_SHADOW_READS={"other": 1}):
        assert shadow.sampled(binding, range(100)) == []
    with override_settings(CUTOVER_SHADOW_READS=2), pytest.raises(DeclarationError, match="CUTOVER_SHADOW_READS is 2"):
        conf.shadow_reads("job_logs")


def test_what_is_stored_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = at_phase("job_logs", Phase.DUAL_WRITE)
    monkeypatch.setattr(shadows, "MOST", 3)
    different = shadow.differences.Difference("stdout", None, 0, "x" * 128, None)
    for key in range(5):
        shadows.add(binding, Phase.DUAL_WRITE, key, [different])
    shadows.add(binding, Phase.DUAL_WRITE, 2, [different])
    assert list(Shadow.objects.order_by("last_at").values_list("parent_key", "times")) == [("3", 1), ("4", 1), ("2", 2)]


def test_values_are_cut(database: Database) -> None:
    binding = at_phase("job_logs", Phase.DUAL_WRITE)
    job = Job.objects.create(logs={"stdout": []})
    row(job, 1, "x" * 500, position=1)
    (each,) = shadow.differences.look(binding, [job.pk], rows_alone=False)[job.pk]
    assert each.row is not None
    assert (each.json, len(each.row)) == (None, 128)


@pytest.mark.parametrize("to", [Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES])
def test_the_gate_refuses_until_a_clean_verification(database: Database, to: Phase) -> None:
    binding = at_phase("job_logs", Phase(to - 1))
    move = Move(binding, ledger.read("default", "job_logs"), to)
    assert gates.shadow_reads_agree(move).holds
    shadows.add(binding, Phase.DUAL_WRITE, 7, [shadow.differences.Difference("stdout", None, 0, "a", "b")])
    refused = gates.shadow_reads_agree(move)
    assert not refused.holds
    assert refused.fact.startswith("Shadow reads found 1 lists that differ, the last at ")
    for _ in verify.run(binding):
        pass
    assert gates.shadow_reads_agree(move).holds


def test_the_command_shows_both_sides(database: Database) -> None:
    binding = at_phase("job_logs", Phase.DUAL_WRITE)
    quiet = CliRunner().invoke(cli.cutover, ["shadow", "job_logs"])
    assert (quiet.exit_code, quiet.stdout) == (0, "Shadow reads of job_logs: 0 compared, none differs.\n")
    shadows.add(binding, Phase.DUAL_WRITE, 7, [shadow.differences.Difference("stdout", None, 3, "mine", None)])
    shadows.count(binding, 40)
    told = CliRunner().invoke(cli.cutover, ["shadow", "job_logs"])
    assert told.exit_code == 6
    assert "40 compared since " in told.stdout
    (shown,) = (each.split() for each in told.stdout.splitlines() if "mine" in each)
    assert shown[:6] == ["7", "stdout", "3", "mine", "-", "1"]
    assert "lists that differ" in told.stderr
