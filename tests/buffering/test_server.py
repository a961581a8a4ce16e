"""The private Redis of the tests: it can be killed and started again, keeps what it was told to, and leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Gone

from cutover.demo import redisserver
from cutover.demo.redisserver import RedisFailed, RedisServer
from waiting import wait_until

STARTED_AND_LEFT = """
import os, signal
from cutover.demo.redisserver import RedisServer
print(RedisServer().home, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_server_has_forgotten_and_can_be_started_again(redis: RedisServer) -> None:
    with Redis.from_url(redis.uri) as client:
        client.set("known", "yes")
        redis.kill()
        with pytest.raises(Gone):
            client.get("known")
        redis.start()
        assert client.get("known") is None


def test_server_that_keeps_on_disk_remembers() -> None:
    with RedisServer(appendonly="yes", appendfsync="always") as server, Redis.from_url(server.uri) as client:
        client.set("known", "yes")
        server.kill()
        server.start()
        assert client.get("known") == b"yes"


def test_server_does_not_listen_on_a_port(redis: RedisServer) -> None:
    with Redis.from_url(redis.uri) as client:
        assert client.config_get("port") == {"port": "0"}


def test_server_is_gone_when_its_process_is_killed() -> None:
    command = [sys.executable, "-c", STARTED_AND_LEFT]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    home = Path(said.strip())
    wait_until(lambda: not home.exists(), why="the directory goes after the server")


def test_server_that_cannot_start_says_why() -> None:
    with pytest.raises(RedisFailed, match="Bad directive or wrong number of arguments"):
        RedisServer(nothing="known")


def test_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("REDIS_SERVER", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(RedisFailed, match="There is no redis-server on the path"):
        redisserver.program()
