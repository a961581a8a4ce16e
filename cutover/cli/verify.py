"""`cutover verify`: compare both sides; with `--repair` or `--rehydrate`, mend them. Exits with 6 when they differ."""

import click

from cutover import render, report
from cutover import verify as verification
from cutover.cli.arguments import binding_of, json_option, name_argument
from cutover.errors import CutoverError, DeclarationError, Differs
from cutover.mapping import Binding
from cutover.verify import Result


@click.command()
@name_argument
@click.option("--repair", is_flag=True, help="Say what would be mended; with --yes, mend it.")
@click.option("--yes", is_flag=True, help="With --repair: do it.")
@click.option(
    "--rehydrate", is_flag=True, help="Write JSON back from the rows, so that DUAL_WRITE can be gone back to."
)
@click.option("--fresh", is_flag=True, help="Begin again instead of going on with a verification that was cut short.")
@json_option
def verify(name: str, repair: bool, yes: bool, rehydrate: bool, fresh: bool, as_json: bool) -> None:
    """Compare the JSON column with the table, down to the element."""
    binding = binding_of(name)
    if repair and rehydrate:
        raise DeclarationError("--repair and --rehydrate are two commands.", hint="Give one of them.")
    if repair:
        mend(binding, apply=yes, as_json=as_json)
    elif rehydrate:
        restore(binding, as_json=as_json)
    else:
        compare(binding, fresh=fresh, as_json=as_json)


def compare(binding: Binding, *, fresh: bool, as_json: bool) -> None:
    total = report.estimate(binding)
    steps = verification.run(binding, resume=not fresh)
    last = render.last(render.progress("verify", steps, lambda step: shape(step, total)))
    if last is None:
        raise CutoverError(f"The verification of {binding.name} ended without a result.", hint="Run it again.")
    result = last.result
    if as_json:
        render.document(result.as_dict())
    else:
        render.verification(result)
    if result.differs:
        raise differing(binding, result)


def shape(step: verification.Progress, total: int) -> render.Step:
    return render.Step(step.parents, total, step.result.json_elements + step.result.table_elements)


def differing(binding: Binding, result: Result) -> Differs:
    found = ", ".join(f"{number} {kind}" for kind, number in sorted(result.found.items()))
    return Differs(
        f"The two sides of {binding.name} differ: {found}.",
        hint=f"`cutover verify {binding.name} --repair` says what would be mended; the runbook explains each class.",
    )


def mend(binding: Binding, *, apply: bool, as_json: bool) -> None:
    actions = list(verification.repair(binding, apply=apply))
    if as_json:
        render.document([vars(action) for action in actions])
    else:
        lines = [(each.kind, each.parent, each.stream, each.element, each.what) for each in actions]
        render.table("Done" if apply else "Would be done", ("class", "parent", "stream", "element", "what"), lines)
    left = sum(not action.done for action in actions)
    if apply and left:
        raise Differs(f"{left} differences were left alone.", hint="The last column says why; the runbook, what to do.")
    if not apply and actions:
        render.say(f"Nothing was changed. `cutover verify {binding.name} --repair --yes` does it.")


def restore(binding: Binding, *, as_json: bool) -> None:
    steps = verification.rehydrate(binding)
    shown = render.progress("rehydrate", steps, lambda step: render.Step(step.parents, 0, step.rows))
    last = render.last(shown) or verification.Rehydrated()
    if as_json:
        render.document(vars(last))
    else:
        render.say(f"{last.rows} elements of {last.parents} parents were written back to JSON.")
    if last.left:
        raise Differs(f"JSON cannot hold {last.left} rows; they were left as they are.", hint="See `cutover verify`.")
