"""A private PostgreSQL server, for the demo and for the tests: on a unix socket, gone when its process is gone.

It never listens on the network and never touches a server that it did not start.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

from cutover.demo import binaries
from cutover.errors import CutoverError

USER = "postgres"
PORT = "5432"  # names the socket file; every server has a directory of its own, so one number does for all
SECONDS = "60"  # that pg_ctl waits for a start or a stop

# Note [The guard]: a shell that waits for a line, or for the end of its input, and then stops the server and removes
# what is temporary. The other end of its input is ours alone, so it acts however we end: stop(), exception, SIGKILL.
GUARD = """
trap '' INT TERM HUP
read -r _
"$1" -D "$2" -m fast -t 10 -w stop || "$1" -D "$2" -m immediate -w stop
shift 2
rm -rf -- "$@"
"""


class ServerFailed(CutoverError):
    """A program of PostgreSQL ended with an error; the text carries what it said."""


class Server:
    """A running server: from `start` or `temporary` until `stop`, the end of the `with` block, or of the process."""

    def __init__(self, home: Path, bin_path: Path, *, keep_home: bool) -> None:
        self.home = home
        self.data = home / "data"
        self.log = home / "postgres.log"
        self._account = binaries.identity()
        self._keep_home = keep_home
        # Not in `home`: the path of a unix socket has at most about 100 characters.
        self.socket_directory = _short_directory("pg-")
        for directory in (home, self.socket_directory):
            binaries.give(directory, self._account)
        self.bin_path = binaries.usable_by(self._account, bin_path, home)
        self._guard = self._post_guard()

    @classmethod
    def start(cls, directory: Path, *, bin_path: Path | None = None, settings: Mapping[str, str] | None = None) -> Self:
        """Start a server on `directory`, which is made if it is missing, and stays after the stop.

        `bin_path`: the programs of some PostgreSQL; without it, those of the extra `embedded`. `settings` are lines of
        postgresql.conf. Raises NoEmbeddedServer, ServerFailed.
        """
        directory.mkdir(parents=True, exist_ok=True)
        return cls._start(cls(directory.resolve(), bin_path or binaries.embedded(), keep_home=True), settings)

    @classmethod
    def temporary(cls, *, bin_path: Path | None = None, settings: Mapping[str, str] | None = None) -> Self:
        """Start a server whose directory goes with it. Arguments and errors as in `start`."""
        found = bin_path or binaries.embedded()
        return cls._start(cls(_short_directory("cutover-"), found, keep_home=False), settings)

    @classmethod
    def _start(cls, server: Self, settings: Mapping[str, str] | None) -> Self:
        try:
            server._prepare(settings or {})
            server._pg_ctl("start")
        except BaseException:
            server.stop()
            raise
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @cached_property
    def version(self) -> str:
        """As PostgreSQL writes it: "18.4"."""
        found = re.search(r"\d+(\.\d+)*", self.run("postgres", "--version"))
        return found.group() if found else "unknown"

    def uri(self, database: str = "postgres") -> str:
        """A libpq URI over the unix socket."""
        return f"postgresql://{USER}@/{quote(database)}?host={quote(str(self.socket_directory), safe='')}&port={PORT}"

    def dsn_parts(self, database: str = "postgres") -> dict[str, str]:
        """The keys of Django's DATABASES that say where a database is."""
        where = str(self.socket_directory)
        return {"HOST": where, "PORT": PORT, "USER": USER, "PASSWORD": "", "NAME": database}

    def run(self, tool: str, *args: str) -> str:
        """Run a program of this PostgreSQL against this server and return its output. Raises ServerFailed."""
        where = {"PGHOST": str(self.socket_directory), "PGPORT": PORT, "PGUSER": USER}
        return _output([self.bin_path / tool, *args], env={**os.environ, **where})

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Restart; "immediate" is a crash: no checkpoint, and recovery at the start. Raises ServerFailed."""
        self._pg_ctl("restart", "-m", mode)

    def stop(self) -> None:
        """Stop the server and remove what is temporary. A second call does nothing."""
        if self._guard.stdin is None or self._guard.stdin.closed:
            return
        try:
            self._guard.communicate(b"\n", timeout=float(SECONDS))
        except subprocess.TimeoutExpired as late:
            raise ServerFailed(f"The server on {self.data} has not stopped within {SECONDS} s.") from late

    def _prepare(self, settings: Mapping[str, str]) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._as_account(
                "initdb", "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "utf8", "--no-locale", "-N"
            )
            with (self.data / "postgresql.conf").open("a") as configuration:
                configuration.write("include 'cutover.conf'\n")
        lines = {
            "listen_addresses": "",
            "port": PORT,
            "unix_socket_directories": str(self.socket_directory),
            **settings,
        }
        own = self.data / "cutover.conf"
        own.write_text("".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in lines.items()))
        binaries.give(own, self._account)

    def _pg_ctl(self, *args: str) -> None:
        try:
            self._as_account("pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-t", SECONDS, *args)
        except ServerFailed as failed:
            said = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
            raise ServerFailed(f"{failed}\n{said}".rstrip()) from failed

    def _as_account(self, tool: str, *args: str) -> None:
        _output([self.bin_path / tool, *args], cwd=self.home, **self._account)

    def _post_guard(self) -> subprocess.Popen[bytes]:
        temporary = [self.socket_directory] if self._keep_home else [self.socket_directory, self.home]
        return subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", self.bin_path / "pg_ctl", self.data, *temporary],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C at the terminal is for us; we tell the guard
            **self._account,
        )


def _short_directory(prefix: str) -> Path:
    common = Path("/tmp")  # noqa: S108 - TMPDIR can be too long for a socket; mkdtemp makes it private
    return Path(tempfile.mkdtemp(prefix=prefix, dir=common if common.is_dir() else None))


def _output(command: list[str | Path], **options: object) -> str:
    """Standard output of the command. Raises ServerFailed with the command's own words."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise ServerFailed(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()}")
    return str(done.stdout)
