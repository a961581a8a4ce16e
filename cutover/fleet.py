"""The fleet: the processes that use a cutover, as they said when they last read the ledger. No threads, no daemons."""

import atexit
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, connections

from cutover import conf, db
from cutover.flags import Flags, furthest
from cutover.phase import FLAGGED, Phase
from cutover.sql import query

LEASES_UNTIL_GONE = 6


@dataclass(frozen=True)
class Process:
    """A process as it last said: where it runs, its flags, and whether its model still has the JSON field."""

    host: str
    pid: int
    flags: Flags
    phase: Phase
    has_field: bool
    version: str
    started_at: datetime
    seen_at: datetime

    @property
    def furthest(self) -> Phase:
        return furthest(self.flags)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}" + (f" ({self.version})" if self.version else "")


_said: set[tuple[str, str, int]] = set()


def seen(alias: str, name: str, flags: Flags, phase: Phase, *, has_field: bool) -> None:
    """Say that this process is alive. The caller has made sure that its transaction may write."""
    here = (alias, name, os.getpid())
    if not _said:
        atexit.register(gone)
    _said.add(here)
    values = {
        "name": name,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "flags": packed(flags),
        "phase": int(phase),
        "has_field": has_field,
        "version": conf.version(),
    }
    db.run(alias, query("fleet", "seen"), values)


def gone() -> None:
    """Take this process off the list; when it ends, and for tests. A database that is away is no error here."""
    for alias, name, pid in list(_said):
        _said.discard((alias, name, pid))
        if pid != os.getpid() or connections[alias].in_atomic_block:
            continue
        try:
            db.run(alias, query("fleet", "gone"), {"name": name, "host": socket.gethostname(), "pid": pid})
        except DatabaseError:
            connections[alias].close()


def live(alias: str, name: str) -> list[Process]:
    """The processes seen within six leases."""
    hold = until_gone()
    found = db.rows(alias, query("fleet", "live"), {"name": name, "seconds": hold.total_seconds()})
    return [
        Process(host, pid, unpacked(flags), Phase(phase), has_field, version, started_at, seen_at)
        for host, pid, flags, phase, has_field, version, started_at, seen_at in found
    ]


def forget_old(alias: str) -> None:
    db.run(alias, query("fleet", "forget"))


def until_gone() -> timedelta:
    """How long after it was last seen a process counts as alive."""
    return conf.lease() * LEASES_UNTIL_GONE


def packed(flags: Flags) -> str:
    """`11000`: one digit per flag, in the order of the phases."""
    return "".join(str(int(flags[phase])) for phase in FLAGGED)


def unpacked(text: str) -> Flags:
    return {phase: digit == "1" for phase, digit in zip(FLAGGED, text, strict=True)}
