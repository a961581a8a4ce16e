"""One connection that nobody is in the way of: an append against `create()`, and a thousand rows against `bulk_create`.

The same table and the same columns for all. Beside the rate stands the time of the processors, of this process and of its
backend: on a machine with a slow disk, or with others on it, the wait for the commit is the same for all and hides the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from django.db import connection
from django.utils import timezone

from _bench import common
from _bench.appends import LOGS
from _bench.common import Options, Ratio, Report, Table
from project.jobs.models import Job, JobLog

SECTION = "single"
MESSAGE = "Result saved: classification moth_order_v3, 0.93 best score; line {}"
MANY = 1000
SLICE = 0.15  # seconds of each way before the next has its turn
PREPARED = "append, phase 4, prepared"
CREATE, BARE, APPEND = "create()", "INSERT by hand", "append, phase 4"
BULK, EXTEND = f"bulk_create, {MANY:,}", f"extend, phase 4, {MANY:,}"
Found = dict[str, dict[str, list[float]]]  # way; rates, and microseconds of processors for a row, of each slice
RATES, COSTS = "rates", "costs"
GOALS = ((APPEND, CREATE, 1.1), (PREPARED, CREATE, None), (BARE, CREATE, None), (EXTEND, BULK, 2.5))


def add(report: Report, options: Options) -> None:
    """The rates of each way, and the ratios that are promised."""
    common.at_phase("job_logs", 4)
    found: Found = common.alone(by_turns, max(3.0, options.seconds * options.rounds)).result
    rows = [
        (way, f"{common.median(each[RATES]):,.0f}/s", f"{common.median(each[COSTS]):,.0f} µs" if each[COSTS] else "")
        for way, each in found.items()
    ]
    header = ("", "rows/s", "processors, per row")
    report.tables.append(Table("one connection, nobody in its way", header, rows))
    for over, under, goal in GOALS:
        one, other = found[over], found[under]
        each = tuple(a / b for a, b in zip(one[RATES], other[RATES], strict=True))
        report.ratios.append(Ratio(f"{over} / {under}, rate", common.median(each), goal, rounds=each))
        each = tuple(b / a for a, b in zip(one[COSTS], other[COSTS], strict=True))
        if each:
            name = f"{over} / {under}, rows by time of processors"
            report.ratios.append(Ratio(name, common.median(each), rounds=each))
    report.figures[SECTION] = found


def by_turns(seconds: float) -> Found:
    """Each way in many short slices."""
    job = Job.objects.create(name="single").pk
    ways = ways_to(job)
    found: Found = {way: {RATES: [], COSTS: []} for way in ways}
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(found[CREATE][RATES]) < 5:
        for way, (work, rows) in ways.items():
            prepare(5 if way == PREPARED else None)
            for _ in range(6 if way == PREPARED else 1):
                work()
            sliced(found[way], work, rows)
    return found


def prepare(threshold: int | None) -> None:
    """A new connection with that option: from so many executions on a statement is prepared."""
    connection.close()
    connection.settings_dict["OPTIONS"] = {} if threshold is None else {"prepare_threshold": threshold}
    connection.ensure_connection()


def sliced(found: dict[str, list[float]], work: Callable[[], object], rows: int) -> None:
    """Work for a slice; its rate, and what a row cost."""
    backend = Path(f"/proc/{common.sql('SELECT pg_backend_pid()')[0][0]}/schedstat")
    cost, began, count = used(backend), time.monotonic(), 0
    while time.monotonic() < began + SLICE:
        work()
        count += rows
    found[RATES].append(count / (time.monotonic() - began))
    if backend.exists():
        found[COSTS].append((used(backend) - cost) / count * 1e6)


def used(backend: Path) -> float:
    """Seconds of processors, of this process and of its backend; Linux says the latter, in nanoseconds."""
    own = time.process_time()
    return own + int(backend.read_text().split()[0]) / 1e9 if backend.exists() else own


def ways_to(job: int) -> dict[str, tuple[Callable[[], object], int]]:
    """What each way does, and how many rows that makes. Nobody looks for a time or a text that is cheaper than the others'."""

    def fields(number: int) -> dict[str, object]:
        return {"level": "INFO", "message": MESSAGE.format(number), "created_at": timezone.now()}

    def by_hand() -> None:
        with connection.cursor() as cursor:
            cursor.execute(BY_HAND, [job, *fields(1).values()])

    return {
        CREATE: (lambda: JobLog.objects.create(job_id=job, **fields(1)), 1),
        BARE: (by_hand, 1),
        APPEND: (lambda: LOGS.append(job, **fields(1)), 1),
        PREPARED: (lambda: LOGS.append(job, **fields(1)), 1),
        BULK: (lambda: JobLog.objects.bulk_create([JobLog(job_id=job, **fields(n)) for n in range(MANY)]), MANY),
        EXTEND: (lambda: LOGS.extend(job, [fields(n) for n in range(MANY)]), MANY),
    }


BY_HAND = """
INSERT INTO jobs_joblog (job_id, level, message, created_at, position)
VALUES (%s, %s, %s, %s, nextval('cutover_position_v1') * 2)
"""
