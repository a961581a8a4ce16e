"""Some of the parents compared: quick, and no proof. It stores nothing, so no gate ever takes it for a verification."""

from collections.abc import Iterator

from cutover.mapping import Binding
from cutover.verify import course, detail, streaming, suspects
from cutover.verify.course import Course
from cutover.verify.result import Progress, Result
from cutover.verify.selection import Selection


def run(binding: Binding, selection: Selection) -> Iterator[Progress]:
    """Compare both sides of these parents; the last progress carries the result, whose `scope` says which they were.

    Raises:
        Refused: the column has been dropped; there is nothing to compare.
        Busy: the ledger moved meanwhile.
    """
    entry = course.comparable(binding)
    begun = course.now(binding)
    some = Course(binding, entry, Result(0, entry.epoch, begun, scope=selection.what), None)
    for page in selection.pages():
        for start in range(0, len(page), course.MOST_LOOKS):
            keys = page[start : start + course.MOST_LOOKS]
            parents = [streaming.measured(binding, look) for look in detail.look(binding, keys)]
            course.examine(some, parents)
            course.count_orphans(some, suspects.orphans_among(binding, keys).items())
            course.require_unmoved(some)
            yield Progress(some.result, len(parents))
    some.result.finished_at = course.now(binding)
    yield Progress(some.result, 0, done=True)
