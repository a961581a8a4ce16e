"""Bring the history of the JSON column into rows: in chunks, resumable, by any number of workers, beside live writers."""

from cutover import db, ledger
from cutover.backfill import quarantine
from cutover.backfill.complete import why_incomplete
from cutover.backfill.crew import live
from cutover.backfill.progress import Progress, Status, status, totals
from cutover.backfill.run import run
from cutover.mapping import Binding
from cutover.sql import query

__all__ = ["Progress", "Status", "live", "quarantine", "reset", "run", "status", "totals", "why_incomplete"]


def reset(binding: Binding) -> None:
    """Forget what was done; the rows stay, and a new run finds them. A worker that still runs loses its segment."""
    with db.read_committed(binding.alias):
        db.run(binding.alias, query("backfill", "reset"), {"name": binding.name})
        ledger.set_backfilled(binding.alias, binding.name, False)
