"""`cutover scaffold`: write the next migration from the template of its phase."""

from pathlib import Path

import click

from cutover.cli.arguments import PhaseType, json_option, name_argument
from cutover.phase import Phase
from cutover.render import commands as render
from cutover.schema import scaffold as writing


@click.command()
@name_argument
@click.argument("phase", type=PhaseType(), required=False)
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="Write there instead.")
@json_option
def scaffold(name: str, phase: Phase | None, directory: Path | None, as_json: bool) -> None:
    """Write the migration of PHASE, or the first that is not there yet, into the app's migrations.

    BACKFILL_AND_DROP has two, in two releases.
    """
    path = writing.scaffold(name, phase, directory=directory)
    if as_json:
        render.document({"name": name, "phase": None if phase is None else phase.name, "path": str(path)})
    else:
        render.line(str(path))
    render.say("Read it, then run `manage.py migrate`.")
