"""What five flags say: whether they are a prefix, and how far they let a process go.

Pure: where the flags come from (settings, environment) is `conf`; what the ledger says is passed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cutover.phase import FLAGGED, Phase

Flags = Mapping[Phase, bool]


@dataclass(frozen=True)
class Problem:
    """Flags that are no prefix: the fact, and the hint that names the flags to change."""

    fact: str
    hint: str
    change: tuple[Phase, ...]


def furthest(flags: Flags) -> Phase:
    """The last phase of the unbroken run of flags that are on, from the first."""
    reached = Phase.NOT_STARTED
    for phase in FLAGGED:
        if not flags.get(phase, False):
            break
        reached = phase
    return reached


def problem(flags: Flags) -> Problem | None:
    """Why these flags are no prefix (1, 11, 111 ...), or None.

    The hint names the smaller change; where both are equal, it turns off what is too far, which is the safe direction.
    """
    reached = furthest(flags)
    beyond = tuple(phase for phase in FLAGGED if phase > reached and flags.get(phase, False))
    if not beyond:
        return None
    missing = tuple(phase for phase in FLAGGED if phase <= beyond[-1] and not flags.get(phase, False))
    forward = len(missing) < len(beyond)
    return Problem(
        fact=f"{names(beyond)} {verb(beyond)} on while {names(missing)} {verb(missing)} off.",
        hint=f"Turn {names(missing if forward else beyond)} {'on' if forward else 'off'}.",
        change=missing if forward else beyond,
    )


def effective(ledger: Phase, flags: Flags, came_from: Phase = Phase.NOT_STARTED) -> Phase:
    """The phase at which a process runs: the ledger's, or one before it where a flag is off.

    Never more than one before, and never below DUAL_WRITE once the ledger is there: rows would be lost. Nor below PROPERTY_SHIM
    when the ledger came back to it from STOP_JSON_WRITES: JSON lacks what was written there until it has been rehydrated.
    """
    if furthest(flags) >= ledger:
        return ledger
    if ledger is Phase.DUAL_WRITE:
        return ledger
    if ledger is Phase.PROPERTY_SHIM and came_from is Phase.STOP_JSON_WRITES:
        return ledger
    return Phase(ledger - 1)


def held_back(ledger: Phase, flags: Flags) -> bool:
    """Whether a flag that is off keeps the process behind the ledger, or would do so if it were allowed to."""
    return furthest(flags) < ledger


def names(phases: tuple[Phase, ...]) -> str:
    return " and ".join(phase.name for phase in phases)


def verb(phases: tuple[Phase, ...]) -> str:
    return "is" if len(phases) == 1 else "are"
