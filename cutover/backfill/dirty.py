"""Visit parents again: those that foreign writes have touched, and those in which the last look found a gap.

One worker at a time does it, under the token of the lane; the segments of the parents are locked as well (see `visit`).
"""

from collections.abc import Iterable

from cutover import db, marks
from cutover.backfill import visit
from cutover.backfill.lease import Segment
from cutover.backfill.visit import Visited
from cutover.chunk import Pace
from cutover.mapping import Binding
from cutover.marks import Dirty
from cutover.sql import query

AT_ONCE = 1000


def waiting(binding: Binding) -> list[Dirty]:
    """The next marks that wait for a visit, oldest first."""
    return marks.dirty(binding.alias, binding.name, limit=AT_ONCE)


def newest(binding: Binding) -> int:
    """The number of the newest mark."""
    return int(db.scalar(binding.alias, query("backfill", "newest_mark"), {"name": binding.name}))


def suspects(parents: Iterable[str]) -> list[Dirty]:
    """Parents to look at again, without a mark."""
    return [Dirty(0, parent, "") for parent in parents]


def some(found: list[Dirty], pace: Pace) -> list[Dirty]:
    """As many as a chunk takes, by parents: all marks of a parent together."""
    parents = list(dict.fromkeys(each.parent_key for each in found))[: pace.size]
    return [each for each in found if each.parent_key in set(parents)]


def again(
    binding: Binding, lane: Segment, found: list[Dirty], pace: Pace, *, precise: bool = False, alone: bool = True
) -> Visited | None:
    """Fill the parents of the first of them; None where the lane is lost."""
    return visit.again(binding, lane, some(found, pace), pace, precise=precise, alone=alone)
