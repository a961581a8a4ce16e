"""How gently a backfill goes: target time, rest and number of workers. Kept in the database, for all its workers at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cutover import chunk, db
from cutover.mapping import Binding
from cutover.sql import query

NICE_TARGET = chunk.BESIDE
NICE_REST = 0.5


@dataclass(frozen=True)
class Controls:
    """What was set; a target of None is the default, workers of None are any number.

    Attributes:
        rest: the share of the time in which a worker rests, from 0 to below 1.
    """

    target: timedelta | None = None
    rest: float = 0.0
    workers: int | None = None
    set_by: str = ""
    set_at: datetime | None = None

    def __str__(self) -> str:
        usual = f"{chunk.TARGET.total_seconds():g} s, {chunk.BESIDE.total_seconds():g} s while others are at work"
        words = [f"chunks of {usual if self.target is None else f'{self.target.total_seconds():g} s'}"]
        words += [f"rests {self.rest:.0%} of the time"] if self.rest else []
        words += [f"at most {self.workers} at work"] if self.workers is not None else []
        return ", ".join(words)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "target_seconds": (self.target or chunk.TARGET).total_seconds(),
            "target_seconds_beside_others": (self.target or chunk.BESIDE).total_seconds(),
            "rest": self.rest,
            "workers": self.workers,
            "set_by": self.set_by,
            "set_at": None if self.set_at is None else self.set_at.isoformat(),
        }


def made(row: tuple[Any, ...] | None) -> Controls:
    if row is None:
        return Controls()
    seconds, rest, *others = row
    return Controls(None if seconds is None else timedelta(seconds=seconds), rest, *others)


def read(binding: Binding) -> Controls:
    """What is set now."""
    return made(db.one(binding.alias, query("crew", "controls"), {"name": binding.name}))


def change(
    binding: Binding, *, who: str, target: float | None = None, rest: float | None = None, workers: int | None = None
) -> Controls:
    """Set what is given, for all workers, wherever they run; 0 is the default target, or any number of workers."""
    values = {"name": binding.name, "target": target, "rest": rest, "workers": workers, "who": who}
    db.run(binding.alias, query("crew", "change"), values)
    return read(binding)


def measured(binding: Binding) -> float | None:
    """Elements per second of a worker at work, from the chunks so far; None before the first."""
    found = db.one(binding.alias, query("crew", "speed"), {"name": binding.name})
    return None if found is None else found[0] / max(found[1], 1e-3)
