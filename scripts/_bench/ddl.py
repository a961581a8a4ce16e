"""The longest stall of a writer during a change of the schema, ours against Django's own, while a long reader is open.

For each operation, on the same tables: writers update parents and append rows without pause, and note the longest wait. Somebody
has read in a transaction that stays open (a report, a dump); the change waits for it, and then goes through.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Barrier
from typing import Any

from django.db import connection, migrations, models, transaction

import migrating
import operationcases
from _bench import common
from _bench.common import Options, Ratio, Report, Table
from cutover.operations import EnsureConstraint, EnsureIndex, RelaxColumn

SECTIONS = ("ddl",)
WARM_UP, AFTERWARDS = 0.5, 3.0  # a try that comes too early is followed by a pause of two seconds at most
WRITERS = 2  # of parents, and as many of rows
PARENTS, ROWS = 2_000, 200_000
PAUSE = 0.002


@dataclass(frozen=True)
class Change:
    """A change in both ways.

    Attributes:
        undo: bring the schema back by its reverse, so that the plain way begins where ours began.
    """

    title: str
    ours: Any
    plain: Any
    undo: bool = True


INDEX = models.Index(fields=["job", "position"], name="plain_index")
KEY = models.ForeignKey("jobs.Job", models.CASCADE, related_name="log_entries", db_constraint=True)
CHANGES = (
    Change("index on the rows (plain: AddIndex)", EnsureIndex("job_logs"), migrations.AddIndex("joblog", INDEX)),
    Change(
        "the column's default (plain: AddField)",
        RelaxColumn("job_logs"),
        migrations.AddField("job", "extra", models.JSONField(null=True)),
    ),
    Change(
        "foreign key (plain: AlterField with the constraint)",
        EnsureConstraint("job_logs"),
        migrations.AlterField("joblog", "job", KEY),
    ),
    Change(
        "drop of the column (plain: RemoveField)",
        operationcases.DROP,
        migrations.RemoveField("job", "logs"),
        undo=False,
    ),
)


def measure(options: Options) -> Report:
    """The longest wait of a writer for each change, ours and plain."""
    report = Report("schema changes beside writers and a long reader")
    prepare()
    rows: list[tuple[str, ...]] = []
    stalls: dict[str, dict[str, dict[str, float]]] = {}
    for number, change in enumerate(CHANGES):
        ours = stall(number, options.seconds, plain=False)
        if change.undo:
            backwards(change.ours)
        else:
            common.sql("ALTER TABLE jobs_job ADD COLUMN logs jsonb")
        plain = stall(number, options.seconds, plain=True)
        if change.undo:
            backwards(change.plain)
        figures = (ours["longest"], plain["longest"], ours["took"], plain["took"])
        rows.append((change.title, *map(told, figures)))
        stalls[change.title] = {"ours": ours, "plain": plain}
        report.ratios.append(Ratio(f"{change.title}: plain / ours", plain["longest"] / ours["longest"]))
    longest = max(each["ours"]["longest"] for each in stalls.values())
    # One wait for our lock, which is half a second at most, and then what the machine adds: all processes share its cores.
    report.ratios.append(Ratio("longest stall of all, ours", longest * 1000, 1000, at_most=True, unit="ms"))
    header = ("", "longest wait, ours", "longest wait, plain Django", "took, ours", "took, plain Django")
    title = f"longest wait of {2 * WRITERS} writers, a transaction that has read the parents stays open for {options.seconds:g} s"
    report.tables.append(Table(title, header, rows))
    report.figures = stalls
    return report


def told(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def prepare() -> None:
    """A cutover whose column may be dropped, with history enough for an index and a scan to take a while; no index yet."""
    common.sql(
        "INSERT INTO jobs_job (name, progress, logs) SELECT '', 0, '{\"stdout\": [], \"stderr\": []}'"
        " FROM generate_series(1, %s)",
        PARENTS,
    )
    migrating.droppable("job_logs")
    migrating.backwards(EnsureIndex("job_logs"))
    common.sql(
        "INSERT INTO jobs_joblog (job_id, position, level, message)"
        " SELECT 1 + n %% %s, nextval('cutover_position_v1'), 'INFO', '' FROM generate_series(1, %s) n",
        PARENTS,
        ROWS,
    )
    common.settle("jobs_job", "jobs_joblog")


def stall(number: int, held: float, *, plain: bool) -> dict[str, float]:
    """Run one change beside the others: the longest wait of a writer, and how long the change took with all its tries."""
    seconds = WARM_UP + held + AFTERWARDS
    works: list[Callable[[], float]] = [partial(read, held), partial(run, number, plain)]
    works += [partial(write, statement, seconds) for statement in (UPDATE, APPEND) for _ in range(WRITERS)]
    barrier = Barrier(len(works))
    with ThreadPoolExecutor(len(works)) as pool:
        _, took, *longest = [each.result() for each in [pool.submit(beside, barrier, work) for work in works]]
    return {"longest": max(longest), "took": took}


def beside(barrier: Barrier, work: Callable[[], float]) -> float:
    """Begin with the others, on a connection of its own. Threads are enough: who waits for a lock leaves Python to others."""
    try:
        connection.ensure_connection()
        barrier.wait(60)
        return work()
    finally:
        connection.close()


def read(held: float) -> float:
    """A report: it reads both tables and stays in its transaction."""
    with transaction.atomic():
        common.sql("SELECT count(*) FROM jobs_job")
        common.sql("SELECT FROM jobs_joblog LIMIT 1")
        time.sleep(held)
    return held


UPDATE = "UPDATE jobs_job SET progress = progress + 1 WHERE id = 1 + floor(random() * 1000)"
APPEND = (
    "INSERT INTO jobs_joblog (job_id, position, level, message) VALUES (1, nextval('cutover_position_v1'), 'INFO', '')"
)


def write(statement: str, seconds: float) -> float:
    """The same statement again and again; the longest that one took."""
    longest, end = 0.0, time.monotonic() + seconds
    with connection.cursor() as cursor:
        while (started := time.monotonic()) < end:
            cursor.execute(statement)
            longest = max(longest, time.monotonic() - started)
            time.sleep(PAUSE)
    return longest


def run(number: int, plain: bool) -> float:
    """The change itself, after the reader has begun; a plain one in a transaction of its migration, as Django does it."""
    time.sleep(WARM_UP)
    change = CHANGES[number].plain if plain else CHANGES[number].ours
    before, after = states(change)
    started = time.monotonic()
    with connection.schema_editor(atomic=plain) as editor:
        change.database_forwards("jobs", editor, before, after)
    return time.monotonic() - started


def backwards(change: Any) -> None:
    before, after = states(change)
    with connection.schema_editor(atomic=False) as editor:
        change.database_backwards("jobs", editor, after, before)


def states(change: Any) -> tuple[Any, Any]:
    """The models before and after it."""
    before = migrating.state()
    after = before.clone()
    change.state_forwards("jobs", after)
    return before, after
