"""What shadow reads have found: the newest differences, and how many reads were compared. Storing and reading alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cutover import db, ledger
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.read.differences import Difference
from cutover.sql import query

MOST = 100  # differences of a cutover; older ones give way


@dataclass(frozen=True)
class Stored:
    """A difference between both sides, as a reader would have met it.

    Attributes:
        number: the place in the list, from its newest end where that is its head.
        json, row: what either side shows there, cut; None where that list has ended.
        times: how often it was seen.
    """

    parent: str
    stream: str
    key: str | None
    number: int
    json: str | None
    row: str | None
    phase: str
    times: int
    first_at: datetime
    last_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; times in ISO 8601."""
        return {**asdict(self), "first_at": self.first_at.isoformat(), "last_at": self.last_at.isoformat()}


@dataclass(frozen=True)
class Summary:
    """How many reads were compared since when, and how many differences are known."""

    compared: int
    since: datetime | None
    differences: int
    last_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; times in ISO 8601."""
        return {
            "compared": self.compared,
            "since": None if self.since is None else self.since.isoformat(),
            "differences": self.differences,
            "last_at": None if self.last_at is None else self.last_at.isoformat(),
        }


def excused(binding: Binding, key: Any) -> bool:
    """Whether it is known why a parent may differ."""
    return bool(db.scalar(binding.alias, query("shadow", "excused"), {"name": binding.name, "key": str(key)}))


def add(binding: Binding, phase: Phase, key: Any, found: Sequence[Difference]) -> None:
    """Keep differences of a parent; one that is known is counted."""
    for each in found:
        values = {
            "name": binding.name,
            "parent": str(key),
            "stream": each.stream,
            "key": each.key,
            "number": each.number,
            "json": each.json,
            "row": each.row,
            "phase": int(phase),
        }
        db.run(binding.alias, query("shadow", "add"), values)
    db.run(binding.alias, query("shadow", "prune"), {"name": binding.name, "most": MOST})


def count(binding: Binding, number: int) -> None:
    """So many reads more were compared."""
    db.run(binding.alias, query("shadow", "count"), {"name": binding.name, "number": number})


def summary(alias: str, name: str) -> Summary:
    found = db.one(alias, query("shadow", "summary"), {"name": name}) if ledger.installed(alias) else None
    return Summary(0, None, 0, None) if found is None else Summary(*found)


def newest(alias: str, name: str, limit: int) -> list[Stored]:
    """The differences that were seen last, the latest first."""
    found = db.rows(alias, query("shadow", "newest"), {"name": name, "limit": limit})
    return [
        Stored(parent, stream, key, number, json, row, Phase(phase).name, times, first_at, last_at)
        for parent, stream, key, number, json, row, phase, times, first_at, last_at in found
    ]
