"""How the buffer of a cutover stands, for `status`: what waits where, what was lost, what went past it. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cutover import conf, db
from cutover.buffer import streams
from cutover.errors import CutoverError
from cutover.mapping import Binding
from cutover.sql import query


@dataclass(frozen=True)
class Status:
    """The buffer as it stands.

    Attributes:
        declared: whether appends go into it.
        entries, oldest: what waits in Redis, and for how many seconds the oldest has; None where Redis does not say.
        problem: why Redis does not say, or what it may do to the entries.
        waiting, waiting_since: entries that wait in PostgreSQL for their parent.
        dead: entries that cannot become rows.
        flushed, flushed_at: entries that have become rows, and when the last batch was.
        lost: entries that a writer gave to Redis and that never came out of it, as far as the numbers tell.
        forgotten, forgotten_at: how often Redis had lost everything.
        past, past_at, past_reason: lines of the last day that were written straight, because Redis did not take them.
    """

    declared: bool
    entries: int | None
    oldest: float
    problem: str
    waiting: int
    waiting_since: datetime | None
    dead: int
    flushed: int
    flushed_at: datetime | None
    lost: int
    forgotten: int
    forgotten_at: datetime | None
    past: int
    past_at: datetime | None
    past_reason: str

    def as_dict(self) -> dict[str, Any]:
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in vars(self).items()}


def status(binding: Binding) -> Status | None:
    """None where there is no buffer and has never been one."""
    alias, name = binding.alias, {"name": binding.name}
    flushed, lost, forgotten, forgotten_at, flushed_at, used = db.rows(alias, query("buffer", "totals"), name)[0]
    if not binding.cutover.buffer and not used:
        return None
    apart = {state: (count, at) for state, count, at in db.rows(alias, query("buffer", "apart_totals"), name)}
    past, past_at, reason = db.rows(alias, query("buffer", "fallback_totals"), name)[0]
    entries, oldest, problem = in_redis(binding)
    waiting, since = apart.get("waiting", (0, None))
    return Status(
        declared=binding.cutover.buffer,
        entries=entries,
        oldest=oldest,
        problem=problem,
        waiting=waiting,
        waiting_since=since,
        dead=apart.get("dead", (0, None))[0],
        flushed=flushed,
        flushed_at=flushed_at,
        lost=lost,
        forgotten=forgotten,
        forgotten_at=forgotten_at,
        past=past,
        past_at=past_at,
        past_reason=reason or "",
    )


def in_redis(binding: Binding) -> tuple[int | None, float, str]:
    """How many entries there are, the age of the oldest, and what is wrong."""
    if conf.redis_url() is None:
        return None, 0.0, "CUTOVER_REDIS_URL is not set: nothing is buffered."
    try:
        found = streams.backlogs(binding.name)
        policy = streams.evicts()
    except CutoverError as error:
        return None, 0.0, str(error)
    problem = f"Redis may throw entries away: maxmemory-policy is {policy}." if policy else ""
    oldest = max((each.oldest for each in found.values()), default=0.0)
    return sum(each.entries for each in found.values()), oldest, problem
