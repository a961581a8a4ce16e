"""A private Redis, for the demo and for the tests: on a unix socket, without a port, gone when its process is gone.

It can be killed, frozen and started again. It never touches a server that it did not start.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from cutover.errors import CutoverError

SECONDS = 20.0  # for a start or a stop
PAUSE = 0.01

# As in `cutover.demo.server`, Note [The guard]: it acts however we end. The file with the process id is the server's own.
GUARD = """
trap '' INT TERM HUP
read -r _
if [ -s "$1/redis.pid" ]; then kill -KILL "$(cat "$1/redis.pid")"; fi
rm -rf -- "$1"
"""


class RedisFailed(CutoverError):
    """There is no program, or it did not start; the text carries what it said."""


class RedisServer:
    """A running server: from the call until `close`, the end of the `with` block, or of the process.

    `settings` are directives of redis.conf. Nothing is kept on disk unless they say so: {"appendonly": "yes"}.
    """

    def __init__(self, **settings: str) -> None:
        self._program = program()
        # A directory with a short name: the path of a unix socket has at most about 100 characters.
        self.home = Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp"))
        self.socket = self.home / "redis.sock"
        self.settings: Mapping[str, str] = {"save": "", "appendonly": "no", **settings}
        self._server: subprocess.Popen[bytes] | None = None
        self._guard = self._post_guard()
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def uri(self) -> str:
        """As `redis.Redis.from_url` takes it."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, with what it kept on disk. Raises RedisFailed."""
        words = {"port": "0", "unixsocket": str(self.socket), "dir": str(self.home), "pidfile": str(self._pid_file)}
        words |= {"daemonize": "no", **self.settings}
        self.socket.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [self._program, *(word for name, value in words.items() for word in (f"--{name}", value))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._server.pid))
        limit = time.monotonic() + SECONDS
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > limit:
                raise RedisFailed(f"{self._program} did not start.\n{self._said()}")
            time.sleep(PAUSE)

    def kill(self) -> None:
        """SIGKILL: what was not on disk is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: an orderly end."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT, after `freeze`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End the server and remove its directory. A second call does nothing."""
        if self._guard.stdin is None or self._guard.stdin.closed:
            return
        if self._server is not None and self._server.poll() is None:
            self.kill()
        self._guard.communicate(b"\n", timeout=SECONDS)

    @property
    def _log(self) -> Path:
        return self.home / "redis.log"

    @property
    def _pid_file(self) -> Path:
        return self.home / "redis.pid"

    def _end(self, how: signal.Signals) -> None:
        self._signal(how)
        if self._server is not None:
            self._server.wait(SECONDS)
        self._pid_file.unlink(missing_ok=True)

    def _signal(self, which: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(which)

    def _answers(self) -> bool:
        """Whether it takes commands; while it loads what it kept, it says LOADING."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(SECONDS)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def _post_guard(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", self.home],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C at the terminal is for us; we tell the guard
        )


def program() -> str:
    """The program: $REDIS_SERVER, the one on the path, or the one beside this Python. Raises RedisFailed."""
    beside = Path(sys.executable).parent / "redis-server"
    found = os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which(beside)
    if not found:
        raise RedisFailed(
            "There is no redis-server on the path, nor beside this Python.",
            hint="Install Redis 6.2 or newer, or name its program: REDIS_SERVER=/path/to/redis-server",
        )
    return found
