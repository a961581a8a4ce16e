"""Puts a cutover at a phase, for tests: the ledger, step by step and each step settled, and the flags of this process.

The flags go into the environment, so that child processes have them as well; `_own_flags` of conftest takes them back.
"""

import os

from cutover import lease, ledger
from cutover.ledger import Entry
from cutover.mapping import Binding, bind
from cutover.phase import FLAGGED, Phase


def at_phase(name: str, phase: Phase | int) -> Binding:
    """Move the cutover forwards or backwards to the phase, settled; this process follows at once."""
    binding = bind(name)
    set_flags(name, Phase(phase))
    ledger.start(binding.alias, name)
    entry = ledger.read(binding.alias, name)
    while entry.phase != phase:
        entry = step(binding, entry, Phase(entry.phase + (1 if entry.phase < phase else -1)))
    lease.forget()
    return binding


def step(binding: Binding, entry: Entry, to: Phase, *, settled: bool = True) -> Entry:
    """One move of the ledger, without gates."""
    moved = ledger.move(binding.alias, entry, to, who="test", why="test", gates=())
    return ledger.settle(binding.alias, moved) if settled else moved


def move_only(name: str, phase: Phase | int) -> Entry:
    """Move the ledger by one step, unsettled, and leave flags and leases as they are: somebody else's advance."""
    binding = bind(name)
    return step(binding, ledger.read(binding.alias, name), Phase(phase), settled=False)


def set_flags(name: str, phase: Phase) -> None:
    """The flags of a process that may go as far as the phase."""
    for flag in FLAGGED:
        os.environ[f"CUTOVER_{name.upper()}_{flag.name}"] = "1" if flag <= phase else "0"
