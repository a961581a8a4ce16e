"""What writers notice of a backfill: the time of an append without it, beside it, and beside one with `--nice`.

Writers are paced, as an application is: a machine that has nothing left has no p99 to compare. Where all of this runs on the
same few cores, any query is noticed; so there is one that only counts, as long at a time and with the same rest.
"""

import random
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import connection
from django.utils import timezone

import cutover
from _bench import common, data, ways
from _bench.common import Done, Options, Ratio, Report, Table
from cutover import chunk
from cutover.backfill import controls
from cutover.mapping import bind
from project.jobs.models import Job

PAUSE = 0.05  # from one append of a writer to the next
MANY, HOT = 3, 2  # writers on many jobs, and on one hot job
WARM_UP = 0.5
WITHOUT, DEFAULT, NICE, COUNTING = "without", "default", "nice", "counting"
TITLES = {
    WITHOUT: "without backfill",
    DEFAULT: "default backfill",
    NICE: "nice backfill",
    COUNTING: "a query that counts",
}
COUNT = "SELECT count(*) FROM generate_series(1, %s) a, generate_series(1, 100) b"
QUANTILES = (0.5, 0.9, 0.99)


@dataclass
class Seen:
    """Seconds of appends, a list for each round, and what the backfill has moved in a second meanwhile."""

    many: list[list[float]] = field(default_factory=list)
    hot: list[list[float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


def foreground(report: Report, options: Options) -> None:
    common.used_wal()
    data.jobs(max(1, options.elements // 100), 100)
    data.more_jobs(1, 1000)
    common.at_phase("job_logs", 2)
    jobs = list(Job.objects.order_by("pk").values_list("pk", flat=True))
    found = {name: Seen() for name in TITLES}
    common.rounds({name: partial(turn, name, jobs, each, options) for name, each in found.items()}, options.rounds)
    rows = [(TITLES[name], *figures(each)) for name, each in found.items()]
    header = ("", *(f"{jobs} p{share * 100:.0f}" for jobs in ("many jobs", "hot job") for share in QUANTILES), "moved")
    pace = f"{MANY} writers on many jobs and {HOT} on a hot one, each {1 / PAUSE:.0f} times a second"
    report.tables.append(Table(f"foreground: time of an append, {pace}", header, rows))
    for name, base, goal in ((DEFAULT, WITHOUT, 1.5), (NICE, WITHOUT, None), (DEFAULT, COUNTING, None)):
        for title, part in (("many jobs", "many"), ("hot job", "hot")):
            one, other = (getattr(found[which], part) for which in (name, base))
            each = tuple(p99([a]) / p99([b]) for a, b in zip(one, other, strict=True))
            what = f"p99 of appends, {name} / {base}, {title}"
            report.ratios.append(Ratio(what, p99(one) / p99(other), goal, at_most=True, rounds=each))
    report.figures["foreground"] = {name: numbers(each) for name, each in found.items()}


def share_of(rounds: list[list[float]], share: float) -> float:
    """A quantile over the appends of all rounds."""
    return common.quantile([each for one in rounds for each in one], share)


def p99(rounds: list[list[float]]) -> float:
    return share_of(rounds, 0.99)


def numbers(seen: Seen) -> dict[str, object]:
    """For JSON: not every append."""
    both = {"many": seen.many, "hot": seen.hot}
    times = {part: {share: share_of(rounds, share) for share in QUANTILES} for part, rounds in both.items()}
    appends = {part: [len(each) for each in rounds] for part, rounds in both.items()}
    return {"seconds": times, "appends": appends, "moved": seen.rates}


def figures(seen: Seen) -> list[str]:
    times = [share_of(rounds, share) for rounds in (seen.many, seen.hot) for share in QUANTILES]
    moved = f"{common.median(seen.rates):,.0f}/s" if seen.rates else ""
    return [*(f"{each * 1000:.1f} ms" for each in times), moved]


def turn(name: str, jobs: list[int], seen: Seen, options: Options) -> float:
    """Some seconds of appends; only those count during which the backfill was at work."""
    target, rest = controls.PRESETS[NICE if name == NICE else "usual"]
    controls.change(bind("job_logs"), who="bench", target=target, rest=rest)
    data.begin("job_logs")
    *many, hot = jobs
    writers = [(append, (many if number < MANY else [hot], number, options.seconds)) for number in range(MANY + HOT)]
    fill = partial(ways.worker, seconds=options.seconds)
    without: dict[str, list[Any]] = {WITHOUT: [], COUNTING: [(count, (options.seconds,))]}
    done = common.together([*writers, *without.get(name, [(fill, ("job_logs",))])])
    begin, end = done[0].began + WARM_UP, done[0].began + options.seconds
    if name not in without:
        worker = done[-1]
        appended = sum(len(each.result) for each in done[:-1])
        data.expect("job_logs", worker.result.moved + appended, f"{name} backfill beside writers")
        end = min(end, worker.began + worker.result.filled)
        if end <= begin:
            raise RuntimeError(f"The backfill did next to nothing in {options.seconds} s; give it more --seconds.")
        seen.rates.append(worker.result.moved / worker.result.filled)
    seen.many.append(counted(done[:MANY], begin, end))
    seen.hot.append(counted(done[MANY : MANY + HOT], begin, end))
    return end - begin


def counted(done: list[Done], begin: float, end: float) -> list[float]:
    return [took for each in done for at, took in each.result if begin <= at < end]


def count(seconds: float) -> None:
    """Statements as long as the chunks of a default backfill and with the same rest, that touch no table."""
    until, share, most = time.monotonic() + seconds, controls.BESIDE_REST, 1000
    while (began := time.monotonic()) < until:
        with connection.cursor() as cursor:
            cursor.execute(COUNT, [most])
        took = time.monotonic() - began
        time.sleep(took * share / (1 - share))
        most = max(1000, int(most * min(2.0, chunk.BESIDE.total_seconds() / took)))


def append(jobs: list[int], number: int, seconds: float) -> list[tuple[float, float]]:
    """One writer: when each append began, and how long it took."""
    logs, choice, found = cutover.use("job_logs"), random.Random(number), []  # noqa: S311 - no secret
    began = due = time.monotonic()
    while due < began + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        at, message = time.monotonic(), f"line {len(found)} of writer {number} at {due}"
        logs.append(choice.choice(jobs), level="INFO", message=message, created_at=timezone.now())
        found.append((at, time.monotonic() - at))
        due = max(due + PAUSE, time.monotonic())
    return found
