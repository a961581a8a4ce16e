"""The command line: `scripts/bench [writes | reads | backfill | verify | check]`; without a name a short run of all."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module, util
from pathlib import Path
from typing import Any

import click

from _bench import common
from _bench.common import Options, Report

BENCHES = ("writes", "reads", "backfill", "verify", "check")
SHORT = Options(elements=50_000, rounds=1, seconds=2.0, short=True)


def run(name: str, options: Options) -> Report:
    """One bench on the server that is there; each is imported when it is asked for."""
    module = import_module(f"_bench.{name}")
    unknown = options.only - set(module.SECTIONS)
    if unknown:
        raise click.UsageError(f"{name} has no section {sorted(unknown)[0]}; it has {', '.join(module.SECTIONS)}.")
    found: Report = module.measure(options)
    return found


def printed(names: tuple[str, ...], options: Options, file: Path | None, markdown: bool) -> None:
    with common.server(options.postgres) as server:
        where = common.machine(server.version)
        reports = [run(name, options) for name in names if util.find_spec(f"_bench.{name}")]
        common.publish(reports, where, file=file, markdown=markdown)


def output(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every command has."""
    for option in (
        click.option("--markdown", is_flag=True, help="Print tables for the README."),
        click.option("--json", "file", type=click.Path(path_type=Path), help="Write all numbers to this file."),
        click.option("--postgres", default="embedded", help='"embedded", a major version, or a directory of programs.'),
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@output
@click.pass_context
def main(context: click.Context, postgres: str, file: Path | None, markdown: bool) -> None:
    """Measure what a cutover costs and saves, as ratios, on a PostgreSQL of its own. Without a command: all, short."""
    if context.invoked_subcommand is None:
        printed(BENCHES, replace(SHORT, postgres=postgres), file, markdown)


def only(command: Callable[..., Any]) -> Callable[..., Any]:
    help_text = "The sections to run; all of them by default."
    return click.option("--only", default="", metavar="NAME,...", help=help_text)(command)


def named(text: str) -> frozenset[str]:
    return frozenset(each.strip() for each in text.split(",") if each.strip())


@main.command()
@click.option("--seconds", type=float, default=2, show_default=True, help="Of each way in each round.")
@click.option("--rounds", default=3, show_default=True, help="Of all ways in turn; the median counts.")
@click.option("--writers", default=8, show_default=True)
@only
@output
def writes(file: Path | None, markdown: bool, only: str, **more: Any) -> None:
    """Appends to jobs that others keep locking: the legacy handler, proposals, every phase; and one connection alone."""
    printed(("writes",), Options(only=named(only), **more), file, markdown)


@main.command()
@click.option("--rounds", default=5, show_default=True, help="Of each way; the median counts.")
@output
def check(rounds: int, postgres: str, file: Path | None, markdown: bool) -> None:
    """`cutover check` over 300 Python files, as a process."""
    printed(("check",), Options(postgres=postgres, rounds=rounds), file, markdown)


@main.command()
@click.option(
    "--seconds", type=float, default=3, show_default=True, help="How long the reader's transaction stays open."
)
@output
def ddl(seconds: float, postgres: str, file: Path | None, markdown: bool) -> None:
    """Schema changes beside writers and a long reader: ours against Django's own, in about two minutes."""
    printed(("ddl",), Options(postgres=postgres, seconds=seconds), file, markdown)


def sized(name: str, help_text: str) -> None:
    """A command over sets of data of some size, with sections that can be run alone."""

    @main.command(name, help=help_text)
    @click.option("--elements", default=1_000_000, show_default=True, help="Of each set of data.")
    @click.option("--rounds", default=3, show_default=True, help="Of all ways in turn; the median counts.")
    @click.option("--seconds", type=float, default=8, show_default=True, help="Of each way with live writers.")
    @only
    @click.option("--large", is_flag=True, help="With ten times the elements as well.")
    @output
    def command(file: Path | None, markdown: bool, only: str, **more: Any) -> None:
        printed((name,), Options(only=named(only), **more), file, markdown)


sized(
    "backfill", "History into rows: against one statement, the loop written by hand, live writers, and its own limits."
)
sized("reads", "One parent, a page of parents and a part of a list: against the ORM by hand.")
sized("verify", "Both sides compared: against one statement, and another tool.")

if __name__ == "__main__":
    main(prog_name="scripts/bench")
