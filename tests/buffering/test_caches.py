"""A reader behind a query cache sees what was written past the ORM. Each way is stale without being told."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cachalot.settings import cachalot_settings  # type: ignore[import-untyped]
from django.core.cache import caches as django_caches
from django.db import transaction

import cutover
from buffering.test_flush import flushed, line
from cutover import caches, signals
from cutover.demo.redisserver import RedisServer
from databases import Database
from project.jobs.cutovers import JobLogs
from project.jobs.models import Job, JobLog
from stages import at_phase


@pytest.fixture
def cached(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """django-cachalot is on in this process, in files; what it holds can be seen by another."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(tmp_path)}
    }
    settings.CACHALOT_INVALIDATE_RAW = False
    monkeypatch.setattr(caches, "cachalot", lambda: True)
    monkeypatch.setenv("CUTOVER_TEST_CACHE", str(tmp_path))
    cachalot_settings.load()  # as its app does when Django starts
    yield tmp_path
    cachalot_settings.unload()
    django_caches.close_all()


def seen() -> list[str]:
    """What a reader sees through the cache."""
    return list(JobLog.objects.order_by("position").values_list("message", flat=True))


Way = Callable[[Job], Any]
WAYS: dict[str, Way] = {
    "append": lambda job: cutover.use("job_logs").append(job, **line("x")),
    "extend": lambda job: cutover.use("job_logs").extend(job, [line("x")]),
    "replace": lambda job: cutover.use("job_logs").replace(job, stdout=["[2026-01-02 12:00:00] INFO x"]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("told", [True, False])
def test_reader_sees_what_was_written_past_the_orm(
    database: Database, cached: Path, monkeypatch: pytest.MonkeyPatch, way: str, told: bool
) -> None:
    at_phase("job_logs", 5)
    monkeypatch.setattr(JobLogs, "rewrites", True)
    job = Job.objects.create()
    assert seen() == []
    if not told:
        monkeypatch.setattr(caches, "cachalot", lambda: False)
    WAYS[way](job)
    assert seen() == (["x"] if told else [])


def test_reader_sees_a_flush(database: Database, buffer: RedisServer, cached: Path) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    cutover.use("job_logs").append(job, **line("x"))
    assert seen() == []
    flushed(binding)
    assert seen() == ["x"]


@pytest.mark.parametrize("module", ["project.cached", "project.settings"])
def test_reader_sees_a_backfill_of_another_process(database: Database, cached: Path, module: str) -> None:
    at_phase("job_logs", 2)
    Job.objects.create(logs={"stdout": ["[2026-01-02 12:00:00] INFO x"], "stderr": []})
    assert seen() == []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    command = [sys.executable, "-m", "cutover", "--settings", module, "backfill", "job_logs"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert JobLog.objects.using("default").count() == 1
    assert seen() == (["x"] if module == "project.cached" else [])


def test_others_are_told_by_a_signal_after_the_commit(database: Database) -> None:
    at_phase("job_logs", 3)
    job, told = Job.objects.create(), list[Any]()

    def listen(sender: Any, **arguments: Any) -> None:
        told.append((sender, arguments["name"], arguments["tables"], arguments["keys"], arguments["using"]))

    signals.changed.connect(listen)
    try:
        with transaction.atomic():
            cutover.use("job_logs").append(job, **line("x"))
            assert told == []
    finally:
        signals.changed.disconnect(listen)
    assert told == [(Job, "job_logs", ("jobs_joblog", "jobs_job"), (job.pk,), "default")]


def test_cache_that_fails_takes_no_write_back(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    at_phase("job_logs", 4)

    def fail(*_: Any) -> None:
        raise OSError("the cache is away")

    monkeypatch.setattr(caches, "cachalot", lambda: True)
    monkeypatch.setattr(caches, "tell", fail)
    cutover.use("job_logs").append(Job.objects.create(), **line("x"))
    assert seen() == ["x"]
    assert "the cache is away" in caplog.text
