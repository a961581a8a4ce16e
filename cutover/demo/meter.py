"""How fast and how well a process works: the process appends to a file, the driver reads it and adds up.

Files, because a measurement in the database would load what it measures.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from cutover.demo.comparison import EXAMPLES, Finding

INTERVAL = 0.2  # seconds between two records of a process


@dataclass
class Reading:
    """What happened in some time.

    Attributes:
        at: the end of the time, seconds since 1970.
        waited: seconds of the slowest append.
        errors: exceptions that reached the application.
    """

    at: float = 0.0
    lines: int = 0
    waited: float = 0.0
    reads: int = 0
    short: int = 0
    doubled: int = 0
    errors: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, other: "Reading") -> None:
        self.at = max(self.at, other.at)
        self.lines += other.lines
        self.waited = max(self.waited, other.waited)
        self.reads += other.reads
        self.short += other.short
        self.doubled += other.doubled
        self.errors += other.errors
        self.examples = [*self.examples, *other.examples][:EXAMPLES]


class Meter:
    """The worker's side: counts, writes a record now and then, and says when the process has to end."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._parent = os.getppid()
        self._stopping = False
        self._now = Reading()

    @classmethod
    def of_this_process(cls) -> Self:
        """The meter at the path in METER. From here on SIGTERM means: end after this line."""
        meter = cls(Path(os.environ["METER"]))
        signal.signal(signal.SIGTERM, meter._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which tells us
        return meter

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()
        self._file.close()

    def go_on(self) -> bool:
        """Whether to do another step: not told to end, and the driver is alive."""
        if time.time() - self._now.at >= INTERVAL:
            self._write()
        return not self._stopping and os.getppid() == self._parent

    def wrote(self, seconds: float) -> None:
        self._now.lines += 1
        self._now.waited = max(self._now.waited, seconds)

    def read(self, found: Finding) -> None:
        self._now.add(Reading(reads=1, short=found.short, doubled=found.doubled, examples=found.examples))

    def failed(self, error: Exception) -> None:
        self._now.add(Reading(errors=1, examples=[f"{type(error).__name__}: {error}"[:300]]))
        time.sleep(0.01)  # a broken database should not fill the file

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a signal handler
        self._stopping = True

    def _write(self) -> None:
        self._now.at = time.time()
        self._file.write(json.dumps(asdict(self._now)) + "\n")
        self._now = Reading(at=self._now.at)


class Gauge:
    """The driver's side: all records of all processes of one directory, each read once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._offsets: dict[Path, int] = {}

    def new(self) -> Iterator[Reading]:
        """The records since the last call."""
        for path in sorted(self._directory.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                whole, _, _ = file.read().rpartition(b"\n")
            if whole:
                self._offsets[path] = self._offsets.get(path, 0) + len(whole) + 1
                yield from (Reading(**json.loads(line)) for line in whole.splitlines())
