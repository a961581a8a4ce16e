"""Appends to one hot job that another process locks again and again, as the progress updates of a real application do.

The legacy handler (read, change, save) is compared with each way in which the toolkit writes.
"""

import time
from typing import Any

from _bench import common
from _bench.common import Options, Ratio, Report, Table

SECTIONS = ("append",)
HELD_SECONDS = 0.02  # how long the locker holds the job, and then lets go of it
WAYS = {"legacy": 0, "JSON, atomic": 1, "JSON and rows": 2, "rows": 4}


def measure(options: Options) -> Report:
    """Appends per second and the longest wait, for each way."""
    report = Report("append to one job that is locked again and again")
    found = {way: append(way, phase, options) for way, phase in WAYS.items()}
    rows = [
        (way, f"{each['per_second']:.0f}/s", f"{each['longest_wait'] * 1000:.0f} ms") for way, each in found.items()
    ]
    report.tables.append(Table(f"{report.name}, {options.writers} writers", ("", "rate", "longest wait"), rows))
    report.ratios = [
        Ratio(f"{way} / legacy", each["per_second"] / found["legacy"]["per_second"])
        for way, each in found.items()
        if way != "legacy"
    ]
    report.figures = found
    return report


def append(way: str, phase: int, options: Options) -> dict[str, float]:
    from project.jobs.models import Job

    common.at_phase("job_logs", phase)
    job = Job.objects.create(name=way).pk
    works = [(write, (way, job, options.seconds, number)) for number in range(options.writers)]
    done = common.together([(lock, (job, options.seconds)), *works])[1:]
    return {
        "per_second": sum(each.result[0] for each in done) / options.seconds,
        "longest_wait": max(each.result[1] for each in done),
    }


def lock(job: int, seconds: float) -> None:
    """Hold the job again and again, as an application that updates its progress."""
    from django.db import transaction

    from project.jobs.models import Job

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with transaction.atomic():
            Job.objects.select_for_update().get(pk=job)
            time.sleep(HELD_SECONDS)
        time.sleep(HELD_SECONDS / 10)


def write(way: str, job: int, seconds: float, number: int) -> tuple[int, float]:
    """How many lines were written, and the longest wait for one."""
    from django.utils import timezone

    import cutover

    logs: Any = cutover.use("job_logs")
    count, longest, end = 0, 0.0, time.monotonic() + seconds
    while (started := time.monotonic()) < end:
        message = f"line {count} of writer {number}"
        if way == "legacy":
            legacy(job, message)
        else:
            logs.append(job, level="INFO", message=message, created_at=timezone.now())
        longest = max(longest, time.monotonic() - started)
        count += 1
    return count, longest


def legacy(pk: int, message: str) -> None:
    """The handler as it was: read, change, save; it loses lines, and is as fast as that makes it."""
    from django.utils import timezone

    from project.jobs.models import Job

    job = Job.objects.get(pk=pk)
    line = f"[{timezone.now():%Y-%m-%d %H:%M:%S}] INFO {message}"
    if line not in job.logs["stdout"]:
        job.logs["stdout"].insert(0, line)
        job.logs["stdout"] = job.logs["stdout"][:1000]
    job.save(update_fields=["logs"])
