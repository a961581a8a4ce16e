"""The case in small: Celery's own soft time limit, in workers that were forked with an open connection, under a held row."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from databases import Database
from project.jobs.models import Job, JobLog
from stages import at_phase
from waiting import wait_until

ROOT = Path(__file__).parents[2]
NAMES = [f"task-{number}" for number in range(4)]
TASKS = """
import logging
from pathlib import Path

import django

django.setup()

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from cutover import LogHandler
from django.db.models import F
from project.jobs.models import Job

HERE = Path(__file__).parent
app = Celery("tasks", broker="filesystem://")
folders = {"data_folder_in": str(HERE / "queue"), "data_folder_out": str(HERE / "queue"), "control_folder": str(HERE / "control")}
app.conf.update(broker_transport_options=folders, task_ignore_result=True, worker_hijack_root_logger=False)
log = logging.getLogger("jobs")
handler = LogHandler("job_logs", find="job")
log.addHandler(handler)
log.setLevel("INFO")
log.propagate = False  # to the root logger's StreamHandler, which swallows a limit that strikes while it writes
Job.objects.exists()  # the workers inherit this connection


@app.task(soft_time_limit=1)
def work(name):
    number = 0
    try:
        while True:
            number += 1
            log.info("%s/%s", name, number, extra={"job": 1})
    except SoftTimeLimitExceeded:
        Job.objects.filter(pk=1).update(progress=F("progress") + 1)
        handler.flush()
        (HERE / name).write_text(f"{number} {handler.pending} {handler.dropped}")
"""


@contextmanager
def row_is_held(connect: Any) -> Iterator[None]:
    """Somebody else works on the job, as `_update_job_progress` does."""
    stop, other = threading.Event(), connect(autocommit=False)

    def hold() -> None:
        while not stop.is_set():
            other.execute("SELECT FROM jobs_job FOR UPDATE")
            stop.wait(0.2)
            other.rollback()
            stop.wait(0.02)

    thread = threading.Thread(target=hold)
    thread.start()
    yield
    stop.set()
    thread.join()


@contextmanager
def worker(directory: Path) -> Iterator[dict[str, str]]:
    """A prefork worker of two processes; the environment for whoever sends it tasks."""
    (directory / "tasks.py").write_text(TASKS)
    (directory / "queue").mkdir()
    (directory / "control").mkdir()
    paths = os.pathsep.join(map(str, (directory, ROOT, ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "project.settings"}
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency=2", "--pool=prefork"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
    with (directory / "worker.log").open("wb") as words:
        process = subprocess.Popen(command, env=environment, cwd=directory, stdout=words, stderr=words)
    try:
        yield environment
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("phase", [2, 4])
def test_soft_time_limit_of_celery_costs_no_line_and_no_connection(
    database: Database, connect: Any, tmp_path: Path, phase: int
) -> None:
    at_phase("job_logs", phase)
    job = Job.objects.create(pk=1)
    send = f"import tasks\nfor name in {NAMES!r}: tasks.work.delay(name)"
    with row_is_held(connect), worker(tmp_path) as environment:
        subprocess.run([sys.executable, "-c", send], env=environment, cwd=tmp_path, check=True, timeout=60)
        wait_until(lambda: all((tmp_path / name).exists() for name in NAMES), 90, "the tasks have met their limit")
    words = (tmp_path / "worker.log").read_text()
    assert "another command is already in progress" not in words
    assert "Traceback" not in words
    found = Counter(JobLog.objects.values_list("message", flat=True))
    assert set(found.values()) == {1}
    for name in NAMES:
        last, pending, dropped = map(int, (tmp_path / name).read_text().split())
        assert {f"{name}/{number}" for number in range(1, last)} <= set(found)
        assert (pending, dropped) == (0, 0)
    job.refresh_from_db()
    assert job.progress == len(NAMES)
