"""Everything that is known about a cutover, for `status`: gathered here, rendered elsewhere. It changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cutover import backfill, conf, db, flags, fleet, flush, ledger, marks, runner, verify, wayback
from cutover.backfill import quarantine
from cutover.flags import Flags
from cutover.fleet import Process
from cutover.gates import Verdict
from cutover.ledger import Entry, Move
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.read import shadows
from cutover.sql import query
from cutover.wayback import WayBack


@dataclass(frozen=True)
class Report:
    """A cutover as it stands.

    Attributes:
        flags: of the process that asks.
        effective: the phase at which that process runs.
        ahead: the gates of the next phase; empty where there is none.
        dirty: parents that the backfill has to visit again.
    """

    entry: Entry
    flags: Flags
    effective: Phase
    processes: list[Process]
    ahead: list[Verdict]
    dirty: int
    quarantined: int
    backfill: backfill.Status | None
    verification: verify.Result | None
    shadow: shadows.Summary
    history: list[Move]
    back: WayBack
    buffer: flush.Status | None = None

    @property
    def next(self) -> Phase | None:
        return None if self.entry.phase is Phase.BACKFILL_AND_DROP else Phase(self.entry.phase + 1)

    @property
    def held_back(self) -> list[Process]:
        return [process for process in self.processes if process.furthest < self.entry.phase]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; times in ISO 8601."""
        entry = self.entry
        return {
            "name": entry.name,
            "phase": entry.phase.name,
            "number": int(entry.phase),
            "epoch": entry.epoch,
            "settled": entry.settled,
            "moved_at": stamp(entry.moved_at),
            "backfilled_at": stamp(entry.backfilled_at),
            "dropped_at": stamp(entry.dropped_at),
            "paused": entry.paused,
            "driver": entry.driver,
            "flags": {phase.name: value for phase, value in self.flags.items()},
            "effective_phase": self.effective.name,
            "processes": [process_dict(process, entry) for process in self.processes],
            "next": None if self.next is None else self.next.name,
            "gates": [verdict.as_dict() for verdict in self.ahead],
            "dirty": self.dirty,
            "quarantined": self.quarantined,
            "backfill": None if self.backfill is None else self.backfill.as_dict(),
            "verification": None if self.verification is None else self.verification.as_dict(),
            "buffer": None if self.buffer is None else self.buffer.as_dict(),
            "shadow": self.shadow.as_dict(),
            "back": self.back.as_dict(),
            "history": [history_dict(move) for move in self.history],
        }


def gather(binding: Binding, *, gates: bool | None = None) -> Report:
    """Ask everything, and the gates of the next phase.

    Args:
        gates: None asks them unless that reads the whole table, as those of BACKFILL_AND_DROP do.
    """
    alias, name = binding.alias, binding.name
    entry, own = ledger.read(alias, name), conf.flags(name)
    there = ledger.installed(alias)
    return Report(
        entry=entry,
        flags=own,
        effective=entry.phase if entry.dropped_at else flags.effective(entry.phase, own, entry.came_from),
        processes=fleet.live(alias, name) if there else [],
        ahead=ahead(binding, entry) if there and (cheap(entry) if gates is None else gates) else [],
        dirty=marks.count_dirty(alias, name) if there else 0,
        quarantined=quarantine.open_count(alias, name) if there else 0,
        backfill=backfill.status(binding) if there and entry.phase >= Phase.DUAL_WRITE else None,
        verification=verify.latest(alias, name) if there else None,
        shadow=shadows.summary(alias, name),
        history=ledger.history(alias, name),
        buffer=flush.status(binding) if there else None,
        back=wayback.look(binding, entry),
    )


def cheap(entry: Entry) -> bool:
    return entry.phase < Phase.STOP_JSON_WRITES


def ahead(binding: Binding, entry: Entry) -> list[Verdict]:
    if entry.phase is Phase.BACKFILL_AND_DROP or not entry.settled:
        return []
    order = runner.Order(binding, Phase(entry.phase + 1), dry_run=True)
    return [
        verdict for event in runner.advance(order) if isinstance(event, runner.Judged) for verdict in event.verdicts
    ]


def process_dict(process: Process, entry: Entry) -> dict[str, Any]:
    return {
        "host": process.host,
        "pid": process.pid,
        "version": process.version,
        "flags": fleet.packed(process.flags),
        "phase": process.phase.name,
        "held_back": process.furthest < entry.phase,
        "has_field": process.has_field,
        "seen_at": stamp(process.seen_at),
    }


def history_dict(move: Move) -> dict[str, Any]:
    return {
        "epoch": move.epoch,
        "from": move.from_phase.name,
        "to": move.to_phase.name,
        "at": stamp(move.at),
        "who": move.who,
        "why": move.why,
        "gates": move.gates,
        "settled_at": stamp(move.settled_at),
        "waived": move.waived,
    }


def stamp(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def estimate(binding: Binding) -> int:
    """About how many parents there are, for the time left; 0 where the planner does not know."""
    relation = binding.parent.identifier.as_string(None)
    return max(0, db.scalar(binding.alias, query("report", "estimate"), {"relation": relation}) or 0)
