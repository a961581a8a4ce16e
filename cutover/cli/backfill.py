"""`cutover backfill`: bring the history into rows. Also the quarantine, and a pause from another terminal."""

import getpass

import click

from cutover import backfill as filling
from cutover import ledger, render
from cutover.backfill import quarantine as held
from cutover.cli.arguments import binding_of, json_option, name_argument
from cutover.errors import DeclarationError, Incomplete
from cutover.mapping import Binding


@click.command()
@name_argument
@click.option("--worker", default="", help="A name for this worker, shown in status.")
@click.option("--pause", "paused", flag_value="pause", help="Ask all workers to stop after their chunk, and wait.")
@click.option("--resume", "paused", flag_value="resume", help="Let them go on.")
@click.option("--reset", is_flag=True, help="Forget what was done; the rows stay, and a new run finds them.")
@click.option("--quarantine", is_flag=True, help="List the elements that could not become rows.")
@click.option("--waive", metavar="NAME", help="Take the loss of all elements in quarantine upon this name.")
@json_option
def backfill(
    name: str, worker: str, paused: str | None, reset: bool, quarantine: bool, waive: str | None, as_json: bool
) -> None:
    """Insert a row for every JSON element that has none. May be killed and started again, and run many times at once."""
    binding = binding_of(name)
    if sum((paused is not None, reset, quarantine, waive is not None)) > 1:
        raise DeclarationError("These options are different commands.", hint="Give one of them.")
    if paused is not None:
        pause(binding, paused == "pause")
    elif reset:
        filling.reset(binding)
        render.say(f"{name}: the backfill begins anew at the next run; no row was removed.")
    elif quarantine:
        show_quarantine(binding, as_json=as_json)
    elif waive is not None:
        waived(binding, waive)
    else:
        fill(binding, worker, as_json=as_json)


def fill(binding: Binding, worker: str, *, as_json: bool) -> None:
    last = render.last(render.progress("backfill", filling.run(binding, worker=worker), shape))
    if as_json:
        render.document(None if last is None else last.as_dict())
    if last is None or not last.finished:
        raise Incomplete(
            f"The backfill of {binding.name} has not finished.", hint="Run it again; it goes on where it was."
        )
    render.say(f"{binding.name}: every element has its row. {last.elements} were inserted for {last.parents} parents.")
    if last.quarantined:
        render.say(f"{last.quarantined} are in quarantine: `cutover backfill {binding.name} --quarantine`.", "yellow")


def shape(step: filling.Progress) -> render.Step:
    note = f"waits: {step.waiting}" if step.waiting else f"chunks of {step.chunk_parents} parents"
    return render.Step(step.parents, step.estimate, step.elements, note)


def pause(binding: Binding, paused: bool) -> None:
    ledger.pause(binding.alias, binding.name, paused)
    render.say(f"{binding.name}: the backfill {'pauses after its chunk' if paused else 'may go on'}.")


def show_quarantine(binding: Binding, *, as_json: bool) -> None:
    found = held.listing(binding.alias, binding.name, waived=True)
    if as_json:
        render.document([vars(each) for each in found])
        return
    lines = [
        (str(each.id), each.stream or "document", each.parent_key, each.reason, each.element[:128], each.waived_by)
        for each in found
    ]
    render.table("Quarantine", ("id", "stream", "parent", "reason", "element", "waived by"), lines)


def waived(binding: Binding, who: str) -> None:
    if not who.strip():
        raise DeclarationError("--waive has no name.", hint="Name the person who takes the loss, and the reason.")
    count = held.waive(binding.alias, binding.name, who=f"{who} ({getpass.getuser()})")
    render.say(f"{binding.name}: {count} elements in quarantine were waived by {who}; they stay listed.")
