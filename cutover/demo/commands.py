"""The operator's command lines, as processes of their own: what a person would type, with the environment of a deployment."""

import shlex
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import IO

from cutover.demo.project import Deployment, Project

LOOK = 0.05


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    command: str
    code: int
    seconds: float
    out: str
    err: str

    @property
    def last_words(self) -> str:
        said = (self.err.strip() or self.out.strip()).splitlines()
        return said[-1] if said else ""


@dataclass
class Running:
    """A command that runs; its words go into files, so that no pipe can fill."""

    command: str
    process: subprocess.Popen[bytes]
    out: IO[bytes]
    err: IO[bytes]
    started: float

    def done(self) -> Done:
        said = []
        for file in (self.out, self.err):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
            file.close()
        return Done(self.command, self.process.returncode, time.monotonic() - self.started, *said)


def run(
    project: Project, deployment: Deployment, commands: Sequence[Sequence[str]]
) -> Generator[None, None, list[Done]]:
    """Run command lines side by side; yields while they run, and kills them if it is not gone on with."""
    running = [start(project, deployment, command) for command in commands]
    try:
        while any(each.process.poll() is None for each in running):
            yield
            time.sleep(LOOK)
    finally:
        for each in running:
            if each.process.poll() is None:
                each.process.kill()
                each.process.wait()
    return [each.done() for each in running]


def start(project: Project, deployment: Deployment, command: Sequence[str]) -> Running:
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed in `done`
    process = subprocess.Popen(
        list(command),
        cwd=project.directory,
        env=project.environment(deployment, {"PROCESS": "operator"}),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,  # Ctrl-C is for the driver
    )
    return Running(spoken(command), process, out, err, time.monotonic())


def spoken(command: Sequence[str]) -> str:
    """The command line as a person would type it."""
    words = list(command[2:] if command[1] == "-m" else command[1:])
    return shlex.join(words)
