"""`cutover quarantine`: the elements that could not become rows. List, show, try again, waive by name, take a waiver back."""

from dataclasses import dataclass

import click

from cutover import runner
from cutover.backfill import around, retry, waiver
from cutover.backfill import quarantine as held
from cutover.cli.arguments import binding_of, json_option, name_argument
from cutover.errors import DeclarationError, Incomplete
from cutover.mapping import Binding
from cutover.render import commands as render


@dataclass(frozen=True)
class Order:
    """What was asked for; `ids` is None where it is all of them."""

    binding: Binding
    ids: list[int] | None
    everything: bool
    limit: int
    by: str
    reason: str
    as_json: bool


@click.command()
@name_argument
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.option("--show", "what", flag_value="show", help="Show the one element ID whole, with the JSON around it.")
@click.option("--retry", "what", flag_value="retry", help="Visit the parents of these, or of all that are open, again.")
@click.option("--waive", "what", flag_value="waive", help="Take the loss of these upon --by, for a --reason.")
@click.option("--unwaive", "what", flag_value="unwaive", help="Take a waiver back.")
@click.option("--all", "everything", is_flag=True, help="List what was waived as well; with --waive or --unwaive: all.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many are listed.")
@click.option("--by", default="", metavar="NAME", help="Who answers for it.")
@click.option("--reason", default="", metavar="TEXT", help="Why; the history keeps it.")
@json_option
def quarantine(
    name: str,
    ids: tuple[int, ...],
    what: str | None,
    everything: bool,
    limit: int,
    by: str,
    reason: str,
    as_json: bool,
) -> None:
    """List the elements that could not become rows; show one, try them again, or waive them by name."""
    order = Order(binding_of(name), list(ids) or None, everything, limit, by.strip(), reason.strip(), as_json)
    if what in ("waive", "unwaive"):
        require_answer(order, what)
        decide(order, what)
    elif by or reason:
        raise DeclarationError("--by and --reason go with --waive or --unwaive.", hint="Say which of them.")
    elif what == "show":
        show(order)
    elif what == "retry":
        again(order)
    else:
        listed(order)


def listed(order: Order) -> None:
    alias, name = order.binding.alias, order.binding.name
    found = held.listing(alias, name, limit=order.limit, waived=order.everything, ids=order.ids, cut=render.CUT)
    waiting, waived = held.open_count(alias, name), held.waived_count(alias, name)
    if order.as_json:
        render.document({"open": waiting, "waived": waived, "elements": [each.as_dict() for each in found]})
        return
    if found:
        render.quarantine(found)
    render.say(f"{name}: {waiting} are open, {waived} are waived; {len(found)} are listed.")


def show(order: Order) -> None:
    binding = order.binding
    if order.ids is None or len(order.ids) != 1:
        raise DeclarationError("--show takes one ID.", hint=f"`cutover quarantine {binding.name}` lists them.")
    waiver.require(binding.alias, binding.name, order.ids)
    (one,) = held.listing(binding.alias, binding.name, waived=True, ids=order.ids)
    found = around.look(binding, one)
    if order.as_json:
        render.document({**one.as_dict(), "around": found.as_dict()})
    else:
        render.quarantined(one, found)


def again(order: Order) -> None:
    binding = order.binding
    if order.ids is not None:
        waiver.require(binding.alias, binding.name, order.ids)
    last = render.last(render.progress("retry", retry.retry(binding, order.ids), shape))
    if last is None:
        raise Incomplete(f"The retry of {binding.name} ended early.", hint="Run it again.")
    if order.as_json:
        render.document(last.as_dict())
    render.say(
        f"{binding.name}: {last.elements} elements of {last.parents} parents were tried again: "
        f"{last.rows} rows were inserted, {last.left} stay in quarantine."
    )
    if last.left:
        raise Incomplete(
            f"{last.left} elements of {binding.name} still cannot become rows.",
            hint=f"`cutover quarantine {binding.name}` says why; mend the codec or the document, or waive them by name.",
        )


def shape(step: retry.Retried) -> render.Step:
    return render.Step(step.visited, step.parents, step.rows, f"waits: {step.waiting}" if step.waiting else "")


def require_answer(order: Order, what: str) -> None:
    """Refuse a decision for which nobody answers, or that does not say what it is about."""
    if not order.by or not order.reason:
        raise DeclarationError(
            f"--{what} has no {'--by' if not order.by else '--reason'}.",
            hint="Name who answers for it with --by, and why with --reason: the history keeps both.",
        )
    if (order.ids is None) is not order.everything:
        raise DeclarationError(
            f"--{what} takes either IDs or --all.", hint=f"`cutover quarantine {order.binding.name}` lists them."
        )


def decide(order: Order, what: str) -> None:
    alias, name = order.binding.alias, order.binding.name
    who = f"{order.by} ({runner.whoami()})"
    decision = waiver.waive if what == "waive" else waiver.take_back
    count = decision(alias, name, who=who, why=order.reason, ids=order.ids)
    left = held.open_count(alias, name)
    if order.as_json:
        render.document({"changed": count, "open": left, "by": who, "reason": order.reason})
    told = "were waived" if what == "waive" else "are open again"
    render.say(f"{name}: {count} elements {told}; {left} are open.")
