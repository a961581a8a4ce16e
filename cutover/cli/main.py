"""The group of commands, and the one place where errors become messages and exit codes."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from cutover import __version__, db
from cutover.cli import project
from cutover.errors import CutoverError
from cutover.render import console

# In the order of the help; the module of each, and what it is called there. A command is imported when it is asked for.
COMMANDS = {
    "status": "status.status",
    "adopt": "adopt.adopt",
    "advance": "advance.advance",
    "rollback": "advance.rollback",
    "backfill": "backfill.backfill",
    "quarantine": "quarantine.quarantine",
    "flush": "flush.flush",
    "verify": "verify.verify",
    "shadow": "shadow.shadow",
    "check": "check.check",
    "scaffold": "scaffold.scaffold",
    "demo": "demo.demo_command",
}


class Translating(click.Group):
    """A group whose commands end in a fact, a hint and an exit code, not in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with db.translated():
                return super().invoke(ctx)
        except CutoverError as error:
            console.error(error)
            ctx.exit(error.exit_code)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click passes it
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name].rpartition(".")
            self.add_command(getattr(import_module(f"cutover.cli.{module}"), name))
        return super().get_command(ctx, cmd_name)


@click.group(cls=Translating, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cutover")
@click.option("--settings", help="The settings module of the Django project.")
@click.pass_context
def cutover(ctx: click.Context, settings: str | None) -> None:
    """Move data out of a JSON column into a child table, in five phases with a way back."""
    if ctx.invoked_subcommand not in ("demo", "check"):  # they load a project for themselves
        project.set_up(settings)
        ctx.with_resource(project.named(str(ctx.invoked_subcommand)))


def main(args: Sequence[str] | None = None, prog_name: str = "cutover") -> None:
    """Run a command line and exit with its code."""
    cutover.main(args=list(sys.argv[1:] if args is None else args), prog_name=prog_name)
