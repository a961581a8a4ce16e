"""Flushing: what waits in the buffer becomes rows, lists, or both, as the phase asks at that moment; each entry exactly once."""

from cutover.flush.dead import Dead, discard, listing, retry
from cutover.flush.drain import drain
from cutover.flush.run import Step, run
from cutover.flush.status import Status, status
from cutover.flush.unflushed import unflushed

__all__ = ["Dead", "Status", "Step", "discard", "drain", "listing", "retry", "run", "status", "unflushed"]
