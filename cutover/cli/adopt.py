"""`cutover adopt`: begin the ledger of a cutover whose child table was there before the toolkit. It looks; `--yes` begins."""

from datetime import timedelta

import click

from cutover import runner
from cutover.cli.arguments import PhaseType, binding_of, json_option, name_argument, why_option
from cutover.phase import Phase
from cutover.render import commands as render


@click.command()
@name_argument
@click.argument("phase", type=PhaseType(), required=False, default=Phase.NOT_STARTED)
@click.option("--yes", is_flag=True, help="Begin; without it, only look.")
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds to wait for settling.")
@click.option("--waive", type=int, multiple=True, metavar="PID", help="Do not wait for this backend.")
@why_option
@json_option
def adopt(name: str, phase: Phase, yes: bool, timeout: float, waive: tuple[int, ...], why: str, as_json: bool) -> None:
    """Say what is there, and begin at the phase that it shows; PHASE asks for one, and is refused where it is not shown.

    Exits 3 where nothing, or less than PHASE, is shown.
    """
    order = runner.Order(binding_of(name), phase, why, not yes, waive, timedelta(seconds=timeout))
    with render.adoption(order, as_json=as_json) as show:
        for event in runner.adopt(order):
            show(event)
    if not show.holds:
        raise click.exceptions.Exit(3)
