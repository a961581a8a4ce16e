"""Phase 1: add the table.

Enter: the child table and the watch trigger are there; nobody reads or writes rows.
After: everything goes through JSON as before; writes that do not come from the toolkit are seen.
Back: at any time; nothing to undo.
"""

from cutover.gates import Gate, flags_on, settled, table_exists, trigger_current
from cutover.mapping import Binding
from cutover.phase import Phase

PHASE = Phase.ADD_TABLE
GATES: tuple[Gate, ...] = (settled, flags_on, table_exists, trigger_current)
BACK: tuple[Gate, ...] = (settled,)


def enter(binding: Binding) -> None:
    """Nothing: the migration did it."""


def leave(binding: Binding) -> None:
    """Nothing: the table stays, empty."""
