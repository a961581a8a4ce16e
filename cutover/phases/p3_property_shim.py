"""Phase 3: the property shim.

Enter: a clean verification since dual write has settled.
After: the same Python attribute is served from the rows, united with what JSON still holds alone.
Back: at once while every row has its JSON element; after phase 4 was in use, JSON is rehydrated from the rows first.
"""

from cutover.gates import (
    Gate,
    flags_on,
    fleet_agrees,
    index_ready,
    rehydrated,
    settled,
    shadow_reads_agree,
    verify_clean,
)
from cutover.mapping import Binding
from cutover.phase import Phase

PHASE = Phase.PROPERTY_SHIM
GATES: tuple[Gate, ...] = (settled, flags_on, fleet_agrees, index_ready, verify_clean, shadow_reads_agree)
BACK: tuple[Gate, ...] = (settled, rehydrated)


def enter(binding: Binding) -> None:
    """Nothing: readers switch as their leases end."""


def leave(binding: Binding) -> None:
    """Nothing: JSON is complete."""
