"""Reads against what somebody would write by hand with the ORM: one parent, a page of parents, and a part of a list.

The hand-written ways know these tables: they read the newest rows and write the lines out. They neither look for equal lines
nor unite anything with JSON, so they are right only once everything has its row.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from _bench import common, data, ways
from _bench.common import Options, Ratio, Report, Table

SECTIONS = ("single", "page", "part")
LINES = 1000  # of each job; the stream shows no more
LONG_LINES = 20_000  # of one job, of which the newest 1,000 show
PAGE = 100
REPEATS = 40
PAGES = 2
ERRORS = ("ERROR", "CRITICAL")
AT_MOST = 1.2
PHASES = {"phase 3, JSON and rows": 3, "phase 4": 4, "phase 5": 5}


@dataclass(frozen=True)
class Case:
    """Ways to read the same, and the one that the others are compared with."""

    title: str
    against: str
    goals: dict[str, float]


def measure(options: Options) -> Report:
    """Every section that is asked for, each way in a process of its own, in turn."""
    report = Report("reads")
    prepare()
    if options.wants("single"):
        singles(report, options)
    if options.wants("page"):
        pages(report, options)
    if options.wants("part"):
        parts(report, options)
    return report


def prepare() -> None:
    """Jobs whose lines all have rows, and the index that the project's migration brings."""
    data.jobs(PAGE, LINES)
    common.at_phase("job_logs", 2)
    data.begin("job_logs")
    common.alone(ways.limit, "job_logs")
    common.sql("CREATE INDEX IF NOT EXISTS bench_order ON jobs_joblog (job_id, position, id)")
    common.settle("jobs_job", "jobs_joblog")


def reached(phase: int) -> None:
    """The phase; in the last one every element has its row, and readers know."""
    from cutover import ledger

    common.at_phase("job_logs", phase)
    ledger.set_backfilled("default", "job_logs", phase == 5)


def by_turns(case: Case, works: dict[str, tuple[int, Callable[[], float]]], report: Report, options: Options) -> None:
    """Each way in turn, some rounds; the median of each, and what it is beside the one that counts."""

    def turn(phase: int, work: Callable[[], float]) -> Callable[[], float]:
        def once() -> float:
            reached(phase)
            return float(common.alone(work).result)

        return once

    found = common.rounds({way: turn(*each) for way, each in works.items()}, options.rounds)
    middle = {way: common.median(times) for way, times in found.items()}
    rows = [(way, f"{seconds * 1000:.2f} ms") for way, seconds in middle.items()]
    report.tables.append(Table(f"reads: {case.title}, median of {options.rounds} rounds", ("", "time"), rows))
    report.figures[case.title] = found
    for way, goal in case.goals.items():
        each = tuple(a / b for a, b in zip(found[way], found[case.against], strict=True))
        name = f"{way} / {case.against}, {case.title}"
        report.ratios.append(Ratio(name, middle[way] / middle[case.against], goal, at_most=True, rounds=each))


def singles(report: Report, options: Options) -> None:
    works = {"by hand": (5, hand_single)} | {way: (phase, single) for way, phase in PHASES.items()}
    by_turns(Case(f"one job of {LINES:,} lines", "by hand", dict.fromkeys(PHASES, AT_MOST)), works, report, options)


def pages(report: Report, options: Options) -> None:
    works = {"window query by hand": (5, hand_page)} | {way: (phase, page) for way, phase in PHASES.items()}
    case = Case(f"a page of {PAGE} jobs of {LINES:,} lines", "window query by hand", dict.fromkeys(PHASES, AT_MOST))
    by_turns(case, works, report, options)


def parts(report: Report, options: Options) -> None:
    """`len`, a slice and the newest line of a list, without fetching all of it."""
    long_one()
    works = {"all of it": (5, whole), "len": (5, length), "[:20]": (5, head), "[0]": (5, newest)}
    goals = {"len": 1.0, "[:20]": 0.5, "[0]": 0.5}
    by_turns(Case(f"one job of {LONG_LINES:,} rows", "all of it", goals), works, report, options)


def long_one() -> None:
    """One job with many more rows than show."""
    common.sql("DELETE FROM jobs_joblog WHERE job_id = (SELECT max(id) FROM jobs_job)")
    common.sql(
        "INSERT INTO jobs_joblog (job_id, position, created_at, level, message)"
        " SELECT (SELECT max(id) FROM jobs_job), 2 * n, timestamptz '2026-03-01' + n * interval '1 second', 'INFO',"
        " 'Result ' || md5(n::text) || ' saved: classification moth_order_v3' FROM generate_series(1, %s) n",
        LONG_LINES,
    )
    common.settle("jobs_joblog")


# The ways; each returns the seconds of one read


def timed(work: Callable[[Any], Any], given: list[Any]) -> float:
    work(given[0])
    times = []
    for each in given:
        began = time.perf_counter()
        work(each)
        times.append(time.perf_counter() - began)
    return common.median(times)


def jobs(number: int) -> list[Any]:
    from project.jobs.models import Job

    return list(Job.objects.order_by("pk")[:number])


def line(row: Any) -> str:
    return f"[{row.created_at:%Y-%m-%d %H:%M:%S}] {row.level} {row.message}"


def shaped(rows: list[Any]) -> dict[str, list[str]]:
    return {"stdout": [line(row) for row in rows], "stderr": [row.message for row in rows if row.level in ERRORS]}


def hand_single() -> float:
    from project.jobs.models import JobLog

    return timed(lambda job: shaped(list(JobLog.objects.filter(job=job).order_by("-position")[:LINES])), jobs(REPEATS))


def single() -> float:
    return timed(lambda job: checked(job.logs, LINES), again(jobs(REPEATS)))


def again(found: list[Any]) -> list[Any]:
    """The first job twice: what is read before the clock runs is another instance."""
    from project.jobs.models import Job

    return [Job.objects.get(pk=found[0].pk), *found[1:]]


def checked(logs: Any, lines: int) -> None:
    if len(logs["stdout"]) != lines:
        raise RuntimeError(f"{len(logs['stdout'])} lines were read; it should be {lines}.")


def hand_page() -> float:
    from django.db.models import F, Window
    from django.db.models.functions import RowNumber

    from project.jobs.models import JobLog

    def work(some: list[Any]) -> None:
        number = Window(RowNumber(), partition_by=F("job_id"), order_by=F("position").desc())
        rows = JobLog.objects.filter(job__in=some).annotate(number=number).filter(number__lte=LINES)
        by_job: dict[int, list[Any]] = {job.pk: [] for job in some}
        for row in rows.order_by("job_id", "-position"):
            by_job[row.job_id].append(row)
        for mine in by_job.values():
            shaped(mine)

    return timed(work, [jobs(PAGE)] * PAGES)


def page() -> float:
    import cutover

    def work(some: list[Any]) -> None:
        cutover.use("job_logs").prefetch(some)
        for job in some:
            checked(job.logs, LINES)

    return timed(work, [jobs(PAGE) for _ in range(PAGES + 1)])


def long_job() -> Any:
    from project.jobs.models import Job

    return Job.objects.latest("pk")


def whole() -> float:
    import cutover

    logs: Any = cutover.use("job_logs")
    return timed(lambda job: checked(logs.read(job), LINES), [long_job()] * REPEATS)


def part(work: Callable[[Any], Any]) -> float:
    import cutover

    logs: Any = cutover.use("job_logs")
    return timed(lambda job: work(logs.lists(job).stdout), [long_job()] * REPEATS)


def length() -> float:
    return part(len)


def head() -> float:
    return part(lambda lines: list(lines[:20]))


def newest() -> float:
    return part(lambda lines: lines[0])
