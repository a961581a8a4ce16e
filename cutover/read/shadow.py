"""Shadow reads: in DUAL_WRITE and PROPERTY_SHIM a sampled share of reads compares what both sides show. No reader is harmed.

Note [A suspect is looked at again]
    The two sides are read in one snapshot, and yet the transaction of the reader itself may stand between two of its own
    writes. So a difference is a suspect at first, kept in memory. A later sampled read of this process, outside of a
    transaction and at least one lease later, looks again; what then still differs in the same way is stored.
    Whatever is stored or counted is written outside of the caller's transaction, after its commit.
"""

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, transaction

from cutover import conf, db, lease
from cutover.errors import CutoverError
from cutover.lease import Lease
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.read import differences, shadows
from cutover.read.differences import Difference

PHASES = (Phase.DUAL_WRITE, Phase.PROPERTY_SHIM)
MOST_SUSPECTS = 100  # of a process
AT_ONCE = 10  # suspects that one read looks at again

# What the database, a document or a codec may raise. No more: a soft time limit is an exception too, and has to pass.
HARMLESS = (Error, CutoverError, SynchronousOnlyOperation, ValueError, TypeError, LookupError, ArithmeticError)


@dataclass
class Suspect:
    """What differed at some moment of the monotonic clock."""

    found: list[Difference]
    seen: float


@dataclass
class Memory:
    """Of one cutover in this process: the suspects, and what was not yet added to the count."""

    suspects: dict[Any, Suspect] = field(default_factory=dict)
    compared: int = 0
    failed: int = 0
    written: float = 0.0


_memory: dict[tuple[str, str], Memory] = {}


def memory(binding: Binding) -> Memory:
    return _memory.setdefault((binding.alias, binding.name), Memory())


def forget() -> None:
    """Nothing is suspected; for tests."""
    _memory.clear()


def sampled(binding: Binding, keys: Iterable[Any]) -> list[Any]:
    """Those of the parents that are to be compared: each with the chance that the settings say."""
    share = conf.shadow_reads(binding.name)
    return [key for key in keys if random.random() < share] if share else []  # noqa: S311 - a sample is no secret


def reads(binding: Binding, keys: Iterable[Any]) -> None:
    """Say that a reader reads these parents: a share of them is compared. Raises nothing that comes of the comparison."""
    chosen = sampled(binding, keys)
    if chosen:
        observe(binding, chosen)


def observe(binding: Binding, keys: Sequence[Any]) -> None:
    """Compare these parents, and the suspects whose time has come. Raises nothing that comes of the comparison."""
    try:
        held = lease.current(binding)
        if held.phase not in PHASES:
            return
        if db.in_transaction(binding.alias):
            with transaction.atomic(using=binding.alias):  # a savepoint: a failure is not the caller's
                compare(binding, held, keys, ())
            transaction.on_commit(lambda: observe(binding, ()), using=binding.alias, robust=True)
        elif not db.manual(binding.alias):
            compare(binding, held, keys, due(binding))
            write(binding, held)
    except HARMLESS:
        memory(binding).failed += len(keys)


def due(binding: Binding) -> list[Any]:
    """Suspects that have been known for a lease."""
    before = time.monotonic() - conf.lease().total_seconds()
    return [key for key, suspect in memory(binding).suspects.items() if suspect.seen <= before][:AT_ONCE]


def compare(binding: Binding, held: Lease, keys: Sequence[Any], again: Sequence[Any]) -> None:
    known = memory(binding)
    wanted = list(dict.fromkeys([*keys, *again]))
    if not wanted:
        return
    found = differences.look(binding, wanted, rows_alone=held.entry.backfilled_at is not None)
    known.compared += len(keys)
    for key in again:
        before = {each.content for each in known.suspects.pop(key).found}
        confirmed = [each for each in found.get(key, ()) if each.content in before]
        if confirmed:
            del found[key]
            store(binding, held, key, confirmed)
    for key, each in found.items():
        if len(known.suspects) < MOST_SUSPECTS:
            known.suspects.setdefault(key, Suspect(each, time.monotonic()))


def store(binding: Binding, held: Lease, key: Any, found: list[Difference]) -> None:
    """Keep what differs still, unless it is known why: the backfill has to come, or an element is in quarantine."""
    if held.entry.writable and not shadows.excused(binding, key):
        shadows.add(binding, held.phase, key, found)


def write(binding: Binding, held: Lease) -> None:
    """Add what was compared to the count, once in a lease."""
    known, now = memory(binding), time.monotonic()
    if known.compared and held.entry.writable and now - known.written >= conf.lease().total_seconds():
        number, known.compared, known.written = known.compared, 0, now
        shadows.count(binding, number)
