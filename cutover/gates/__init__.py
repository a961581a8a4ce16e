"""What must hold before a phase is entered or left. A gate looks; it changes nothing.

Each gate has the name of its function as its id, which is also its section in the runbook.
"""

from cutover.gates.evidence import backfill_complete, quarantine_empty, rehydrated, verify_clean
from cutover.gates.foreign import no_foreign_writers, no_foreign_writes, no_stale_rows
from cutover.gates.rows import positions_fit, rows_found, rows_in_json
from cutover.gates.schema import column_exists, index_ready, table_exists, trigger_current
from cutover.gates.shadow import shadow_reads_agree
from cutover.gates.standing import flags_on, fleet_agrees, settled
from cutover.gates.verdict import Gate, Move, Verdict, evaluate

__all__ = [
    "Gate",
    "Move",
    "Verdict",
    "backfill_complete",
    "column_exists",
    "evaluate",
    "flags_on",
    "fleet_agrees",
    "index_ready",
    "no_foreign_writers",
    "no_foreign_writes",
    "no_stale_rows",
    "positions_fit",
    "quarantine_empty",
    "rehydrated",
    "rows_found",
    "rows_in_json",
    "settled",
    "shadow_reads_agree",
    "table_exists",
    "trigger_current",
    "verify_clean",
]
