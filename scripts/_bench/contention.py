"""Writers and holders on the same jobs: what each process does, and what became of its lines."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import Error, connection, transaction
from django.db.models import F

import stages
from _bench.appends import WAYS, Way
from cutover import lease
from cutover.errors import CutoverError
from project.jobs.cutovers import JobLogs

HELD, FREE = 0.2, 0.1  # seconds for which a holder holds the job, and lets go of it
STALLED = 0.5  # what every fifth hold takes: longer than the server lets a transaction be idle
IDLE_LIMIT = "300ms"
TEXT = "Result saved: classification moth_order_v3, 0.93 best score; writer {} line {}"


@dataclass
class Tally:
    """What one process did.

    Attributes:
        lines: job, writer and number of each line that was written, as far as it could know.
        seconds: of each of these appends; for writers only.
        failed: lines whose append raised, or whose transaction did.
        errors: how often something was raised, by class.
    """

    lines: list[tuple[int, int, int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def error(self, what: BaseException) -> None:
        name = type(what.__cause__ or what).__name__
        self.errors[name] = self.errors.get(name, 0) + 1


def follow(way: Way) -> None:
    """Believe what the ledger says now; a process of the bench outlives the phases."""
    if way.phase is not None:
        stages.set_flags("job_logs", stages.Phase(way.phase))
        setattr(JobLogs, "buffer", way.buffer)  # noqa: B010 - a declaration of a version without one has no such attribute
    lease.forget()
    connection.ensure_connection()


def warm(name: str, job: int) -> None:
    """One line that nobody counts: whatever a process does but once, such as an import, it does here."""
    follow(WAYS[name])
    attempt(Tally(), lambda: WAYS[name].append(job, "warm"))


def attempt(tally: Tally, work: Callable[[], Any]) -> bool:
    """Do it; an error is counted, and a connection that it spoiled is closed, as at the end of a task."""
    try:
        work()
    except (Error, CutoverError) as error:
        tally.error(error)
        connection.close_if_unusable_or_obsolete()
        return False
    return True


def write(name: str, jobs: list[int], number: int, seconds: float) -> Tally:
    """Append without pause to one of the jobs after the other."""
    way, tally, choice = WAYS[name], Tally(), random.Random(number)  # noqa: S311 - no secret
    follow(way)
    end = time.monotonic() + seconds
    for count in itertools.count():
        began = time.monotonic()
        if began >= end:
            return tally
        job, message = choice.choice(jobs), TEXT.format(number, count)
        if attempt(tally, lambda job=job, message=message: way.append(job, message)):  # type: ignore[misc]
            tally.seconds.append(time.monotonic() - began)
            tally.lines.append((job, number, count))
        else:
            tally.failed += 1
    return tally


def hold(name: str, jobs: list[int], number: int, seconds: float, no_key: bool) -> Tally:
    """Lock a job, note its progress, log inside the block, as the case does; then let go of it."""
    way, tally, choice = WAYS[name], Tally(), random.Random(number)  # noqa: S311 - no secret
    follow(way)
    end = time.monotonic() + seconds
    for count in itertools.count():
        if time.monotonic() >= end:
            return tally
        job = choice.choice(jobs)
        if attempt(tally, lambda job=job, count=count: update_progress(way, job, number, count, no_key)):  # type: ignore[misc]
            tally.lines.append((job, number, count))
        else:
            tally.failed += 1
        time.sleep(FREE)
    return tally


def update_progress(way: Way, job: int, number: int, count: int, no_key: bool) -> None:
    with transaction.atomic():
        way.parent._default_manager.select_for_update(no_key=no_key).only("pk").get(pk=job)
        way.append(job, TEXT.format(number, count))
        way.parent._default_manager.filter(pk=job).update(progress=F("progress") + 1)
        time.sleep(STALLED if count % 5 == 4 else HELD)
