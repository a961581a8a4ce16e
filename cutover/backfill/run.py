"""A worker of the backfill, from its first segment to the last look over everything. Any number of them may run.

It yields after each commit, and while it waits; the core never prints. What was committed stays, whenever it ends.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from cutover import beside, caches, chunk, db, ledger
from cutover.backfill import attempts, difference, lease, plan, pool, throttle, work
from cutover.backfill.finish import finish
from cutover.backfill.progress import Progress
from cutover.backfill.throttle import Custom, looks
from cutover.backfill.work import Job
from cutover.chunk import Pace
from cutover.errors import Refused
from cutover.mapping import Binding
from cutover.phase import Phase

LOCKING_PARENTS = 100
MOST_PARENTS = 20_000  # their keys come to the worker
MOST_ELEMENTS = 250_000  # these do not; what the server sorts beyond its work_mem goes to disk
MOST_BYTES = 64 * 1024 * 1024
PYTHON_BYTES = 4 * 1024 * 1024  # a document in Python takes ten times its text


def run(
    binding: Binding,
    *,
    worker: str = "",
    target: timedelta | None = None,
    stop: Callable[[], bool] | None = None,
    hold: Custom | None = None,
) -> Iterator[Progress]:
    """Work until everything is filled; the last Progress is `finished`, unless `stop` said to stop between two chunks.

    `hold` is asked before each chunk and says why to wait, or None. `target` holds where nobody has set another (`controls`);
    without one a chunk takes half a second, and a twentieth while others are at work, with a rest after each; workers are told
    from them by the name of their connection, `cutover backfill`, as the command line gives it.

    Raises:
        Refused: rows are not written yet, or the column is gone.
        Busy: a parent stayed locked by somebody else.
        Incomplete: elements without a row stay after several rounds; it names a parent.
        DeclarationError: the declaration does not say how an element becomes a row, or a setting is not what it should be.
    """
    for step in (permit, throttle.check, plan.make):
        attempts.steady(binding.alias, partial(step, binding))
    job = Job(
        binding, worker or lease.this_worker(), pace(binding, target or chunk.TARGET), stop or never, hold, target
    )
    try:
        yield from told(binding, segments(job))
        if not job.stop():
            yield from told(binding, finish(job))
    finally:
        beside.close(binding.alias)
        pool.close()
        job.post.leave()


def told(binding: Binding, steps: Iterator[Progress]) -> Iterator[Progress]:
    """Pass the steps on, and tell the query caches of each that may have brought rows."""
    for step in steps:
        if step.chunk_parents or step.finished:
            caches.changed(binding, None, lists=False, rows=True)
        yield step


def never() -> bool:
    return False


def permit(binding: Binding) -> None:
    db.require_commits(binding.alias, "a chunk")
    entry = ledger.read(binding.alias, binding.name)
    if entry.dropped_at is not None:
        raise Refused(
            f"The column of {binding.name} was dropped at {entry.dropped_at:%Y-%m-%d %H:%M}.",
            hint="Nothing is left to do.",
        )
    if entry.phase < Phase.DUAL_WRITE:
        raise Refused(
            f"{binding.name} is at {entry.phase.name}; the backfill runs from DUAL_WRITE on.",
            hint=f"Run `cutover advance {binding.name} {Phase(entry.phase + 1).name}`.",
        )


def pace(binding: Binding, target: timedelta) -> Pace:
    """How chunks begin and how large they get; small ones where parents are locked or pass through Python."""
    if binding.cutover.rewrites:
        return Pace(target=min(target, chunk.LOCKING), longest=chunk.LOCKING, largest=LOCKING_PARENTS, parents=10)
    if not difference.compiles(binding):
        return Pace(target=target, largest=MOST_PARENTS, most_bytes=PYTHON_BYTES)
    return Pace(target=target, largest=MOST_PARENTS, most_elements=MOST_ELEMENTS, most_bytes=MOST_BYTES)


def segments(job: Job) -> Iterator[Progress]:
    """One free segment after the other; then wait for those that others hold, and take over what they leave."""
    pauses = looks()
    while not job.stop():
        surplus = job.surplus()
        segment = None if surplus else job.steady(lambda: lease.take(job.binding, job.worker))
        if segment is not None:
            pauses = looks()
            yield from work.segment(job, segment)
            continue
        now = job.totals()
        if now.segments_done == now.segments:
            return
        yield job.wait(now, surplus or "The last segments are held by other workers.")
        next(pauses)
