"""The processes of the application, and the rolling restart that brings new code and new flags to them one by one."""

import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from cutover.demo.project import Deployment, Project
from cutover.errors import CutoverError

PATIENCE = 30.0  # seconds for a process to be ready, or to end its line
LOOK = 0.1


class WorkerFailed(CutoverError):
    """A process of the demonstration ended by itself."""


@dataclass
class Worker:
    """A process that runs: which release with which flags, and the files that it writes."""

    name: str
    role: str
    deployment: Deployment
    process: subprocess.Popen[bytes]
    meter: Path
    words: Path

    @property
    def ready(self) -> bool:
        return self.meter.exists() and self.meter.stat().st_size > 0

    def check(self) -> None:
        """Raises WorkerFailed if it has ended, with its last words."""
        code = self.process.poll()
        if code is not None:
            said = self.words.read_text(errors="replace").strip()[-2000:]
            raise WorkerFailed(f"{self.name} ({self.deployment}) ended with {code}: {said}")


class Fleet:
    """All workers, by name. Who steps out of the `with` block leaves none behind."""

    def __init__(self, project: Project, roles: tuple[tuple[str, int], ...]) -> None:
        self._project = project
        self._roles = roles
        self._generation = 0
        self._between: list[Worker] = []
        self.workers: dict[str, Worker] = {}

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def launch(self, deployment: Deployment) -> Generator[None, None, None]:
        """Start every process; yields while it waits for them."""
        self._generation += 1
        for role, number in self._roles:
            for index in range(1, number + 1):
                self.workers[f"{role}-{index}"] = self._start(f"{role}-{index}", role, deployment)
        for worker in self.workers.values():
            yield from self._until_ready(worker)

    def roll(self, deployment: Deployment) -> Generator[None, None, None]:
        """Replace one process after the other: the new one is ready, the old one ends its line; yields while it waits.

        The next one starts meanwhile: starting is what takes long.
        """
        self._generation += 1
        waiting = list(self.workers.values())
        coming = self._start(waiting[0].name, waiting[0].role, deployment)
        for number, old in enumerate(waiting, start=1):
            self._between = [coming]
            yield from self._until_ready(coming)
            self.workers[old.name] = coming
            self._between = [old]
            old.process.send_signal(signal.SIGTERM)
            if number < len(waiting):
                coming = self._start(waiting[number].name, waiting[number].role, deployment)
                self._between.append(coming)
            yield from self._until_gone(old)
        self._between = []

    def kill_one(self, name: str) -> Worker:
        """End a process at once, wherever it is."""
        worker = self.workers.pop(name)
        worker.process.kill()
        worker.process.wait()
        return worker

    def start_again(self, worker: Worker) -> Generator[None, None, None]:
        """Put another in the place of one that was killed; yields while it waits."""
        self._generation += 1
        coming = self._start(worker.name, worker.role, worker.deployment)
        self._between = [coming]
        yield from self._until_ready(coming)
        self.workers[worker.name], self._between = coming, []

    def stop(self) -> Generator[None, None, None]:
        """Let every process end its line and go."""
        self._between = list(self.workers.values())
        self.workers = {}
        for worker in self._between:
            worker.process.send_signal(signal.SIGTERM)
        for worker in self._between:
            yield from self._until_gone(worker)
        self._between = []

    def check(self) -> None:
        """Raises WorkerFailed if a process has ended that nobody told to."""
        for worker in self.workers.values():
            worker.check()

    def kill(self) -> None:
        """End every process at once."""
        left = [*self.workers.values(), *self._between]
        self.workers, self._between = {}, []
        for worker in left:
            worker.process.kill()
        for worker in left:
            worker.process.wait()

    def _start(self, name: str, role: str, deployment: Deployment) -> Worker:
        files = self._project.meters / f"{name}.{self._generation}"
        meter, words = files.with_name(f"{files.name}.jsonl"), files.with_name(f"{files.name}.err")
        more = {"PROCESS": f"{name}.{self._generation}", "METER": str(meter)}
        with words.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "worker.py", role],
                cwd=self._project.directory,
                env=self._project.environment(deployment, more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return Worker(name, role, deployment, process, meter, words)

    def _until_ready(self, worker: Worker) -> Generator[None, None, None]:
        limit = time.monotonic() + PATIENCE
        while not worker.ready:
            worker.check()
            if time.monotonic() > limit:
                raise WorkerFailed(f"{worker.name} ({worker.deployment}) is not ready after {PATIENCE:.0f} s.")
            yield
            time.sleep(LOOK)

    def _until_gone(self, worker: Worker) -> Generator[None, None, None]:
        limit = time.monotonic() + PATIENCE
        while worker.process.poll() is None:
            if time.monotonic() > limit:
                raise WorkerFailed(
                    f"{worker.name} ({worker.deployment}) has not ended its line after {PATIENCE:.0f} s."
                )
            yield
            time.sleep(LOOK)
