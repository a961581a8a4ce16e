"""What the demonstration found, and whether it was good. It asks nobody."""

from dataclasses import asdict, dataclass, field
from typing import Any

from cutover.demo.meter import Reading
from cutover.demo.oracle import Compared


@dataclass
class Stretch:
    """One stretch of the story: the legacy release, or a phase.

    Attributes:
        seconds: how long it was.
        reading: what all processes did in it.
    """

    name: str
    seconds: float = 0.0
    reading: Reading = field(default_factory=Reading)

    @property
    def per_second(self) -> float:
        return self.reading.lines / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "seconds": round(self.seconds, 2),
            "appends": self.reading.lines,
            "appends_per_second": round(self.per_second, 1),
            "longest_wait_seconds": round(self.reading.waited, 3),
            "errors": self.reading.errors,
        }


@dataclass
class Buffered:
    """What the buffer did, where there was one.

    Attributes:
        lines: that went through it.
        past: that went straight to PostgreSQL while Redis was gone, as far as they were told when the last one was.
        left: entries that are still in it at the end, or cannot become rows.
        lost: entries that never came out of Redis.
        flushers_killed, redis_killed: how often, with SIGKILL.
    """

    lines: int = 0
    past: int = 0
    left: int = 0
    lost: int = 0
    flushers_killed: int = 0
    redis_killed: int = 0

    @property
    def faults(self) -> list[str]:
        counted = ((self.left, "entries are left in the buffer."), (self.lost, "entries never came out of Redis."))
        said = [f"{number} {fact}" for number, fact in counted if number]
        return said if self.lines else [*said, "Nothing went through the buffer."]


@dataclass
class Summary:
    """The whole run. "Since" is since the last process of the legacy release had ended, which is before phase 1.

    Attributes:
        lost_by_legacy: lines of `written_before` that the legacy handler lost; JSON that it overwrote with what it had read
            before, lines of converted processes among them while the fleet was mixed.
        lost, doubled: elements of JSON at that time, and lines since, without their row, or with too many rows.
        cut: elements of the time before dual write that JSON's cap had cut before the backfill came; they are not lost.
        followed, swapped: lines of one process and job since dual write that have one before them, and those whose rows stand the
            other way round.
        short: elements that a reader should have seen and did not; `shown_twice`: that it saw too often.
        errors: exceptions that reached a writer, a locker or a reader since.
    """

    written: int = 0
    history: int = 0
    written_before: int = 0
    lost_by_legacy: int = 0
    written_since: int = 0
    expected: int = 0
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    cut: int = 0
    followed: int = 0
    swapped: int = 0
    reads: int = 0
    audits: int = 0
    audited: int = 0
    short: int = 0
    shown_twice: int = 0
    errors: int = 0
    json_checksum: str = ""
    table_checksum: str = ""
    column_dropped: bool = False
    buffer: Buffered | None = None
    complete: bool = False
    seconds: float = 0.0
    stretches: list[Stretch] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def take(self, found: Compared) -> None:
        """What the comparison of the child table with the oracle found."""
        self.expected, self.rows = found.expected, found.rows
        self.lost, self.doubled, self.cut = found.lost, found.doubled, found.cut
        self.followed, self.swapped = found.followed, found.swapped
        self.examples += found.examples

    @property
    def faults(self) -> list[str]:
        """Why the run was not good, each a sentence; empty when it was."""
        counted = [
            (self.lost, "elements were lost since the last legacy process ended."),
            (self.doubled, "elements were doubled since the last legacy process ended."),
            (self.swapped, "lines stand before a line that the same process wrote first."),
            (self.short, "times an element was not shown to a reader that should have seen it."),
            (self.shown_twice, "times an element was shown to a reader too often."),
            (self.errors, "exceptions reached a writer, a locker or a reader."),
        ]
        said = [f"{number} {fact}" for number, fact in counted if number]
        said += [] if self.buffer is None else self.buffer.faults
        said += [] if self.complete else ["The story did not reach its end."]
        said += [] if self.column_dropped or not self.complete else ["The column is still there."]
        differ = self.json_checksum != self.table_checksum
        return said + ([f"The checksums differ: {self.json_checksum} and {self.table_checksum}."] if differ else [])

    def as_dict(self) -> dict[str, Any]:
        found = {key: value for key, value in asdict(self).items() if key != "stretches"}
        phases = [stretch.as_dict() for stretch in self.stretches]
        return {
            **found,
            "seconds": round(self.seconds, 1),
            "phases": phases,
            "good": not self.faults,
            "faults": self.faults,
        }
