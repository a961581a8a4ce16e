"""Command lines as processes that begin within milliseconds, for they are forked from one that has set Django up.

They are what `cutover ...` runs, with its exit codes, and can be killed, stopped and awakened like any process.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPLICATION = "cutover backfill"  # the name of their connections
PROGRAM = """
import os, shlex, signal, sys
import django
django.setup()
from cutover.cli import main
[main.cutover.get_command(None, each) for each in main.COMMANDS]
alive = set()

def forked(path, words):
    pid = os.fork()
    if pid:
        alive.add(pid)
        return pid
    code = 70
    try:
        said = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        try:
            main.cutover.main(args=words, prog_name="cutover")
        except SystemExit as ended:
            code = ended.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)

def ended(pid, options):
    found, status = os.waitpid(pid, options)
    if not found:
        return "running"
    alive.discard(pid)
    return os.waitstatus_to_exitcode(status)

for line in sys.stdin:
    what, *words = shlex.split(line)
    if what == "fork":
        print(forked(words[0], words[1:]), flush=True)
    else:
        print(ended(int(words[0]), os.WNOHANG if what == "ask" else 0), flush=True)
for pid in alive:
    os.kill(pid, signal.SIGKILL)
"""


@dataclass
class Worker:
    """A process; `said` is where it writes what it has to say."""

    nursery: "Nursery"
    pid: int
    said: Path
    ended: int | None = None

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def code(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it; None while it runs."""
        if self.ended is None:
            answer = self.nursery.ask("ask", str(self.pid))
            self.ended = None if answer == "running" else int(answer)
        return self.ended

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        if self.ended is None:
            self.ended = int(self.nursery.ask("wait", str(self.pid)))
        return self.ended

    def kill(self) -> bool:
        """End it by SIGKILL; whether that has ended it."""
        if self.ended is None:
            self.send(signal.SIGKILL)  # it was not waited for, so the number is still its own
        return self.wait() == -signal.SIGKILL

    def words(self) -> str:
        return self.said.read_text(errors="replace")


class Nursery:
    """Where workers come from; what the environment says at its beginning holds for all of them."""

    def __init__(self, directory: Path, lease_seconds: float | None = None) -> None:
        self.directory, self.count = directory, 0
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "damage.settings",
            "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}",
        }
        if lease_seconds is not None:
            environment["LEASE_SECONDS"] = str(lease_seconds)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def worker(self, *words: str) -> Worker:
        """Start a command line, without the name of the program."""
        self.count += 1
        said = self.directory / f"worker-{self.count}"
        return Worker(self, int(self.ask("fork", str(said), *words)), said)

    def ask(self, *words: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, "the process that workers come from has ended"
        return answer

    def close(self) -> None:
        """End it, and whatever still runs."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def nursery(lease_seconds: float | None = None) -> Iterator[Nursery]:
    """Workers, until the end of the block."""
    with tempfile.TemporaryDirectory() as directory:
        made = Nursery(Path(directory), lease_seconds)
        try:
            yield made
        finally:
            made.close()


def joined(workers: list[Worker], seconds: float = 120) -> list[int]:
    """Their exit codes, when all have ended. Raises AssertionError, with their last words, where one goes on for too long."""
    until = time.monotonic() + seconds
    while any(each.code() is None for each in workers):
        if time.monotonic() > until:
            late = next(each for each in workers if each.code() is None)
            raise AssertionError(f"A worker goes on after {seconds} s: {late.words()[-1000:]}")
        time.sleep(0.02)
    return [each.wait() for each in workers]
