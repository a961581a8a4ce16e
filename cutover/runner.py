"""Advance and roll back: the only code that changes a phase.

A move is: take the wheel, ask every gate, commit the new phase, wait until the old one is provably over, say so in the ledger.
Killed anywhere, the same command again goes on where it was: before the commit nothing has changed, after it the phase is
unsettled, and an unsettled phase is waited for again.
"""

import getpass
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from cutover import adoption, conf, db, ledger, phases, settling, verify
from cutover.adoption import Found
from cutover.errors import Incomplete, Refused
from cutover.gates import Gate, Move, Verdict, evaluate
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase

WHEEL = timedelta(seconds=30)
PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True)
class Judged:
    """Every gate of the move has been asked."""

    move: Move
    verdicts: list[Verdict]

    @property
    def holds(self) -> bool:
        return all(verdict.holds for verdict in self.verdicts)


@dataclass(frozen=True)
class Moved:
    """The new phase is committed; nothing has settled yet."""

    entry: Entry


@dataclass(frozen=True)
class Waiting:
    """The old phase is not over yet: these transactions are open, or the lease runs for `lease_left`."""

    holders: list[settling.Holder]
    lease_left: timedelta


@dataclass(frozen=True)
class Settled:
    """The new phase is all there is."""

    entry: Entry
    waived: list[str] = field(default_factory=list)


Event = Judged | Moved | Waiting | Settled
Adopting = verify.Progress | Found | Event


@dataclass(frozen=True)
class Order:
    """What the operator asks for.

    Attributes:
        why: goes into the history.
        dry_run: ask the gates and change nothing.
        waive: pids of transactions that are not waited for; they go into the history.
        patience: how long to wait for the old phase to end before giving up; the phase then stays unsettled.
    """

    binding: Binding
    to: Phase
    why: str = ""
    dry_run: bool = False
    waive: Sequence[int] = ()
    patience: timedelta = PATIENCE


def advance(order: Order) -> Iterator[Event]:
    """Move one phase forward, and wait until it has settled. Where it stands there already, wait for what is left.

    Raises:
        Refused: the phase is not the next one, or a gate does not hold; nothing was changed.
        Busy: somebody else moves this cutover.
        Incomplete: the time limit was reached; the phase is entered and not settled.
    """
    yield from drive(order, step=1)


def rollback(order: Order) -> Iterator[Event]:
    """Move one phase back, under the gates of leaving, and wait until that has settled. Raises as `advance`."""
    yield from drive(order, step=-1)


def adopt(order: Order) -> Iterator[Adopting]:
    """Begin the ledger of a cutover whose table is there already, at `order.to`, or at what is shown where that is NOT_STARTED.

    A dry run looks and compares. It leaves an entry at NOT_STARTED behind, which is the same as none; the time for which nobody
    else has written counts from there.

    Raises:
        Refused: the ledger has moved before, or the phase is not shown; nothing was moved.
        Busy: somebody else moves this cutover.
        Incomplete: as `advance`; the same again goes on waiting.
    """
    alias, name = order.binding.alias, order.binding.name
    require_tables(order)
    ledger.start(alias, name)
    ledger.take_wheel(alias, name, whoami(), WHEEL)
    try:
        entry = ledger.read(alias, name)
        if entry.epoch == 0:
            adoption.require_no_history(order.binding)
            for progress in adoption.compare(order.binding, entry):
                ledger.take_wheel(alias, name, whoami(), WHEEL)
                yield progress
            found = adoption.look(order.binding, ledger.read(alias, name))
            yield found
            if order.dry_run:
                return
            entry = begin(order, entry, found)
            yield Moved(entry)
        adoption.require_adopting(entry)
        yield from settle(replace(order, to=entry.phase), entry)
    finally:
        ledger.leave_wheel(alias, name, whoami())


def begin(order: Order, entry: Entry, found: Found) -> Entry:
    """Commit the first move of the ledger.

    Raises:
        Refused: the phase is not shown.
    """
    to = adoption.chosen(found, order.to)
    for step in phases.STEPS[:to]:
        step.enter(order.binding)
    verdicts = [verdict.as_dict() for verdict in found.verdicts(to)]
    return ledger.move(
        order.binding.alias, entry, to, who=whoami(), why=adoption.reason(found, order.why), gates=verdicts
    )


def drive(order: Order, *, step: int) -> Iterator[Event]:
    alias, name = order.binding.alias, order.binding.name
    if order.dry_run:
        yield judge(order, ledger.read(alias, name), step)
        return
    require_tables(order)
    ledger.start(alias, name)
    ledger.take_wheel(alias, name, whoami(), WHEEL)
    try:
        entry = ledger.read(alias, name)
        if entry.phase is not order.to:
            judged = judge(order, entry, step)
            yield judged
            entry = enter(order, judged)
            yield Moved(entry)
        yield from settle(order, entry)
    finally:
        ledger.leave_wheel(alias, name, whoami())


def require_tables(order: Order) -> None:
    db.require_commits(order.binding.alias, "a move")
    if not ledger.installed(order.binding.alias):
        raise Refused(
            f"The toolkit's tables are not in the database {order.binding.alias!r}.",
            hint="Add 'cutover' to INSTALLED_APPS and run `manage.py migrate`.",
        )


def judge(order: Order, entry: Entry, step: int) -> Judged:
    """Ask the gates of a move to a neighbour.

    Raises:
        Refused: the phase asked for is no neighbour in that direction.
    """
    if order.to - entry.phase != step:
        verb = "advance" if order.to > entry.phase else "roll back"
        near = [
            Phase(number) for number in (entry.phase + 1, entry.phase - 1) if 0 <= number <= Phase.BACKFILL_AND_DROP
        ]
        raise Refused(
            f"{order.binding.name} is at {entry.phase.name}; it cannot {verb} to {order.to.name}.",
            hint=f"Move one phase at a time: {' or '.join(phase.name for phase in near)} is next to it.",
        )
    move = Move(order.binding, entry, order.to)
    return Judged(move, evaluate(gates_of(move), move))


def gates_of(move: Move) -> tuple[Gate, ...]:
    """The gates of entering the phase ahead, or of leaving this one backwards."""
    forward = move.to > move.entry.phase
    return phases.STORY[move.to].GATES if forward else phases.STORY[move.entry.phase].BACK


def enter(order: Order, judged: Judged) -> Entry:
    """Commit the move.

    Raises:
        Refused: a gate does not hold.
    """
    failed = [verdict for verdict in judged.verdicts if not verdict.holds]
    if failed:
        gates = ", ".join(verdict.gate for verdict in failed)
        raise Refused(
            f"{order.binding.name} stays at {judged.move.entry.phase.name}: {gates} does not hold.",
            hint="Nothing was changed. " + " ".join(verdict.hint for verdict in failed),
        )
    entry = judged.move.entry
    if order.to > entry.phase:
        phases.STORY[order.to].enter(order.binding)
    else:
        phases.STORY[entry.phase].leave(order.binding)
    verdicts = [verdict.as_dict() for verdict in judged.verdicts]
    return ledger.move(order.binding.alias, entry, order.to, who=whoami(), why=order.why, gates=verdicts)


def settle(order: Order, entry: Entry) -> Iterator[Event]:
    """Wait for the transactions from before the move, and for one lease; then say so in the ledger.

    Raises:
        Incomplete: the time limit was reached.
    """
    if entry.settled:
        yield Settled(entry)
        return
    alias, waive = order.binding.alias, set(order.waive)
    started = quiet_since = time.monotonic()
    holders = settling.collect(alias)
    waived = [str(holder) for holder in holders.values() if holder.pid in waive]
    for left in settling.wait(alias, holders, waive):
        # One that reads an old snapshot may have taken a lease on the old phase at its very end.
        quiet_since = time.monotonic()
        yield Waiting(left, lease_left(quiet_since))
        keep_the_wheel(order, left, started)
    while (left_over := lease_left(quiet_since)) > timedelta(0):
        yield Waiting([], left_over)
        keep_the_wheel(order, [], started)
        time.sleep(min(left_over, settling.POLL).total_seconds())
    yield Settled(ledger.settle(alias, entry, waived), waived)


def keep_the_wheel(order: Order, left: list[settling.Holder], started: float) -> None:
    """Between two looks: go on driving, or give up when the patience is over."""
    ledger.take_wheel(order.binding.alias, order.binding.name, whoami(), WHEEL)
    if left and time.monotonic() - started > order.patience.total_seconds():
        names = "; ".join(str(holder) for holder in left[:10])
        raise Incomplete(
            f"{order.binding.name} is at {order.to.name} and has not settled: it waits for {names}.",
            hint="Run the same command again to go on waiting; end these transactions, or waive a long reader with --waive PID.",
        )


def lease_left(since: float) -> timedelta:
    """How long a process may still believe the phase before the move, if it read the ledger at the latest then."""
    return conf.lease() - timedelta(seconds=time.monotonic() - since)


def whoami() -> str:
    """The one at the wheel: user, host and process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}:{os.getpid()}"
