"""The ledger: how far the fleet has come, and the history of how it came there.

It stores and reads; it decides nothing. Only the runner calls `move`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cutover import db
from cutover.errors import Busy
from cutover.phase import Phase
from cutover.sql import query


@dataclass(frozen=True)
class Entry:
    """One cutover as the ledger has it. `now` is the clock of the database at the reading.

    Attributes:
        settled_at: when every transaction from before the last move had ended; None while that is not so.
        writable: whether the transaction that read it may write beside it without harm to its caller.
    """

    name: str
    phase: Phase
    epoch: int
    came_from: Phase
    moved_at: datetime | None
    settled_at: datetime | None
    backfilled_at: datetime | None
    dropped_at: datetime | None
    paused: bool
    driver: str
    driver_until: datetime | None
    now: datetime | None
    writable: bool

    @property
    def settled(self) -> bool:
        return self.epoch == 0 or self.settled_at is not None


@dataclass(frozen=True)
class Move:
    """A line of the history."""

    epoch: int
    from_phase: Phase
    to_phase: Phase
    at: datetime
    who: str
    why: str
    gates: list[dict[str, Any]]
    settled_at: datetime | None
    waived: list[str]


_installed: set[str] = set()


def installed(alias: str) -> bool:
    """Whether the toolkit's tables are there; asked until they are."""
    if alias not in _installed and db.scalar(alias, query("ledger", "installed")):
        _installed.add(alias)
    return alias in _installed


def forget() -> None:
    """Ask again whether the tables are there; for tests."""
    _installed.clear()


def read(alias: str, name: str) -> Entry:
    """The entry of a cutover; phase NOT_STARTED and epoch 0 where there is none."""
    nothing = (0, 0, 0, None, None, None, None, False, "", None, None, False)
    found = db.one(alias, query("ledger", "read"), {"name": name}) if installed(alias) else None
    if found is None or found[0] is None:
        found = nothing if found is None else (*nothing[:10], *found[10:])
    phase, epoch, came_from, *rest = found
    return Entry(name, Phase(phase), epoch, Phase(came_from), *rest)


def start(alias: str, name: str) -> None:
    """Make the entry of a cutover that has none, at NOT_STARTED and settled."""
    db.run(alias, query("ledger", "start"), {"name": name})


def move(alias: str, entry: Entry, to: Phase, *, who: str, why: str, gates: Sequence[Mapping[str, Any]]) -> Entry:
    """Commit a move and its line of history in one transaction.

    Raises:
        Busy: somebody else has moved this cutover since `entry` was read.
    """
    with db.read_committed(alias):
        epoch = db.scalar(alias, query("ledger", "move"), {"name": entry.name, "to": int(to), "epoch": entry.epoch})
        if epoch is None:
            raise Busy(
                f"{entry.name} was moved by somebody else in the meantime.",
                hint="Look at `cutover status`, then decide.",
            )
        record(alias, entry.name, epoch=epoch, from_phase=entry.phase, to_phase=to, who=who, why=why, gates=gates)
    return read(alias, entry.name)


def record(
    alias: str,
    name: str,
    *,
    epoch: int,
    from_phase: Phase,
    to_phase: Phase,
    who: str,
    why: str,
    gates: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write a line of history; a note, where both phases are the same."""
    values = {
        "name": name,
        "epoch": epoch,
        "from": int(from_phase),
        "to": int(to_phase),
        "who": who,
        "why": why,
        "gates": json.dumps(list(gates)),
    }
    db.run(alias, query("ledger", "record"), values)


def settle(alias: str, entry: Entry, waived: Sequence[str] = ()) -> Entry:
    """Say that the move of this epoch is provably over; `waived` names those who were not waited for."""
    db.run(alias, query("ledger", "settle"), {"name": entry.name, "epoch": entry.epoch})
    values = {"name": entry.name, "epoch": entry.epoch, "waived": json.dumps(list(waived))}
    db.run(alias, query("ledger", "record_settled"), values)
    return read(alias, entry.name)


def set_backfilled(alias: str, name: str, complete: bool) -> None:
    db.run(alias, query("ledger", "set_backfilled" if complete else "reset_backfilled"), {"name": name})


def set_dropped(alias: str, name: str, dropped: bool) -> None:
    db.run(alias, query("ledger", "set_dropped" if dropped else "reset_dropped"), {"name": name})


def pause(alias: str, name: str, paused: bool) -> None:
    start(alias, name)
    db.run(alias, query("ledger", "pause"), {"name": name, "paused": paused})


def take_wheel(alias: str, name: str, driver: str, hold: timedelta) -> None:
    """Become, or go on being, the one who moves this cutover.

    Raises:
        Busy: somebody else is; the message says who.
    """
    values = {"name": name, "driver": driver, "seconds": hold.total_seconds()}
    if db.run(alias, query("ledger", "take_wheel"), values) == 0:
        other = read(alias, name)
        raise Busy(
            f"{name} is being moved by {other.driver}.", hint=f"Wait for it to end, or until {other.driver_until}."
        )


def leave_wheel(alias: str, name: str, driver: str) -> None:
    db.run(alias, query("ledger", "leave_wheel"), {"name": name, "driver": driver})


def history(alias: str, name: str) -> list[Move]:
    """All moves, oldest first."""
    found = db.rows(alias, query("ledger", "history"), {"name": name}) if installed(alias) else []
    return [
        Move(epoch, Phase(from_phase), Phase(to_phase), at, who, why, json.loads(gates), settled_at, json.loads(waived))
        for epoch, from_phase, to_phase, at, who, why, gates, settled_at, waived in found
    ]


def since_phase(alias: str, name: str, phase: Phase) -> datetime | None:
    """When the cutover last came forward into a phase."""
    found = db.scalar(alias, query("ledger", "since_phase"), {"name": name, "phase": int(phase)})
    return found if isinstance(found, datetime) else None
