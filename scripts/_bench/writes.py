"""Appends to a job that others keep locking: the handler of the case, its proposals, and the toolkit in every phase.

In each round all ways take their turn, on the same processes. `single` is one connection that nobody is in the way of.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connection

from _bench import buffered, common, contention, data, fates, single
from _bench.appends import WAYS, Way
from _bench.common import Crew, Options, Report
from _bench.contention import Tally
from _bench.models import Line, LooseLine, Task
from _bench.scenes import ALL, FREE, HOLDERS, HOT, JOBS, MANY, NO_KEY, SCENES, STALLS, Found, Scene, Seen, ratios, table

SECTIONS = (HOT, FREE, NO_KEY, MANY, single.SECTION)
LINES = 1000  # of each job, before anything is appended
SAVED = "SELECT * FROM bench_saved ORDER BY id LIMIT %s"


def measure(options: Options) -> Report:
    """Every section that is asked for."""
    report = Report("writes")
    if any(options.wants(each) for each in SCENES):
        found = contended(report, options)
        for name, by_way in found.items():
            report.tables.append(table(SCENES[name], by_way, options))
        report.ratios += list(ratios(found))
        report.figures["contention"] = {
            name: {way: each.numbers() for way, each in by.items()} for name, by in found.items()
        }
        report.notes.append(STALLS)
    if options.wants(single.SECTION):
        single.add(report, options)
    return report


def contended(report: Report, options: Options) -> Found:
    """All scenes and ways by turns, so that whatever disturbs the machine disturbs all of them."""
    wanted = {name: scene for name, scene in SCENES.items() if options.wants(name)}
    found: Found = {name: {} for name in wanted}
    with tables(), buffered.redis() as why_not, common.crew(options.writers + HOLDERS + 1) as crew:
        report.notes += [why_not] if why_not else []
        turns: dict[str, Callable[[], float]] = {}
        for way in [
            each for each in ALL if not (why_not and WAYS[each].buffer)
        ]:  # a way in all its scenes, and then the next: the ledger moves less
            for name, scene in wanted.items():
                if way in scene.ways:
                    found[name][way] = Seen()
                    turns[f"{name} {way}"] = partial(turn, crew, scene, way, found[name][way], options)
        common.rounds(turns, options.rounds)
    return found


@contextmanager
def tables() -> Iterator[None]:
    """The bench's own tables, and a limit for transactions that do nothing."""
    models = (Task, Line, LooseLine)
    database = common.sql("SELECT quote_ident(current_database())")[0][0]
    with connection.schema_editor() as editor:
        for model in models:
            editor.create_model(model)
    common.sql(f"ALTER DATABASE {database} SET idle_in_transaction_session_timeout = '{contention.IDLE_LIMIT}'")
    data.jobs(JOBS, LINES)
    common.sql("CREATE TABLE bench_saved AS SELECT * FROM jobs_job")
    try:
        yield
    finally:
        common.sql(f"ALTER DATABASE {database} RESET idle_in_transaction_session_timeout")
        common.sql("DROP TABLE bench_saved, bench_line, bench_looseline, bench_task")


def turn(crew: Crew, scene: Scene, name: str, seen: Seen, options: Options) -> float:
    """Some seconds of one way; lines per second that were kept."""
    way = WAYS[name]
    jobs = fresh(way, scene.jobs)
    writers = [(contention.write, (name, jobs, number, options.seconds)) for number in range(options.writers)]
    holders = [
        (contention.hold, (name, jobs, number, options.seconds, scene.no_key))
        for number in range(options.writers, options.writers + scene.holders)
    ]
    crew([(contention.warm, (name, jobs[0]))] * (len(writers) + len(holders)))
    before = common.sql("SELECT pg_current_wal_insert_lsn()")[0][0]
    flushers = [(buffered.flusher, (options.seconds,))] if way.buffer else []
    done = [each.result for each in crew([*writers, *holders, *flushers])][: len(writers) + len(holders)]
    if way.buffer:
        seen.waited.append(buffered.rest())
    wal = common.sql("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", before)[0][0]
    return noted(seen, way, done, float(wal), options.seconds)


def fresh(way: Way, jobs: int) -> list[int]:
    """So many jobs with a thousand lines each, no rows, the ledger where the way wants it."""
    table = way.parent._meta.db_table
    common.sql("TRUNCATE jobs_job, jobs_joblog, bench_task, bench_line, bench_looseline, cutover_mark")
    common.sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # these are there already, and nobody's write
    common.sql(f"INSERT INTO {table} (id, name, progress, logs) {SAVED}", jobs)
    common.sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    if way.phase is not None:
        common.at_phase("job_logs", way.phase)
    common.settle(table, *([way.child[0]._meta.db_table] if way.child else []))
    return list(way.parent._default_manager.order_by("pk").values_list("pk", flat=True))


def noted(seen: Seen, way: Way, done: list[Tally], wal: float, seconds: float) -> float:
    lines = list(itertools.chain.from_iterable(each.lines for each in done))
    lost = fates.lost(way, lines)
    failed = sum(each.failed for each in done)
    seen.tried.append((len(lines) + failed) / seconds)
    seen.kept.append((len(lines) - lost) / seconds)
    seen.seconds += itertools.chain.from_iterable(each.seconds for each in done)
    seen.wal.append(wal / max(1, len(lines)))
    seen.lost, seen.lines, seen.failed = seen.lost + lost, seen.lines + len(lines), seen.failed + failed
    for name, count in itertools.chain.from_iterable(each.errors.items() for each in done):
        seen.errors[name] = seen.errors.get(name, 0) + count
    return seen.kept[-1]
