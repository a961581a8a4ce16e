"""The flusher as a service of the command line and as a Celery task."""

import json
import os
import signal
import subprocess
import sys

import pytest

from buffering.test_flush import line, messages
from cutover.demo.redisserver import RedisServer
from cutover.tasks import flush
from cutover.write import append
from databases import Database
from project.jobs.models import Job
from stages import at_phase
from waiting import wait_until


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_service_moves_what_comes_and_ends_in_good_order(
    database: Database, buffer: RedisServer, how: signal.Signals
) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    command = [sys.executable, "-m", "cutover", "--settings", "project.settings", "flush", "job_logs", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as service:
        append(binding, job, line("a"))
        wait_until(lambda: messages(job) == ["a"], 30)
        buffer.kill()  # it waits for Redis, and goes on
        buffer.start()
        append(binding, job, line("b"))
        wait_until(lambda: messages(job) == ["a", "b"], 30)
        service.send_signal(how)
        said, _ = service.communicate(timeout=30)
    assert service.returncode == 0
    assert json.loads(said)["entries"] == 2


def test_task_moves_what_is_there(database: Database, buffer: RedisServer) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    append(binding, job, line("a"))
    assert flush.name == "cutover.flush"
    assert flush("job_logs")["entries"] == 1
    assert messages(job) == ["a"]
