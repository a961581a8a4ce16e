"""What is shown: rich on a terminal, plain when piped, JSON when asked. Data goes to stdout, talk to stderr."""

from cutover.render.console import document, error, say, table
from cutover.render.findings import findings
from cutover.render.movement import movement
from cutover.render.progress import progress
from cutover.render.status import status
from cutover.render.verdicts import verdicts

__all__ = ["document", "error", "findings", "movement", "progress", "say", "status", "table", "verdicts"]
