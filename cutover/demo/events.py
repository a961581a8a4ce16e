"""What the demonstration tells while it runs. The command line renders it; nothing here or in the story prints."""

from dataclasses import dataclass

from cutover.demo.comparison import Finding
from cutover.demo.meter import Reading
from cutover.demo.summary import Summary
from cutover.phase import Phase


@dataclass(frozen=True)
class Member:
    """A process of the fleet, as it was started."""

    name: str
    deployment: str


@dataclass(frozen=True)
class Began:
    """A step of the story. `phase` is the phase that the ledger has, or None while there is no toolkit."""

    title: str
    phase: Phase | None


@dataclass(frozen=True)
class Ticked:
    """A look at the running system, a few times per second: the fleet, and what it did since the last look."""

    fleet: tuple[Member, ...]
    reading: Reading
    seconds: float


@dataclass(frozen=True)
class Ran:
    """A command of the operator has ended."""

    command: str
    code: int
    seconds: float
    last_words: str


@dataclass(frozen=True)
class Audited:
    """Every job was read through its attribute and compared with the oracle."""

    jobs: int
    finding: Finding


@dataclass(frozen=True)
class Noted:
    """A fact on the way."""

    text: str


@dataclass(frozen=True)
class Kept:
    """Server and project stay, and how to explore them."""

    directory: str
    commands: tuple[tuple[str, str], ...]  # what for, command


@dataclass(frozen=True)
class Ended:
    summary: Summary


Event = Began | Ticked | Ran | Audited | Noted | Kept | Ended
