"""`cutover verify`: compare both sides, of all parents or some; or mend them. Exits with 6 when they differ."""

from collections.abc import Iterator
from datetime import datetime

import click

from cutover import report
from cutover import verify as verification
from cutover.cli import mending
from cutover.cli.arguments import binding_of, json_option, name_argument
from cutover.errors import CutoverError, DeclarationError, Differs
from cutover.mapping import Binding
from cutover.render import commands as render
from cutover.verify import Result, Selection


@click.command()
@name_argument
@click.option("--sample", metavar="N|P%", help="Only so many parents, or such a share, at random. No gate takes it.")
@click.option(
    "--since", metavar="TIME|last", help="Only what was written since the verification before. No gate takes it."
)
@click.option("--parent", "parents", metavar="KEY", multiple=True, help="Only this parent; may be given several times.")
@click.option("--show", is_flag=True, help="With --parent: both sides beside each other.")
@click.option("--repair", is_flag=True, help="Say what would be mended; with --yes, mend it.")
@click.option(
    "--rehydrate", is_flag=True, help="Say what would be written back to JSON from the rows; with --yes, write it."
)
@click.option("--yes", is_flag=True, help="With --repair or --rehydrate: do it.")
@click.option("--fresh", is_flag=True, help="Begin again instead of going on with what was cut short.")
@json_option
def verify(
    name: str,
    sample: str | None,
    since: str | None,
    parents: tuple[str, ...],
    show: bool,
    repair: bool,
    rehydrate: bool,
    yes: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Compare the JSON column with the table, down to the element.

    All parents are compared, in chunks; one that was cut short goes on. What --since cannot see: rows of the table that were
    deleted while the parent's row stayed as it was, and what the verification before had found already.
    """
    require_one(
        {"--sample": sample, "--since": since, "--parent": parents, "--repair": repair, "--rehydrate": rehydrate}
    )
    require_with("--show", show, "--parent", parents)
    require_with("--yes", yes, "--repair or --rehydrate", repair or rehydrate)
    binding = binding_of(name)
    if repair:
        mending.repair(binding, apply=yes, fresh=fresh, as_json=as_json)
    elif rehydrate:
        mending.rehydrate(binding, apply=yes, fresh=fresh, as_json=as_json)
    elif show:
        shown(binding, list(parents), as_json=as_json)
    else:
        compare(binding, chosen(binding, sample, since, list(parents)), fresh=fresh, as_json=as_json)


def require_one(given: dict[str, object]) -> None:
    found = [name for name, value in given.items() if value]
    if len(found) > 1:
        raise DeclarationError(f"{found[0]} and {found[1]} are two commands.", hint="Give one of them.")


def require_with(name: str, given: bool, other: str, there: object) -> None:
    if given and not there:
        raise DeclarationError(f"{name} goes with {other}.", hint=f"Give {other} as well, or leave {name} away.")


def chosen(binding: Binding, sample: str | None, since: str | None, parents: list[str]) -> Selection | None:
    """Which parents; None is all of them."""
    if sample is not None:
        return verification.sample(binding, sample)
    if since is not None:
        return verification.since(binding, None if since == "last" else time_of(since))
    return verification.named(binding, parents) if parents else None


def time_of(text: str) -> datetime:
    """A time in ISO 8601; without a zone, in that of the shell."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise DeclarationError(f"{text!r} is no time.", hint="Write 2026-03-01T10:00, or `last`.") from error


def compare(binding: Binding, some: Selection | None, *, fresh: bool, as_json: bool) -> None:
    result = judged(binding, some, fresh=fresh)
    if as_json:
        render.document(result.as_dict())
    else:
        render.verification(result)
    if result.differs:
        raise differing(binding, result)


def judged(binding: Binding, some: Selection | None, *, fresh: bool = False) -> Result:
    total = report.estimate(binding) if some is None else 0
    last = render.last(render.progress("verify", steps(binding, some, fresh), lambda step: shape(step, total)))
    if last is None:
        raise CutoverError(f"The verification of {binding.name} ended without a result.", hint="Run it again.")
    return last.result


def steps(binding: Binding, some: Selection | None, fresh: bool) -> Iterator[verification.Progress]:
    if some is None:
        return verification.run(binding, resume=not fresh)
    return verification.run_some(binding, some)


def shape(step: verification.Progress, total: int) -> render.Step:
    return render.Step(step.result.parents, total, step.result.json_elements + step.result.table_elements)


def differing(binding: Binding, result: Result) -> Differs:
    found = ", ".join(f"{number} {kind}" for kind, number in sorted(result.found.items()))
    return Differs(
        f"The two sides of {binding.name} differ: {found}.",
        hint=f"`cutover verify {binding.name} --repair` says what would be mended; the runbook explains each class.",
    )


def shown(binding: Binding, texts: list[str], *, as_json: bool) -> None:
    """Both sides of some parents beside each other, and what a verification of them says."""
    some = verification.named(binding, texts)
    beside = {key: verification.compared(binding, key) for page in some.pages() for key in page}
    result = judged(binding, some)
    if as_json:
        lines = {str(key): [vars(line) for line in found] for key, found in beside.items()}
        render.document({**result.as_dict(), "sides": lines})
    else:
        for key, found in beside.items():
            render.sides(str(key), found)
        render.verification(result)
    if result.differs:
        raise differing(binding, result)
