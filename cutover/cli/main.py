"""The group of commands, and the one place where errors become messages and exit codes."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from cutover import __version__, db, render
from cutover.cli import project
from cutover.errors import CutoverError


class Translating(click.Group):
    """A group whose commands end in a fact, a hint and an exit code, not in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with db.translated():
                return super().invoke(ctx)
        except CutoverError as error:
            render.error(error)
            ctx.exit(error.exit_code)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click passes it
        return [name for name in ORDER if name in self.commands] + sorted(set(self.commands) - set(ORDER))


ORDER = (
    "status",
    "adopt",
    "advance",
    "rollback",
    "backfill",
    "quarantine",
    "flush",
    "verify",
    "shadow",
    "check",
    "scaffold",
    "demo",
)


@click.group(cls=Translating, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cutover")
@click.option("--settings", help="The settings module of the Django project.")
@click.pass_context
def cutover(ctx: click.Context, settings: str | None) -> None:
    """Move data out of a JSON column into a child table, in five phases with a way back."""
    if ctx.invoked_subcommand not in ("demo", "check"):  # they load a project for themselves
        project.set_up(settings)


def add_commands() -> None:
    from cutover.cli import adopt, advance, backfill, check, demo, flush, quarantine, scaffold, shadow, status, verify

    for command in (
        status.status,
        adopt.adopt,
        advance.advance,
        advance.rollback,
        backfill.backfill,
        quarantine.quarantine,
        flush.flush,
        verify.verify,
        shadow.shadow,
        check.check,
        scaffold.scaffold,
        demo.demo_command,
    ):
        cutover.add_command(command)


def main(args: Sequence[str] | None = None, prog_name: str = "cutover") -> None:
    """Run a command line and exit with its code."""
    add_commands()
    cutover.main(args=list(sys.argv[1:] if args is None else args), prog_name=prog_name)
