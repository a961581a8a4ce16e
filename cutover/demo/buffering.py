"""The part of the story that only `--handler buffered` has: a Redis of its own, and what happens to it and to the flusher.

Note [Disorder]: lines of one job that all go through the buffer keep the order in which they were put in. Where some go straight
to PostgreSQL meanwhile (a fleet that learns of the buffer process by process, a Redis that is gone), those come first, and what
waited comes after them. The oracle is told from when to when that was, and asks for no order among those lines; that each is
there, and once, it asks of them as of all.
"""

import json
from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import Any

from cutover.demo import oracle
from cutover.demo.events import Event, Noted
from cutover.demo.project import NAME
from cutover.demo.redisserver import RedisFailed, RedisServer
from cutover.demo.stage import PATIENCE, Stage, StoryFailed
from cutover.demo.summary import Buffered
from cutover.phase import Phase

FLUSHER = "flusher-1"
GONE = 1.0  # seconds without a flusher, or without Redis
NOT_ASKED = timedelta(seconds=1.5)  # for so long after Redis is back, a process may not have asked it again


def server() -> RedisServer:
    """A Redis that has on disk what it has answered, so that SIGKILL loses nothing. Raises RedisFailed."""
    if find_spec("redis") is None:
        raise RedisFailed("The package `redis` is not installed.", hint="Run: pip install 'django-cutover[redis]'")
    # It writes before it answers; only with "everysec" it may answer first. The machine itself is not cut off here.
    return RedisServer(appendonly="yes", appendfsync="no")


def begin(stage: Stage) -> Iterator[Event]:
    """Bring the first flag to the fleet, and with it the setting, from which on lines are buffered. See Note [Disorder]."""
    if stage.redis is None:
        yield from stage.flag(Phase.ADD_TABLE)
        return
    stage.summary.buffer = Buffered()
    oracle.disorder(stage.connection, oracle.now(stage.connection))
    yield from stage.flag(Phase.ADD_TABLE)
    yield from ordered(stage)


def lose_flusher(stage: Stage) -> Iterator[Event]:
    """SIGKILL in the middle of whatever it does; after a while there is another."""
    if stage.summary.buffer is None:
        return
    killed = stage.fleet.kill_one(FLUSHER)
    stage.summary.buffer.flushers_killed += 1
    yield Noted("the flusher has been killed; the writers go on")
    yield from stage.dwell(0, at_least=GONE)
    yield from stage.watched(stage.fleet.start_again(killed))


def lose_redis(stage: Stage) -> Iterator[Event]:
    """SIGKILL, and for a while none; the writers write straight to PostgreSQL. See Note [Disorder]."""
    if stage.redis is None or stage.summary.buffer is None or stage.dual_since is None:
        return
    oracle.disorder(stage.connection, oracle.all_flushed_before(stage.connection, stage.dual_since))
    stage.redis.kill()
    stage.summary.buffer.redis_killed += 1
    yield Noted("Redis has been killed; the writers go on")
    yield from stage.dwell(0, at_least=GONE)
    stage.redis.start()
    yield from ordered(stage)


def ordered(stage: Stage) -> Iterator[Event]:
    """Wait until all is flushed that was written before every process had found the buffer."""
    found_by = oracle.now(stage.connection) + NOT_ASKED
    limit = found_by + timedelta(seconds=PATIENCE)
    while (waits := (yield from oldest(stage))) <= found_by:
        if oracle.now(stage.connection) > limit:
            raise StoryFailed(f"The flusher does not get on: a line of {waits:%H:%M:%S} still waits.")
        yield from stage.dwell(0)
    oracle.order(stage.connection)


def oldest(stage: Stage) -> Generator[Event, None, datetime]:
    """A time before which everything has left Redis, and what waited for its parent then is flushed.

    Enough for the end of a disorder: what waits still was put in before whatever comes, and stays before it.
    """
    asked = oracle.now(stage.connection)
    found = yield from status(stage)
    waits = [asked - timedelta(seconds=found["oldest"])]
    if found["waiting_since"]:
        waits.append(datetime.fromisoformat(found["waiting_since"]))
    return min(waits)


def status(stage: Stage) -> Generator[Event, None, dict[str, Any]]:
    (done,) = yield from stage.run(stage.project.cutover("status", NAME, "--json"))
    found = json.loads(done.out)
    return dict((found[0] if isinstance(found, list) else found)["buffer"])


def empty(stage: Stage) -> Iterator[Event]:
    """Nobody writes any more: flush what is left, and count."""
    buffer = stage.summary.buffer
    if buffer is None:
        return
    yield from stage.insist(stage.project.cutover("flush", NAME, "--once", "--json"))
    found = yield from status(stage)
    buffer.lines, buffer.past, buffer.lost = found["flushed"], found["past"], found["lost"]
    buffer.left = (found["entries"] or 0) + found["waiting"] + found["dead"]
