"""What the commands show, by its name. It imports all of it: the start of the command line and `check` import theirs alone."""

from cutover.render.adoption import adoption
from cutover.render.console import document, error, line, say, table
from cutover.render.dryrun import dry_run
from cutover.render.findings import findings, summary
from cutover.render.flushing import buffer, flushing
from cutover.render.mending import actions, rehydrated
from cutover.render.movement import movement
from cutover.render.progress import Step, last, progress
from cutover.render.quarantine import CUT, quarantine, quarantined
from cutover.render.shadow import shadow
from cutover.render.status import status
from cutover.render.verdicts import verdicts
from cutover.render.verification import sides, verification

__all__ = [
    "CUT",
    "buffer",
    "flushing",
    "Step",
    "actions",
    "adoption",
    "document",
    "dry_run",
    "error",
    "findings",
    "last",
    "line",
    "movement",
    "progress",
    "quarantine",
    "quarantined",
    "rehydrated",
    "say",
    "shadow",
    "sides",
    "status",
    "summary",
    "table",
    "verdicts",
    "verification",
]
