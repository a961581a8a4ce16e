"""The streams of a cutover in Redis: their names, reading them, taking entries out, how far behind they are.

A parent's entries all stand in one stream, in the order in which Redis took them. The number of streams never changes: a
parent whose entries stood in two would have no order.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cutover import conf
from cutover.buffer.entry import Entry
from cutover.errors import CutoverError, DeclarationError

SHARDS = 8  # as many flushers of one cutover can work at a time
PREFIX = "cutover"


class RedisGone(CutoverError):
    """Redis cannot be reached, or did not answer in time."""


def shard_of(parent_key: str) -> int:
    """The stream of a parent; the same in every process and release."""
    return zlib.crc32(parent_key.encode()) % SHARDS


def stream_name(name: str, shard: int) -> str:
    return f"{PREFIX}:{name}:{shard}"


def tokens_name(name: str) -> str:
    """A hash: for each stream the token by which a Redis that has forgotten is known."""
    return f"{PREFIX}:{name}:tokens"


def pool() -> Any:
    """Where connections are made, as the settings say.

    Raises:
        DeclarationError: no address is set, it is none, or the package is not installed.
    """
    url = conf.redis_url()
    if url is None:
        raise DeclarationError(
            "CUTOVER_REDIS_URL is not set, so there is no buffer.",
            hint="Set it to an address such as redis://host:6379/0.",
        )
    return made(url, conf.redis_timeout().total_seconds())


@lru_cache(maxsize=8)
def made(url: str, seconds: float) -> Any:
    try:
        from redis import ConnectionPool
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as missing:
        raise DeclarationError(
            "The package `redis` is not installed.", hint="Run: pip install 'django-cutover[redis]'"
        ) from missing
    try:
        # Version 2 of the protocol, for a client of the third does not look whether a connection at rest has been closed.
        return ConnectionPool.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=True,
        )
    except ValueError as error:
        raise DeclarationError(
            f"CUTOVER_REDIS_URL is no address: {error}", hint="Write redis://host:6379/0."
        ) from error


@contextmanager
def client() -> Iterator[Any]:
    """A client for reading; its errors are told.

    Raises:
        RedisGone: Redis cannot be reached, or refuses.
    """
    where = pool()
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        yield Redis(connection_pool=where)
    except RedisError as error:
        raise RedisGone(
            f"Redis cannot be used: {str(error).rstrip('.')}.", hint="What is in it stays there; see that it runs."
        ) from error


def take(name: str, shard: int, *, count: int, after: str = "-") -> list[Entry]:
    """The oldest entries of a stream; they stay there. What stands before was taken out, never skipped."""
    with client() as redis:
        found = redis.xrange(stream_name(name, shard), min=after if after == "-" else f"({after}", count=count)
    return [entry(id_, fields) for id_, fields in found]


def entry(id_: str, fields: dict[str, str]) -> Entry:
    """What somebody else put there is an entry without a writer."""
    writer, _, number = fields.get("w", "").partition(":")
    whole = number.isdigit() and "k" in fields and "v" in fields
    if not whole:
        return Entry(id_, "?" + id_[:31], 1, fields.get("k", ""), fields.get("v", repr(fields)))
    return Entry(id_, writer, int(number), fields["k"], fields["v"])


def forget(name: str, shard: int, ids: list[str]) -> None:
    """Take entries out, each by its id: a range could hold what came meanwhile, in a Redis whose ids went back."""
    if ids:
        with client() as redis:
            redis.xdel(stream_name(name, shard), *ids)


def tokens(name: str) -> dict[int, str]:
    with client() as redis:
        return {int(shard): str(token) for shard, token in redis.hgetall(tokens_name(name)).items()}


def tell_token(name: str, shard: int, token: str) -> None:
    with client() as redis:
        redis.hset(tokens_name(name), str(shard), token)


@dataclass(frozen=True)
class Backlog:
    """What waits in Redis: entries, and since when the oldest does, in seconds of Redis's clock."""

    entries: int
    oldest: float


def backlogs(name: str) -> dict[int, Backlog]:
    """Of every stream that holds something."""
    with client() as redis:
        pipe = redis.pipeline(transaction=False)
        pipe.time()
        for shard in range(SHARDS):
            pipe.xlen(stream_name(name, shard))
            pipe.xrange(stream_name(name, shard), count=1)
        (seconds, micros), *answers = pipe.execute()
    now = seconds + micros / 1e6
    found = {}
    for shard in range(SHARDS):
        length, first = answers[2 * shard : 2 * shard + 2]
        if first:
            found[shard] = Backlog(length, max(0.0, now - entry(*first[0]).age_base))
    return found


def evicts() -> str:
    """The policy by which Redis throws away keys that have no end, or empty: under such a policy it loses entries."""
    with client() as redis:
        policy = str(redis.info("memory").get("maxmemory_policy", ""))
    return policy if policy.startswith("allkeys") else ""
