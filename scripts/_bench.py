"""Speed and memory as ratios, measured side by side in one run on one server. It asserts nothing: machines are noisy.

Append: several processes log to one hot job while another process locks it again and again, as the progress updates of a real
application do. The legacy handler (read, change, save) is compared with each way in which the toolkit writes.
Backfill: the toolkit's against the loop that one would write by hand (iterate, decode, bulk_create), over the same documents.
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"

from cutover.demo.server import Server  # noqa: E402 - the path comes first

HELD_SECONDS = 0.02  # how long the locker holds the job, and then lets go of it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of each way of appending")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=1000, help="with 500 lines each, for the backfill")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    multiprocessing.set_start_method("spawn")
    with Server.temporary(settings={"synchronous_commit": "on"}) as server:
        os.environ["DATABASE_URL"] = server.uri()
        prepare()
        found = {"append": appends(options.seconds, options.writers), "backfill": backfills(options.jobs)}
        found["postgresql"] = server.version
    print(json.dumps(found, indent=2) if options.json else text(found))


def prepare() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def at(phase: int) -> None:
    import stages

    stages.at_phase("job_logs", phase)


# Append


def appends(seconds: float, writers: int) -> dict[str, Any]:
    """Appends per second and the longest wait, for each way; all on one job that somebody else keeps locking."""
    ways = [("legacy", 0), ("JSON, atomic", 1), ("JSON and rows", 2), ("rows", 4)]
    return {way: append(way, phase, seconds, writers) for way, phase in ways}


def append(way: str, phase: int, seconds: float, writers: int) -> dict[str, float]:
    from django.db import connection

    from project.jobs.models import Job

    at(phase)
    job = Job.objects.create(name=way).pk
    connection.close()
    with multiprocessing.Pool(writers + 1) as pool:
        locker = pool.apply_async(lock, (job, seconds))
        results = [pool.apply_async(write, (way, job, seconds, number)) for number in range(writers)]
        done = [result.get() for result in results]
        locker.get()
    return {
        "per_second": sum(count for count, _ in done) / seconds,
        "longest_wait": max(longest for _, longest in done),
    }


def lock(job: int, seconds: float) -> None:
    import django

    django.setup()
    from django.db import transaction

    from project.jobs.models import Job

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with transaction.atomic():
            Job.objects.select_for_update().get(pk=job)
            time.sleep(HELD_SECONDS)
        time.sleep(HELD_SECONDS / 10)


def write(way: str, job: int, seconds: float, number: int) -> tuple[int, float]:
    import django

    django.setup()
    from django.utils import timezone

    import cutover

    logs, count, longest, end = cutover.use("job_logs"), 0, 0.0, time.monotonic() + seconds
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


# Backfill


def backfills(jobs: int) -> dict[str, Any]:
    """Elements per second and the peak of memory of both ways, each in a process of its own."""
    history(jobs)
    found = {}
    for way, fill in (("by hand", by_hand), ("cutover", by_cutover)):
        at(2)
        empty()
        with multiprocessing.Pool(1) as pool:
            found[way] = pool.apply(measured, (fill,))
    return found


def history(jobs: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs_job, jobs_joblog")
        cursor.execute(
            """INSERT INTO jobs_job (name, progress, logs)
            SELECT 'history', 0, jsonb_build_object('stderr', '[]'::jsonb, 'stdout', (SELECT jsonb_agg(
                to_char(timestamp '2026-01-01' + (500 - n) * interval '1 minute', '[YYYY-MM-DD HH24:MI:SS]')
                || ' INFO line ' || n || ' of job ' || j || repeat(' and more', 8)) FROM generate_series(1, 500) n))
            FROM generate_series(1, %s) j""",
            [jobs],
        )
        cursor.execute("VACUUM ANALYZE jobs_job")


def empty() -> None:
    from django.db import connection

    from cutover import backfill
    from cutover.mapping import bind

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs_joblog")
    backfill.reset(bind("job_logs"))


def measured(fill: Callable[[], None]) -> dict[str, float]:
    import django

    django.setup()
    from project.jobs.models import JobLog

    started = time.monotonic()
    fill()
    seconds = time.monotonic() - started
    return {
        "per_second": JobLog.objects.count() / seconds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def by_hand() -> None:
    """What one would write: every job through the ORM, every line decoded in Python, rows in batches."""
    from django.db import transaction

    from cutover.mapping import bind
    from project.jobs.models import Job, JobLog

    codec = bind("job_logs").streams[0].codec
    for job in Job.objects.iterator(chunk_size=100):
        lines = job.logs["stdout"]
        rows = [JobLog(job=job, position=-n, **codec.decode(line)) for n, line in enumerate(lines, start=1)]
        with transaction.atomic():
            JobLog.objects.bulk_create(rows, batch_size=1000)


def by_cutover() -> None:
    from cutover import backfill
    from cutover.mapping import bind

    for _ in backfill.run(bind("job_logs")):
        pass


def text(found: dict[str, Any]) -> str:
    append, fill = found["append"], found["backfill"]
    lines = [f"PostgreSQL {found['postgresql']}", "", "append to one job that is locked again and again:"]
    for way, each in append.items():
        ratio = each["per_second"] / append["legacy"]["per_second"]
        wait = f"longest wait {each['longest_wait'] * 1000:6.0f} ms"
        lines.append(f"  {way:14} {each['per_second']:8.0f}/s  {ratio:6.1f} x legacy  {wait}")
    lines += ["", "backfill:"]
    for way, each in fill.items():
        ratio = each["per_second"] / fill["by hand"]["per_second"]
        lines.append(f"  {way:14} {each['per_second']:8.0f}/s  {ratio:6.1f} x by hand  peak {each['peak_mib']:.0f} MiB")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
