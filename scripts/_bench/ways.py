"""The ways to bring history into rows that are compared; each runs in a process of its own, after Django is set up."""

import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from django.db import models

from _bench import codecs, common
from cutover import backfill, beside
from cutover.backfill import pool
from cutover.cli import project as command_line
from cutover.codecs import Codec
from cutover.mapping import Binding, bind
from project.jobs.models import Job, JobLog
from project.shapes.models import Device, Event

BATCH = 5000

# What somebody who knows exactly these tables would write: one transaction, and no look at what an element is.
LIMITS = {
    "job_logs": """
        INSERT INTO jobs_joblog (job_id, position, created_at, level, message)
        SELECT j.id, -l.n, substring(l.line FROM 2 FOR 19)::timestamp AT TIME ZONE 'UTC', split_part(l.line, ' ', 3),
               substr(l.line, 24 + length(split_part(l.line, ' ', 3)))
        FROM jobs_job j CROSS JOIN jsonb_array_elements_text(j.logs -> 'stdout') WITH ORDINALITY l(line, n)
    """,
    "device_events": """
        INSERT INTO shapes_event (device_id, position, kind, count, at, extra)
        SELECT d.id, e.n - jsonb_array_length(d.events) - 1, e.event ->> 'kind', (e.event ->> 'count')::integer,
               (e.event ->> 'at')::timestamptz, e.event - '{kind,count,at}'::text[]
        FROM shapes_device d CROSS JOIN jsonb_array_elements(d.events) WITH ORDINALITY e(event, n)
    """,
}


def limit(name: str) -> None:
    """Everything by one statement, in one transaction."""
    common.sql(LIMITS[name])


# By hand


def by_hand(name: str, parents: int) -> None:
    """The loop that everybody writes: the model's iterator, every element taken apart, `bulk_create` in batches.

    Only so many parents: the rest is a matter of more time alone.
    """
    in_batches({"job_logs": lines, "device_events": events}[name](parents))


def with_codec(name: str, parents: int, times: str) -> None:
    """The same loop with the codec of the project."""
    in_batches({"job_logs": coded_lines, "device_events": coded_events}[name](parents, codec(name, times)))


def codec(name: str, times: str) -> Codec:
    made = {"job_logs": codecs.Line, "device_events": codecs.Event}[name]
    return made(codecs.TIMES[times])


def in_batches(rows: Iterable[models.Model]) -> None:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            type(row)._default_manager.bulk_create(batch, batch_size=BATCH)
            batch = []
    if batch:
        type(batch[0])._default_manager.bulk_create(batch, batch_size=BATCH)


def lines(parents: int) -> Iterator[JobLog]:
    for job in Job.objects.all()[:parents].iterator():
        for number, line in enumerate(job.logs["stdout"], 1):
            _, _, level, message = line.split(" ", 3)
            at = datetime.strptime(line[1:20], codecs.LINE_TIME).replace(tzinfo=UTC)
            yield JobLog(job=job, position=-number, created_at=at, level=level, message=message)


def coded_lines(parents: int, codec: Codec) -> Iterator[JobLog]:
    for job in Job.objects.all()[:parents].iterator():
        for number, line in enumerate(job.logs["stdout"], 1):
            yield JobLog(job=job, position=-number, **codec.decode(line))


def events(parents: int) -> Iterator[Event]:
    for device in Device.objects.all()[:parents].iterator():
        for number, event in enumerate(device.events, -len(device.events)):
            rest = {key: value for key, value in event.items() if key not in ("kind", "count", "at")}
            at = datetime.strptime(event["at"], codecs.EVENT_TIME).replace(tzinfo=UTC)
            kind, count = event["kind"], event["count"]
            yield Event(device=device, position=number, kind=kind, count=count, at=at, extra=rest)


def coded_events(parents: int, codec: Codec) -> Iterator[Event]:
    for device in Device.objects.all()[:parents].iterator():
        for number, event in enumerate(device.events, -len(device.events)):
            yield Event(device=device, position=number, **codec.decode(event))


# By the toolkit


@dataclass(frozen=True)
class Worked:
    """What one worker did.

    Attributes:
        chunks: seconds and parents of each chunk.
        filled: seconds until the last segment was done; what is left is the last look over everything.
        moved: elements of all workers.
        helpers_mib: the peak of the processes that decoded beside it, together.
    """

    chunks: list[tuple[float, int]]
    filled: float
    moved: int
    helpers_mib: float


def worker(name: str, *, custom: str = "", seconds: float | None = None, second: bool = True) -> Worked:
    """A worker of the backfill as the command line runs it, to its end or for some seconds.

    `custom` names the codec's times; without a `second` connection it works as it does where it is not alone.
    """
    began = time.monotonic()
    options: dict[str, Any] = {}
    if seconds is not None:
        options["stop"] = lambda: time.monotonic() > began + seconds
    chunks, filled, moved, helpers = [], 0.0, 0, list[float]()
    end = pool.Helper.end

    def weighed(helper: pool.Helper) -> list[pool.Unit]:
        if not helper.ended:
            helpers.append(common.peak_mib(helper.process.pid))
        return end(helper)

    with (
        command_line.named("backfill"),
        nullcontext() if second else patch.object(beside, "begun", refused),
        patch.object(pool.Helper, "end", weighed),
    ):
        for step in backfill.run(without_sql(bind(name), custom) if custom else bind(name), **options):
            if step.chunk_parents:
                chunks.append((step.seconds, step.chunk_parents))
                filled, moved = time.monotonic() - began, step.elements
    return Worked(chunks, filled, moved, sum(helpers))


def refused(*_: object) -> None:
    raise beside.Unavailable


def without_sql(binding: Binding, times: str) -> Binding:
    """The cutover as if its first stream had a codec of the project's own."""
    stream, *others = binding.streams
    return replace(binding, streams=(replace(stream, codec=codec(binding.name, times).bind(binding.kinds)), *others))
