"""Before a list is rewritten: what the buffer holds for its parent comes first, for it is older."""

from __future__ import annotations

import time

from cutover import conf
from cutover.buffer import outage, shard_of
from cutover.buffer.streams import RedisGone
from cutover.errors import Busy
from cutover.flush import batch, store
from cutover.mapping import Binding

SECONDS = 10.0
PAUSE = 0.02


def drain(binding: Binding, parent_key: str) -> None:
    """Move the stream of this parent as far as it reaches now; also inside a transaction, and then a part of it.

    Where Redis does not answer, the rewrite goes first, and what is in Redis comes after it.

    Raises:
        Busy: somebody else holds the stream, or the parent, for too long.
    """
    if not binding.cutover.buffer or conf.redis_url() is None or outage.of(binding.name).known:
        return
    shard, limit = shard_of(parent_key), time.monotonic() + SECONDS
    store.ensure(binding, shard)
    try:
        while not drained(binding, shard, parent_key):
            if time.monotonic() > limit:
                raise Busy(
                    f"The buffer of {binding.name} could not be emptied before the rewrite: somebody holds the parent.",
                    hint="Write again.",
                )
            time.sleep(PAUSE)
    except RedisGone as gone:
        outage.of(binding.name).begin(str(gone))


def drained(binding: Binding, shard: int, parent_key: str) -> bool:
    """Whether nothing of this parent waits any more; a parent that is not there is not waited for."""
    after = "-"
    while (found := batch.move(binding, shard, after=after)) is not None:
        if found.whole:
            return parent_key not in found.locked
        after = found.last
    return False
