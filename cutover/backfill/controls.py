"""How gently a backfill goes: target time, rest and number of workers. Kept in the database, for all its workers at once."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cutover import chunk, db
from cutover.mapping import Binding
from cutover.sql import query

BESIDE_REST = 0.33  # while others are at work; measured, see the README
USUAL_TARGET, USUAL_REST = 0.0, -1.0
PRESETS = {
    "usual": (USUAL_TARGET, USUAL_REST),
    "full": (chunk.TARGET.total_seconds(), 0.0),
    "nice": (chunk.BESIDE.total_seconds(), 0.5),
}


@dataclass(frozen=True)
class Controls:
    """What was set; a target or a rest of None is the default, workers of None are any number.

    Attributes:
        rest: the share of the time in which a worker rests, from 0 to below 1, whoever is at work.
        most: that a chunk may take, whatever was set: less where parents are locked.
    """

    target: timedelta | None = None
    rest: float | None = None
    workers: int | None = None
    set_by: str = ""
    set_at: datetime | None = None
    most: timedelta = timedelta.max

    def chunks(self, *, others: bool, usual: timedelta | None = None) -> timedelta:
        """The target of a chunk, while others are at work or not; `usual` is one that the caller has set."""
        return min(self.most, self.target or usual or (chunk.BESIDE if others else chunk.TARGET))

    def resting(self, *, others: bool) -> float:
        """The share of the time in which a worker rests, while others are at work or not."""
        if self.rest is not None:
            return self.rest
        return BESIDE_REST if others else 0.0

    def gait(self, *, others: bool) -> str:
        rest = self.resting(others=others)
        words = f"chunks of {self.chunks(others=others).total_seconds():g} s"
        return f"{words}, rests {rest:.0%} of the time" if rest else words

    def __str__(self) -> str:
        alone, beside = (self.gait(others=others) for others in (False, True))
        words = [alone if alone == beside else f"{alone} (while others are at work {beside})"]
        words += [f"at most {self.workers} at work"] if self.workers is not None else []
        return ", ".join(words)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "target_seconds": self.chunks(others=False).total_seconds(),
            "target_seconds_beside_others": self.chunks(others=True).total_seconds(),
            "rest": self.resting(others=False),
            "rest_beside_others": self.resting(others=True),
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
    found = made(db.one(binding.alias, query("crew", "controls"), {"name": binding.name}))
    return replace(found, most=chunk.LOCKING) if binding.cutover.rewrites else found


def change(
    binding: Binding, *, who: str, target: float | None = None, rest: float | None = None, workers: int | None = None
) -> Controls:
    """Set what is given, for all workers, wherever they run.

    `USUAL_TARGET` and `USUAL_REST` are the defaults, and 0 workers are any number.
    """
    values = {"name": binding.name, "target": target, "rest": rest, "workers": workers, "who": who}
    db.run(binding.alias, query("crew", "change"), values)
    return read(binding)


def measured(binding: Binding) -> float | None:
    """Elements per second of a worker at work, from the chunks so far; None before the first."""
    found = db.one(binding.alias, query("crew", "speed"), {"name": binding.name})
    return None if found is None else found[0] / max(found[1], 1e-3)
