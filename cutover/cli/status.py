"""`cutover status`: where it stands, what is next, what could go wrong, how to get back."""

import click

from cutover import report
from cutover.cli.arguments import binding_of, json_option, names_of
from cutover.render import commands as render


@click.command()
@click.argument("name", required=False)
@click.option(
    "--gates/--no-gates",
    default=None,
    help="Ask the gates of the next phase; those of BACKFILL_AND_DROP read the table.",
)
@json_option
def status(name: str | None, gates: bool | None, as_json: bool) -> None:
    """Show where every cutover stands, or the one that is named."""
    reports = [report.gather(binding_of(each), gates=gates) for each in names_of(name)]
    if as_json:
        render.document([each.as_dict() for each in reports] if name is None else reports[0].as_dict())
        return
    for each in reports:
        render.status(each)
