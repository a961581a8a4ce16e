"""A long run of faults: one line for each kind, with what it came to. Whatever is lost, doubled or untrue makes exit 1.

Each kind has a database and a backfill of its own, and most of them live writers beside it.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

import servers
from cutover.demo.server import Server

PARENTS_PER_KILL = 1_000


@dataclass(frozen=True)
class Kind:
    """A kind of fault: on which cutover, among how many parents, and what is done there."""

    name: str
    cutover: str
    parents: int
    play: Callable[[Any], Any]


def kinds(kills: int) -> list[Kind]:
    """All of them; how often each happens goes by the number of kills."""
    from damage import blows, refusals

    few = max(2, kills // 10)
    often, kept = "device_events", "ticket_history"
    return [
        Kind("kill", often, kills * PARENTS_PER_KILL, lambda stage: blows.kills(stage, kills)),
        Kind("stop", often, 40_000, lambda stage: blows.stops(stage, few // 2)),
        Kind("stop-in-chunk", often, 2_000, blows.stop_in_a_chunk),
        Kind("terminate", often, 40_000, lambda stage: blows.terminations(stage, kills // 2)),
        Kind("restart", often, 40_000, lambda stage: blows.restarts(stage, few)),
        Kind("deadlock", kept, 10_000, lambda stage: refusals.deadlocks(stage, few)),
        Kind("locked", kept, 1_000, refusals.locked_parent),
        Kind("lock-timeout", kept, 5_000, refusals.short_patience),
        Kind("statement-timeout", often, 500, refusals.slow_rows),
        Kind("statement-timeout-one", often, 500, refusals.one_slow_row),
        Kind("disk", often, 20_000, refusals.full_disk),
        *(raised(state) for state in ("53100", "53200", "53400", "58030")),
        Kind("read-only", often, 20_000, refusals.read_only),
    ]


def raised(state: str) -> Kind:
    from damage import refusals

    return Kind(state, "device_events", 500, lambda stage: refusals.raised(stage, state, "as the trigger says"))


@click.command()
@click.option("--kills", type=click.IntRange(10), default=200, show_default=True, help="SIGKILLs in one backfill.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the random moments.")
@click.option("--postgres", default="embedded", help='"embedded", a major version, or a directory of programs.')
@click.option("--only", multiple=True, help="Kinds of faults, by name; all without it.")
def main(kills: int, seed: int, postgres: str, only: tuple[str, ...]) -> None:
    """Play every kind of fault, on a PostgreSQL of its own."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with Server.temporary(bin_path=servers.programs(postgres), settings=servers.SETTINGS) as server:
        import django

        django.setup()
        click.echo(f"PostgreSQL {server.version}, {kills} kills, seed {seed}")
        chosen = [each for each in kinds(kills) if not only or each.name in only]
        bad = sum(not good(server, each, seed) for each in chosen)
    click.echo(f"{len(chosen)} kinds of faults, {bad} of them bad")
    sys.exit(1 if bad else 0)


def good(server: Server, kind: Kind, seed: int) -> bool:
    """Play one; its line."""
    started = time.monotonic()
    try:
        with database(server) as uri:
            from damage.stage import staged

            with staged(server, uri, kind.cutover, kind.parents, seed) as stage:
                found = kind.play(stage)
    except Exception:  # noqa: BLE001 - the other kinds are played all the same, and this one is bad
        click.echo(f"{kind.name}: BAD: it came to no end\n{traceback.format_exc()}")
        return False
    if found is None:
        click.echo(f"{kind.name}: left out: this account can mount no file system")
        return True
    click.echo(f"{kind.name}: {found.told()}; {time.monotonic() - started:.0f} s")
    return not found.bad


@contextmanager
def database(server: Server) -> Iterator[str]:
    """A migrated database that Django's connection leads to."""
    import databases
    from cutover import lease

    made = databases.create(server, databases.fresh_name("faults"))
    try:
        databases.migrate(server, made.name)
        with databases.django_at(server, made.name):
            lease.forget()
            yield made.uri
    finally:
        databases.drop(server, made.name)


if __name__ == "__main__":
    main()
