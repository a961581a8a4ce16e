"""A long run: one verification after the other beside live writers. Whatever it finds is a false alarm, and makes exit 1.

Writers append one row or several, replace and clear lists where that is declared, make new parents and delete old ones, each of
them remembering what was committed. At the end of a phase every reader is asked for all of it.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import click

import servers
from cutover.demo.server import Server

PHASES = (2, 3, 4)
HISTORY = 20  # parents of each kind that nobody writes to any more
MOST_SHOWN = 3  # parents whose sides are printed, per verification
QUIET_SECONDS = 30.0  # between two lines about how it goes


@dataclass
class Figures:
    """What one phase came to."""

    phase: int
    seconds: float = 0.0
    verifications: int = 0
    parents: int = 0
    elements: int = 0
    looked_again: int = 0
    longest_hold: float = 0.0
    alarms: int = 0
    writes: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def told(self) -> str:
        did = ", ".join(f"{number:,} {what}" for what, number in sorted(self.writes.items()))
        return (
            f"phase {self.phase}, {self.seconds:.0f} s: {self.verifications:,} verifications of {self.parents:,} parents and"
            f" {self.elements:,} elements and rows; {self.looked_again:,} parents looked at again, locks held for at most"
            f" {self.longest_hold * 1000:.0f} ms; {self.alarms} false alarms; {did}; {len(self.faults)} faults"
        )


@click.command()
@click.option("--minutes", type=float, default=10, show_default=True, help="In each phase.")
@click.option(
    "--phase", "phases", type=click.Choice([str(each) for each in PHASES]), multiple=True, help="All by default."
)
@click.option("--writers", default=2, show_default=True, help="Threads for each of the four cutovers.")
@click.option("--pause", type=float, default=0.01, show_default=True, help="Seconds between two writes of a thread.")
@click.option("--postgres", default="embedded", help='"embedded", a major version, or a directory of programs.')
def main(minutes: float, phases: tuple[str, ...], writers: int, pause: float, postgres: str) -> None:
    """Verify without end beside live writers, on a PostgreSQL of its own (or that of DATABASE_URL, migrated and empty)."""
    with project(postgres):
        from soaking import Memory, everybody_agrees

        bad = 0
        for phase in [int(each) for each in phases] or PHASES:
            memory = begun(Memory(), phase)
            found = soaked(memory, Figures(phase), timedelta(minutes=minutes), writers, pause)
            found.faults += [*memory.errors, *everybody_agrees(memory, phase)]
            click.echo(found.told())
            for fault in found.faults[:10]:
                click.echo(f"  {fault}")
            bad += found.alarms + len(found.faults)
    sys.exit(1 if bad else 0)


@contextmanager
def project(choice: str) -> Iterator[None]:
    """Django is set up on a server of its own, or on the database that DATABASE_URL names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with given() if "DATABASE_URL" in os.environ else Server.temporary(bin_path=servers.programs(choice)) as server:
        if server is not None:
            os.environ["DATABASE_URL"] = server.uri()
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()


@contextmanager
def given() -> Iterator[None]:
    yield None


def begun(memory: Any, phase: int) -> Any:
    """Empty tables, history that has been backfilled, and all cutovers at the phase."""
    from cutover import backfill
    from soaking import empty, parents_of_history
    from stages import at_phase

    empty()
    for shape in memory.shapes:
        at_phase(shape.name, 1)
        parents_of_history(memory, shape, HISTORY)
        list(backfill.run(at_phase(shape.name, 2)))
        at_phase(shape.name, phase)
    return memory


def soaked(memory: Any, found: Figures, length: timedelta, writers: int, pause: float) -> Figures:
    from cutover.mapping import bind
    from soaking import writing

    watch_second_looks(found)
    started = told = time.monotonic()
    with writing(memory, writers, pause):
        while time.monotonic() - started < length.total_seconds() and not memory.errors and found.alarms < 20:
            for shape in memory.shapes:
                verified(bind(shape.name), found)
            if time.monotonic() - told > QUIET_SECONDS:
                told = time.monotonic()
                click.echo(
                    f"{told - started:5.0f} s, {found.verifications} verifications, {found.alarms} alarms", err=True
                )
    found.seconds = time.monotonic() - started
    for shape in memory.shapes:
        verified(bind(shape.name), found, at_rest=True)
    found.writes = dict(memory.writes)
    return found


def watch_second_looks(found: Figures) -> None:
    """Count the parents that are looked at again, and for how long their locks are held."""
    from cutover.verify import suspects

    known = getattr(suspects.read_locked, "known", suspects.read_locked)

    def watched(binding: Any, keys: Any) -> Any:
        reading, took = known(binding, keys)
        found.looked_again += len(keys)
        found.longest_hold = max(found.longest_hold, took.total_seconds())
        return reading, took

    watched.known = known  # type: ignore[attr-defined]
    suspects.read_locked = watched


def verified(binding: Any, found: Figures, *, at_rest: bool = False) -> None:
    """One whole verification; what it finds is printed with both sides."""
    from cutover import verify

    *_, last = verify.run(binding, resume=False)
    result = last.result
    found.verifications += 1
    found.parents += result.parents
    found.elements += result.json_elements + result.table_elements
    pending = result.found.get("pending", 0)
    if result.differs or pending:
        found.alarms += 1
        click.echo(f"ALARM: {binding.name} at phase {found.phase}: {result.found}")
        for key in list(dict.fromkeys(each.parent for each in result.examples if each.kind != "beyond_cap"))[
            :MOST_SHOWN
        ]:
            show(binding, key, [each for each in result.examples if each.parent == key])
    if at_rest and found.phase < 4 and result.json_checksum != result.table_checksum:
        found.faults.append(f"{binding.name}: the checksums differ, {result.json_checksum} and {result.table_checksum}")


def show(binding: Any, key: str, examples: list[Any]) -> None:
    """Both sides, as they are a moment later."""
    from cutover import verify
    from cutover.errors import CutoverError

    for example in examples:
        click.echo(f"  {example}")
    try:
        lines = verify.compared(binding, binding.key(key))
    except CutoverError as error:
        click.echo(f"  {error}")
        return
    for line in lines:
        if line.verdict not in ("agrees", "after_json", "beyond_cap"):
            click.echo(f"  now: {line}")
    click.echo(f"  now: {len(lines)} lines")


if __name__ == "__main__":
    main(prog_name="scripts/soak")
