"""`cutover shadow`: what shadow reads have found. Exits with 6 when there are differences."""

import click

from cutover.cli.arguments import binding_of, json_option, name_argument
from cutover.errors import Differs
from cutover.read import shadows
from cutover.render import commands as render

SHOWN = 10  # as Vitess' VDiff


@click.command()
@name_argument
@json_option
def shadow(name: str, as_json: bool) -> None:
    """Show the first differences that sampled reads have found, side by side."""
    binding = binding_of(name)
    summary = shadows.summary(binding.alias, binding.name)
    found = shadows.newest(binding.alias, binding.name, SHOWN) if summary.differences else []
    if as_json:
        render.document({"name": binding.name, **summary.as_dict(), "newest": [each.as_dict() for each in found]})
    else:
        render.shadow(binding.name, summary, found)
    if found:
        raise Differs(
            f"Shadow reads of {binding.name} found {summary.differences} lists that differ.",
            hint=f"`cutover verify {binding.name} --parent {found[0].parent} --show` looks at the first of them now.",
        )
