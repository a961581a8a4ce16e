"""What this process believes: the ledger's entry, read at most one lease ago, and the phase at which it therefore runs."""

import math
import time
from dataclasses import dataclass

from cutover import conf, fleet, ledger, marks
from cutover.flags import Flags, effective
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase


@dataclass(frozen=True)
class Lease:
    """The belief of a process, until `expires` on its monotonic clock or `expires_on_the_wall`, whichever comes first.

    The monotonic clock stands still while a machine sleeps, the one on the wall may be set back; one of them goes on.

    Attributes:
        phase: the phase at which the process runs; the ledger's, or one before it.
        fenced: whether the ledger's table is there, so that a write can carry the fence.
        complete: whether the last phase has settled with every element of JSON in a row; no foreign write waits for a visit.
    """

    entry: Entry
    flags: Flags
    phase: Phase
    fenced: bool
    expires: float
    complete: bool = False
    expires_on_the_wall: float = math.inf

    @property
    def over(self) -> bool:
        return self.expires <= time.monotonic() or self.expires_on_the_wall <= time.time()

    @property
    def rows_alone(self) -> bool:
        """Whether every element has a row, so that the lists in JSON count for nothing."""
        return self.complete or self.entry.dropped_at is not None


_held: dict[tuple[str, str], Lease] = {}


def current(binding: Binding) -> Lease:
    """The belief, read anew when the lease is over."""
    held = _held.get((binding.alias, binding.name))
    if held is None or held.over:
        return renew(binding)
    return held


def believed(binding: Binding) -> Lease | None:
    """What was last read, however long ago; asks nobody. For where no query may be made."""
    return _held.get((binding.alias, binding.name))


def renew(binding: Binding) -> Lease:
    """Read the ledger now, and tell the fleet that this process is alive."""
    started, wall, lasts = time.monotonic(), time.time(), conf.lease().total_seconds()
    entry = ledger.read(binding.alias, binding.name)
    flags = conf.flags(binding.name)
    phase = entry.phase if entry.dropped_at else effective(entry.phase, flags, entry.came_from)
    fenced = ledger.installed(binding.alias)
    held = Lease(entry, flags, phase, fenced, started + lasts, complete(binding, entry, phase), wall + lasts)
    _held[binding.alias, binding.name] = held
    if fenced and entry.writable:
        fleet.seen(binding.alias, binding.name, flags, phase, has_field=binding.field is not None)
    return held


def complete(binding: Binding, entry: Entry, phase: Phase) -> bool:
    """Whether rows alone say everything.

    A foreign write that was open when the last phase was entered has committed when that has settled, and then its mark is seen.
    """
    if phase is not Phase.BACKFILL_AND_DROP or not entry.settled or entry.backfilled_at is None:
        return False
    return not marks.count_dirty(binding.alias, binding.name)


def forget() -> None:
    """Believe nothing; for tests, and after a fence has said that the ledger moved."""
    _held.clear()
