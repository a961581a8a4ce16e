"""Phase 2: dual write.

Enter: every process has the flag, and nobody writes JSON behind the toolkit's back.
After: one statement writes JSON and the row; readers read JSON. Once settled, the backfill may run.
Back: the rows stay, harmless; the backfill has to be done again, for JSON moves on alone.
"""

from cutover import backfill
from cutover.gates import (
    Gate,
    flags_on,
    fleet_agrees,
    no_foreign_writers,
    no_stale_rows,
    positions_fit,
    settled,
    trigger_current,
)
from cutover.mapping import Binding
from cutover.phase import Phase

PHASE = Phase.DUAL_WRITE
GATES: tuple[Gate, ...] = (
    settled,
    flags_on,
    fleet_agrees,
    trigger_current,
    no_foreign_writers,
    positions_fit,
    no_stale_rows,
)
BACK: tuple[Gate, ...] = (settled,)


def enter(binding: Binding) -> None:
    """Nothing: the move itself makes the writers write both."""


def leave(binding: Binding) -> None:
    """Forget what the backfill has done: from now on JSON changes without its rows."""
    backfill.reset(binding)
