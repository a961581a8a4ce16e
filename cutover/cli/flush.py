"""`cutover flush`: move what waits in the buffer into PostgreSQL, as a service or once; and decide about what cannot be moved."""

import click

from cutover import flush as flushing
from cutover.cli.arguments import binding_of, json_option, name_argument
from cutover.cli.stopping import stopping
from cutover.errors import DeclarationError, Incomplete
from cutover.flush import Step
from cutover.mapping import Binding
from cutover.render import commands as render


@click.command()
@name_argument
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.option("--once", is_flag=True, help="End when the streams are empty.")
@click.option("--dead", "what", flag_value="dead", help="List the entries that cannot become rows.")
@click.option("--retry", "what", flag_value="retry", help="Let these dead entries, or all, wait again.")
@click.option("--discard", "what", flag_value="discard", help="Take these dead entries away for good.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many are listed.")
@json_option
def flush(name: str, ids: tuple[int, ...], what: str | None, *, once: bool, limit: int, as_json: bool) -> None:
    """Move the entries of the buffer into PostgreSQL: each exactly once, each parent's in their order.

    Runs until Ctrl-C or SIGTERM, and ends after its batch. May be killed, started again, and run many times at once.
    """
    binding = binding_of(name)
    if once and what is not None:
        raise DeclarationError(f"--once and --{what} are different commands.", hint="Give one of them.")
    if ids and what not in ("retry", "discard"):
        raise DeclarationError("IDs go with --retry or --discard.", hint="Say which of them.")
    if what == "dead":
        listed(binding, limit, as_json=as_json)
    elif what is not None:
        decide(binding, what, ids, as_json=as_json)
    else:
        move(binding, once=once, as_json=as_json)


def move(binding: Binding, *, once: bool, as_json: bool) -> None:
    with stopping() as stop:
        last = render.last(render.flushing(flushing.run(binding, once=once, stop=stop))) or Step()
        stopped = stop()
    found = flushing.status(binding)
    waiting, dead = (0, 0) if found is None else (found.waiting, found.dead)
    if as_json:
        render.document({**last.as_dict(), "left_waiting": waiting, "left_dead": dead})
    render.say(f"{binding.name}: {last.entries} entries became rows; {waiting} wait for their parent, {dead} are dead.")
    if once and (stopped or waiting or dead):
        raise Incomplete(
            f"Entries of {binding.name} are left: {waiting} wait for their parent, {dead} are dead.",
            hint=f"`cutover flush {binding.name} --dead` says why.",
        )


def listed(binding: Binding, limit: int, *, as_json: bool) -> None:
    found = flushing.listing(binding, limit)
    if as_json:
        render.document([each.as_dict() for each in found])
    elif found:
        lines = [(str(each.id), each.parent_key, each.reason, each.payload[: render.CUT]) for each in found]
        render.table("Dead entries", ("id", "parent", "reason", "rows"), lines)
    render.say(f"{binding.name}: {len(found)} are listed.")


def decide(binding: Binding, what: str, ids: tuple[int, ...], *, as_json: bool) -> None:
    if what == "discard" and not ids:
        raise DeclarationError("--discard names no entry.", hint="Give the IDs; what is discarded is lost.")
    decision = flushing.retry if what == "retry" else flushing.discard
    count = decision(binding, list(ids) or None)
    if as_json:
        render.document({"changed": count})
    render.say(f"{binding.name}: {count} entries {'wait for a flusher again' if what == 'retry' else 'are gone'}.")
