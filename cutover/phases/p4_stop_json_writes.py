"""Phase 4: stop the JSON writes.

Enter: every process has the flag; a table that was adopted without positions has been backfilled.
After: an append is one INSERT and takes no lock on the parent; the JSON column is frozen, and writes to it are recorded.
Back: at once; the readers of phase 3 unite both sides as those of phase 4 do.
"""

from cutover.gates import (
    Gate,
    Move,
    Verdict,
    backfill_complete,
    flags_on,
    fleet_agrees,
    settled,
    shadow_reads_agree,
    trigger_current,
)
from cutover.mapping import Binding
from cutover.phase import Phase

PHASE = Phase.STOP_JSON_WRITES


def backfilled_where_adopted(move: Move) -> Verdict:
    """A table without positions cannot tell a new row from one that stands for JSON: its backfill must be complete."""
    if move.binding.position is None:
        return backfill_complete(move)
    return Verdict("backfill_complete", True, "The rows carry positions; the backfill may come later.")


GATES: tuple[Gate, ...] = (
    settled,
    flags_on,
    fleet_agrees,
    trigger_current,
    backfilled_where_adopted,
    shadow_reads_agree,
)
BACK: tuple[Gate, ...] = (settled,)


def enter(binding: Binding) -> None:
    """Nothing: the fence sends every writer to the rows."""


def leave(binding: Binding) -> None:
    """Nothing: the rows of this phase say of themselves that JSON lacks them."""
