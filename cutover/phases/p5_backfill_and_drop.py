"""Phase 5: backfill and drop.

Enter: the backfill is complete, the quarantine empty, the verification clean, and nobody wrote JSON since phase 4.
After: readers read rows alone; the field leaves the model in one release, the column in the next.
Back: until the drop as from phase 4; after it, migrating backwards restores the column from the rows.
"""

from cutover.gates import (
    Gate,
    backfill_complete,
    column_exists,
    flags_on,
    fleet_agrees,
    no_foreign_writes,
    quarantine_empty,
    settled,
    trigger_current,
    verify_clean,
)
from cutover.mapping import Binding
from cutover.phase import Phase

PHASE = Phase.BACKFILL_AND_DROP
GATES: tuple[Gate, ...] = (
    settled,
    flags_on,
    fleet_agrees,
    trigger_current,
    backfill_complete,
    quarantine_empty,
    verify_clean,
    no_foreign_writes,
)
BACK: tuple[Gate, ...] = (settled, column_exists)


def enter(binding: Binding) -> None:
    """Nothing: the drop is a migration that asks the ledger."""


def leave(binding: Binding) -> None:
    """Nothing: the column is there and the readers unite both sides again."""
