"""A flusher, from its start to its end. Any number of them may run; each stream is moved by one of them at a time.

It yields after each round, and while it waits; the core never prints. What was committed stays, whenever it ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from django.db import Error, connections

from cutover import db, ledger
from cutover.backfill import attempts
from cutover.backfill.attempts import Kind
from cutover.buffer import SHARDS, streams
from cutover.buffer.streams import RedisGone
from cutover.errors import Busy, Refused
from cutover.flush import batch, store
from cutover.flush.batch import Batch
from cutover.flush.patience import OVERDUE_SECONDS, Patience
from cutover.mapping import Binding

IDLE_SECONDS = 0.1  # between two looks into empty streams
GONE_SECONDS = 1.0  # between two tries where Redis or the database is gone
BUSY_SECONDS = 30.0  # that one who flushes once waits for another flusher
PRUNE_SECONDS = 600.0


@dataclass(frozen=True)
class Step:
    """What a flusher has done since its start.

    Attributes:
        entries: of the buffer, that became rows.
        kept: that were left to wait for their parent.
        dead: that cannot become rows.
        waiting: why it waits; empty where it works.
        idle: whether there was nothing to do in this round.
        busy: streams that another flusher was moving.
    """

    entries: int = 0
    kept: int = 0
    dead: int = 0
    waiting: str = ""
    idle: bool = False
    busy: tuple[int, ...] = ()

    def plus(self, found: Batch) -> Step:
        return replace(
            self, entries=self.entries + found.written, kept=self.kept + found.kept, dead=self.dead + found.dead
        )

    def as_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key not in ("idle", "busy")}


def never() -> bool:
    return False


def run(
    binding: Binding, *, once: bool = False, stop: Callable[[], bool] = never, overdue: float = OVERDUE_SECONDS
) -> Iterator[Step]:
    """Move entries until `stop` says so between two batches; with `once`, until the streams are empty.

    Args:
        overdue: seconds that a parent may be locked before it is waited for; with `once` none.

    Raises:
        Refused: the toolkit's tables are not there.
        DeclarationError: no buffer is set, or it cannot be used.
        RedisGone, Busy, django.db.Error: with `once`. Without it, it waits and tries again.
    """
    attempts.steady(binding.alias, partial(permit, binding))
    flusher = Flusher(binding, stop, Patience(0.0 if once else overdue))
    pruned, until = 0.0, time.monotonic() + BUSY_SECONDS
    while True:
        if time.monotonic() - pruned > PRUNE_SECONDS:
            attempts.steady(binding.alias, partial(store.prune, binding))
            pruned = time.monotonic()
        step = attempts.steady(binding.alias, flusher.moved) if once else flusher.tried()
        yield step
        if stop() or (once and step.idle and not step.busy):
            return
        if once and step.busy and time.monotonic() > until:
            raise Busy(
                f"Another flusher of {binding.name} holds {len(step.busy)} of its streams.",
                hint="It moves them itself.",
            )
        if step.idle or step.waiting:
            time.sleep(GONE_SECONDS if step.waiting else IDLE_SECONDS)


def permit(binding: Binding) -> None:
    db.require_commits(binding.alias, "a batch")
    streams.pool()
    if not ledger.installed(binding.alias):
        raise Refused(
            f"The toolkit's tables are not in the database {binding.alias!r}.",
            hint="Add 'cutover' to INSTALLED_APPS and run `manage.py migrate`.",
        )
    for shard in range(SHARDS):
        store.ensure(binding, shard)


@dataclass
class Flusher:
    """Goes over the streams, round after round. What a batch has committed is in `step`, also where the round then fails."""

    binding: Binding
    stop: Callable[[], bool]
    patience: Patience
    step: Step = field(default_factory=Step)

    def tried(self) -> Step:
        """A round; where Redis or the database is gone, or in the way, the reason to wait."""
        try:
            return replace(self.moved(), waiting="")
        except RedisGone as gone:
            return replace(self.step, waiting=str(gone), idle=True)
        except Error as error:
            if attempts.kind(error) in (Kind.DATA, Kind.BUG):
                raise
            connections[self.binding.alias].close()
            return replace(self.step, waiting=str(db.translate(error) or error), idle=True)

    def moved(self) -> Step:
        """A round over all streams: a batch of each that has one. It waits for one parent at most."""
        standing, told = store.standing(self.binding), streams.tokens(self.binding.name)
        awaited = self.patience.choose()
        busy, active = [], False
        for shard in range(SHARDS):
            if self.stop():
                break
            here = awaited if awaited is not None and awaited[0] == shard else None
            found = batch.move(
                self.binding, shard, standing=standing, told=told.get(shard, ""), awaited=here[1] if here else None
            )
            if found is None:
                busy.append(shard)
                found = Batch()
            self.patience.saw(shard, found.locked, found.keys, here)
            active = active or bool(found.read or found.written or found.dead)
            self.step = self.step.plus(found)
        return replace(self.step, idle=not active and self.patience.due() is None, busy=tuple(busy))
