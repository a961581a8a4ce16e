"""`cutover check`: the check for CI. It needs no database; `--database` asks one as well."""

from pathlib import Path

import click
from django.core.checks import CheckMessage

from cutover import checks, render, spec
from cutover.cli.arguments import json_option, names_of


@click.command()
@click.argument("name", required=False)
@click.option(
    "--env",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="An environment file with CUTOVER_* flags; several are compared with each other.",
)
@click.option("--database", multiple=True, metavar="ALIAS", help="Ask this database too.")
@json_option
def check(name: str | None, files: tuple[Path, ...], database: tuple[str, ...], as_json: bool) -> None:
    """Find flags, declarations and migrations that do not fit together."""
    wanted = names_of(name) if name or spec.names() else []
    found: list[CheckMessage] = [
        *checks.check_flags(None if name is None else wanted),
        *checks.check_environments(wanted, files),
        *checks.check_declarations(),
        *checks.check_migrations(),
        *checks.check_database(databases=database),
    ]
    shown = [each for each in found if name is None or each.obj == name or not isinstance(each.obj, str)]
    render.findings(shown, checked=wanted, as_json=as_json)
    if any(each.is_serious() for each in shown):
        raise click.exceptions.Exit(1)
