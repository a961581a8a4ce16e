"""How far the backfill is, as its worker says after each commit, and as anybody may ask. It only reads."""

from dataclasses import asdict, dataclass, field
from typing import Any

from cutover import db, ledger, marks
from cutover.backfill import controls, crew, quarantine, throttle
from cutover.backfill.controls import Controls
from cutover.backfill.crew import Worker
from cutover.mapping import Binding
from cutover.sql import query


@dataclass(frozen=True)
class Progress:
    """After a commit, or after a look at what the backfill waits for.

    Attributes:
        parents, elements: done by all workers so far; `estimate` is the number of parents, roughly.
        chunk_parents, seconds: of the last chunk of this worker.
        waiting: why it waits; empty where it goes on.
        notes: what is worth knowing and no reason to wait.
        finished: whether the backfill is complete.
    """

    name: str
    worker: str = ""
    segment: int | None = None
    segments: int = 0
    segments_done: int = 0
    parents: int = 0
    estimate: int = 0
    elements: int = 0
    quarantined: int = 0
    chunk_parents: int = 0
    seconds: float = 0.0
    waiting: str = ""
    notes: str = ""
    finished: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Status:
    """The backfill as anybody sees it.

    Attributes:
        workers: who works on what, or waits for what.
        controls: how gently they go.
        dirty: foreign writes whose parents have not been visited.
        waiting: every reason to wait, now; `notes` are none.
        complete: whether the ledger says that it is.
    """

    progress: Progress
    planned: bool
    dirty: int
    complete: bool
    controls: Controls = field(default_factory=Controls)
    workers: list[Worker] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "controls": self.controls.as_dict()}


def totals(binding: Binding, **more: Any) -> Progress:
    """All segments together, and what the caller adds."""
    found = db.one(binding.alias, query("backfill", "totals"), {"name": binding.name}) or (0, 0, 0, 0, 0)
    parents, estimate, elements, segments, done = found
    return Progress(
        binding.name,
        parents=parents,
        estimate=max(estimate, parents),
        elements=elements,
        segments=segments,
        segments_done=done,
        quarantined=quarantine.open_count(binding.alias, binding.name),
        **more,
    )


def status(binding: Binding) -> Status:
    """How far the backfill is, who works on it, and why it would wait."""
    entry, now = ledger.read(binding.alias, binding.name), totals(binding)
    return Status(
        progress=now,
        planned=now.segments > 0,
        dirty=marks.count_dirty(binding.alias, binding.name),
        complete=entry.backfilled_at is not None,
        controls=controls.read(binding),
        workers=crew.live(binding),
        waiting=throttle.reasons(binding),
        notes=throttle.notes(binding),
    )
