"""A buffer for the test: job_logs declared with one, and a Redis of its own."""

from collections.abc import Iterator

import pytest

from cutover.buffer import outage, writers
from cutover.demo.redisserver import RedisServer
from project.jobs.cutovers import JobLogs


@pytest.fixture
def buffer(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """The Redis to which every append of job_logs goes, in child processes as well."""
    monkeypatch.setenv("CUTOVER_REDIS_URL", redis.uri)
    monkeypatch.setattr(JobLogs, "buffer", True)
    yield redis
    for writer in list(writers._resting):
        writer.close()
    writers.forget()
    outage.forget()
