"""A server with the example project, work in processes of its own, interleaved rounds, and figures as text and JSON.

Nothing here knows what is measured.
"""

import hashlib
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from psycopg.sql import Composable

import cutover
import servers
from cutover.demo.server import Server

SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "min_wal_size": "4GB",
    "synchronous_commit": "on",
    "checkpoint_timeout": "30min",
    "max_connections": "100",
}
MIB = 1024 * 1024
IDLE = 0.25  # load for each core that may be there before a run


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        postgres: "embedded", a major version, or a directory of programs.
        elements: of each set of data; ways that are slow by nature take fewer, and say so.
        only: the sections to run; empty means all.
        large: with ten times the elements as well.
        short: without what takes long whatever the number of elements.
        seconds: how long each way with live writers takes.
    """

    postgres: str = "embedded"
    elements: int = 1_000_000
    rounds: int = 3
    only: frozenset[str] = frozenset()
    large: bool = False
    short: bool = False
    seconds: float = 8.0
    writers: int = 8

    def wants(self, section: str) -> bool:
        return not self.only or section in self.only


@dataclass(frozen=True)
class Ratio:
    """One figure beside its goal; it is reached or missed, and nothing follows from that.

    Attributes:
        rounds: the same of each round alone: where they are far apart, the machine was disturbed, and the figure says little.
    """

    name: str
    value: float
    goal: float | None = None
    at_most: bool = False
    unit: str = "x"
    rounds: tuple[float, ...] = ()

    @property
    def reached(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def cells(self) -> tuple[str, ...]:
        digits = 0 if self.unit != "x" or self.value >= 100 else 2
        goal = "" if self.goal is None else f"{'≤' if self.at_most else '≥'} {self.goal:g} {self.unit}"
        verdict = {None: "", True: "reached", False: "missed"}[self.reached]
        spread = f"{min(self.rounds):.2f} to {max(self.rounds):.2f}" if len(self.rounds) > 1 else ""
        return self.name, f"{self.value:.{digits}f} {self.unit}", spread, goal, verdict


@dataclass(frozen=True)
class Table:
    """Text, ready to print: the first column to the left, the others to the right."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass
class Report:
    """What one bench found; `figures` are the numbers behind it, for JSON."""

    name: str
    tables: list[Table] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


# The server


@contextmanager
def server(choice: str) -> Iterator[Server]:
    """A temporary server with the example project migrated; Django is set up on it, in children of this process as well."""
    with Server.temporary(bin_path=servers.programs(choice), settings=SETTINGS) as found:
        os.environ["DJANGO_SETTINGS_MODULE"] = "_bench.settings"
        os.environ["DATABASE_URL"] = found.uri()
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield found
        finally:
            connections.close_all()


def machine(postgresql: str) -> dict[str, Any]:
    """The size of what this runs on."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
        "postgresql": postgresql,
        "python": platform.python_version(),
        "settings": SETTINGS,
        "load_before": round(os.getloadavg()[0], 1),
        "code": code(),
    }


def code() -> str:
    """Names what is measured: processes begin during a run, and would not all have the same if it is changed meanwhile."""
    found = hashlib.sha256()
    for path in sorted(Path(cutover.__file__).parent.rglob("*")):
        if path.suffix in (".py", ".sql"):
            found.update(path.read_bytes())
    return found.hexdigest()[:12]


def sql(statement: str | Composable, *values: object) -> list[tuple[Any, ...]]:
    """Run a statement in autocommit; its rows, if it has any."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def at_phase(name: str, phase: int) -> None:
    """Move the cutover to the phase, settled; children that start later know."""
    import stages

    stages.at_phase(name, phase)


def settle(*tables: str) -> None:
    """Make every way begin alike: nothing to clean up, statistics as they are, nothing to write out."""
    for table in tables:
        sql(f"VACUUM ANALYZE {table}")
    sql("CHECKPOINT")


def used_wal(files: int = 64) -> None:
    """Give the server files of WAL to use again, as one has that has run for a day: a new one of 16 MiB stops all commits."""
    for _ in range(files):
        sql("SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()")
    sql("CHECKPOINT")


# Processes


@dataclass(frozen=True)
class Done:
    """What one process did: times of the monotonic clock, which all processes share, and the peak of its memory."""

    result: Any
    began: float
    ended: float
    peak_mib: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


Works = Sequence[tuple[Callable[..., Any], tuple[object, ...]]]
Crew = Callable[[Works], list[Done]]
_barrier: Barrier | None = None


def alone(work: Callable[..., Any], *args: object) -> Done:
    """Run it in a new process, with a connection of its own; the time is that of the work alone."""
    return together([(work, args)])[0]


def together(works: Works) -> list[Done]:
    """Run each in a new process; all begin at the same moment. Functions of modules that may import models."""
    with crew(len(works)) as run:
        return run(works)


@contextmanager
def crew(size: int) -> Iterator[Crew]:
    """So many processes that stay; give them work for each, or less: then the others wait until those are done."""
    from django.db import connections

    connections.close_all()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(size)
    with ProcessPoolExecutor(size, context, initializer=_prepare, initargs=(barrier,)) as pool:

        def run(works: Works) -> list[Done]:
            idle: Works = [(float, ())] * (size - len(works))
            running = [pool.submit(_measured, work, args) for work, args in [*works, *idle]]
            return [each.result() for each in running][: len(works)]

        yield run


def span(done: Sequence[Done]) -> float:
    """Seconds from the first beginning to the last end."""
    return max(each.ended for each in done) - min(each.began for each in done)


def _prepare(barrier: Barrier) -> None:
    import django

    global _barrier  # noqa: PLW0603 - a pool hands a barrier to its processes in no other way
    _barrier = barrier
    django.setup()


def _measured(work: Callable[..., Any], args: tuple[object, ...]) -> Done:
    from django.db import connection

    connection.ensure_connection()
    if _barrier is not None:
        _barrier.wait(60)
    began = time.monotonic()
    result = work(*args)
    ended = time.monotonic()
    return Done(result, began, ended, peak_mib())


def peak_mib(pid: int | None = None) -> float:
    """The peak of the memory of this process, or on Linux of another.

    There `ru_maxrss` is inherited from the process that has started this one.
    """
    status = Path(f"/proc/{pid or 'self'}/status")
    if status.exists():
        found = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), "VmHWM: 0")
        return int(found.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / MIB if platform.system() == "Darwin" else most / 1024


# Rounds and figures


def rounds(ways: Mapping[str, Callable[[], float]], number: int) -> dict[str, list[float]]:
    """Each way once, in turn, as often as asked; what each returned. Whatever disturbs the machine disturbs all of them."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(number):
        for name, way in ways.items():
            found[name].append(way())
    return found


median = statistics.median


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# Output


def publish(reports: Sequence[Report], where: Mapping[str, Any], *, file: Path | None, markdown: bool) -> None:
    """Print them, and write the numbers to the file."""
    if file is not None:
        found = {"machine": {**where, "code_after": code()}, "reports": [asdict(each) for each in reports]}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=2, default=str) + "\n")
    lines = [described(where), ""]
    for report in reports:
        tables = list(report.tables)
        if report.ratios:
            tables.append(
                Table(report.name, ("", "measured", "rounds", "goal", ""), [each.cells() for each in report.ratios])
            )
        for table in tables:
            lines += [*(as_markdown(table) if markdown else as_text(table)), ""]
        lines += [*report.notes, *([""] if report.notes else [])]
    print("\n".join(lines).rstrip())


def described(where: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in where["settings"].items())
    size = f"{where['cores']} cores, {where['memory_gib']:g} GiB of memory"
    found = f"PostgreSQL {where['postgresql']} on {size}, with Python {where['python']}. Settings: {settings}."
    if where["load_before"] > IDLE * where["cores"]:
        found += f"\nThe machine was not idle: its load was {where['load_before']} before the run."
    if where["code"] != code():
        found += "\nThe code was changed during the run: ways that are compared may not have had the same."
    return found


def as_text(table: Table) -> list[str]:
    rows = [table.header, *table.rows]
    widths = [max(len(row[number]) for row in rows) for number in range(len(table.header))]
    return [table.title, *(f"  {_aligned(row, widths)}".rstrip() for row in rows)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])


def as_markdown(table: Table) -> list[str]:
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    rows = [table.header, rule, *table.rows]
    return [f"**{table.title}**", "", *(f"| {' | '.join(row)} |" for row in rows)]
