"""`cutover advance` and `cutover rollback`: one phase forward or back. The phase is named, so the same line twice moves once."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import click

from cutover import runner
from cutover.cli.arguments import binding_of, json_option, name_argument, phase_argument, why_option
from cutover.phase import Phase
from cutover.render import commands as render

Mover = Callable[[runner.Order], Iterator[runner.Event]]


def movement(command: Callable[..., None]) -> Callable[..., None]:
    """The options of both directions."""
    for option in (
        json_option,
        why_option,
        click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds to wait for settling."),
        click.option("--waive", type=int, multiple=True, metavar="PID", help="Do not wait for this backend."),
        click.option("--dry-run", is_flag=True, help="Ask the gates; change nothing."),
        phase_argument,
        name_argument,
    ):
        command = option(command)
    return command


@click.command()
@movement
def advance(
    name: str, phase: Phase, dry_run: bool, waive: tuple[int, ...], timeout: float, why: str, as_json: bool
) -> None:
    """Move one phase forward, to PHASE, and wait until it has settled."""
    move(
        runner.advance, runner.Order(binding_of(name), phase, why, dry_run, waive, timedelta(seconds=timeout)), as_json
    )


@click.command()
@movement
def rollback(
    name: str, phase: Phase, dry_run: bool, waive: tuple[int, ...], timeout: float, why: str, as_json: bool
) -> None:
    """Move one phase back, to PHASE, and wait until that has settled."""
    move(
        runner.rollback, runner.Order(binding_of(name), phase, why, dry_run, waive, timedelta(seconds=timeout)), as_json
    )


def move(mover: Mover, order: runner.Order, as_json: bool) -> None:
    with render.movement(order, as_json=as_json) as show:
        for event in mover(order):
            show(event)
    if order.dry_run and not show.holds:
        raise click.exceptions.Exit(3)
