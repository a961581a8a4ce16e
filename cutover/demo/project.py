"""The Django project of the demonstration: written from the package into a directory of its own.

What is written is the application as its owner would have it; nothing is filled in, the environment says the rest.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import cutover
from cutover.demo.server import PORT, USER
from cutover.phase import FLAGGED, Phase

SUFFIX = "-tpl"
NAME = "job_logs"
HANDLERS = ("log", "buffered")  # of the converted releases; the first is the one unless told otherwise


@dataclass(frozen=True)
class Deployment:
    """What is deployed: the release of the code, and how far its flags go."""

    release: str
    flags: Phase = Phase.NOT_STARTED

    def __str__(self) -> str:
        return self.release if self.flags is Phase.NOT_STARTED else f"{self.release} +{int(self.flags)}"

    @property
    def environment(self) -> dict[str, str]:
        on = [phase for phase in FLAGGED if phase <= self.flags]
        return {"RELEASE": self.release, **{f"CUTOVER_{NAME.upper()}_{phase.name}": "1" for phase in on}}


@dataclass(frozen=True)
class Project:
    """A written project and the database that it uses; `redis` is the address of its buffer, where it has one."""

    directory: Path
    socket_directory: Path
    database: str = "demo"
    handler: str = HANDLERS[0]
    redis: str = ""

    @property
    def meters(self) -> Path:
        return self.directory / "meters"

    @property
    def feed(self) -> Path:
        return self.directory / "lines.txt"

    @property
    def address(self) -> dict[str, str]:
        """As libpq reads it: the project's settings, and psql, take it from here."""
        return {"PGHOST": str(self.socket_directory), "PGPORT": PORT, "PGUSER": USER, "PGDATABASE": self.database}

    def environment(self, deployment: Deployment, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a process: ours without what could mislead it, and what is deployed."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CUTOVER_", "DJANGO_"))}
        source = str(Path(cutover.__file__).parents[1])
        return {
            **ours,
            **self.address,
            "HANDLER": self.handler,
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": os.pathsep.join([str(self.directory), source]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            **deployment.environment,
            **self.buffer(deployment),
            **(more or {}),
        }

    def buffer(self, deployment: Deployment) -> dict[str, str]:
        """The setting comes with the first flag: before the toolkit's tables are there, nobody could flush."""
        return {"CUTOVER_REDIS_URL": self.redis} if self.redis and deployment.flags >= Phase.ADD_TABLE else {}

    def manage(self, *args: str) -> list[str]:
        return [sys.executable, "manage.py", *args]

    def cutover(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "cutover", *args]


def write(directory: Path) -> None:
    """Write the project's files, and the directory in which its processes keep their meters."""
    copy(resources.files("cutover.demo").joinpath("project"), directory)
    (directory / "meters").mkdir()


def copy(source: Traversable, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for each in source.iterdir():
        if each.is_dir():
            if each.name != "__pycache__":
                copy(each, target / each.name)
        elif each.name.endswith(SUFFIX):
            (target / each.name.removesuffix(SUFFIX)).write_bytes(each.read_bytes())
