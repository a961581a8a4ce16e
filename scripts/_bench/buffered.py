"""Appends that wait in Redis, beside a flusher that moves them: the server, the flusher, and what is left at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, util

from cutover.errors import CutoverError
from cutover.mapping import bind

MISSING = "Buffered appends are not in this version and were not measured."


@contextmanager
def redis() -> Iterator[str]:
    """A Redis for this process and its children; yields why there is none, or an empty text."""
    if not util.find_spec("cutover.flush"):
        yield MISSING
        return
    module = import_module("cutover.demo.redisserver")
    try:
        server = module.RedisServer()
    except CutoverError as error:
        yield f"Buffered appends were not measured: {error}"
        return
    with server:
        os.environ["CUTOVER_REDIS_URL"] = server.uri
        try:
            yield ""
        finally:
            del os.environ["CUTOVER_REDIS_URL"]


def flusher(seconds: float) -> int:
    """Move what waits, for so long; how many entries."""
    end, entries = time.monotonic() + seconds, 0
    for step in import_module("cutover.flush").run(bind("job_logs"), stop=lambda: time.monotonic() > end):
        entries = step.entries
    return entries


def rest() -> int:
    """Move what is left."""
    *_, last = import_module("cutover.flush").run(bind("job_logs"), once=True)
    return int(last.entries)
