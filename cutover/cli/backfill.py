"""`cutover backfill`: bring the history into rows. Also how gently, from any terminal: pause, target time, number of workers."""

import getpass
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import click

from cutover import backfill as filling
from cutover import ledger
from cutover.backfill import controls, dryrun
from cutover.cli import several
from cutover.cli.arguments import binding_of, json_option, name_argument
from cutover.cli.stopping import stopping
from cutover.errors import DeclarationError, Incomplete
from cutover.mapping import Binding
from cutover.render import commands as render


@dataclass(frozen=True)
class Gently:
    """What was asked for about the pace; None leaves it as it is."""

    target: float | None
    rest: float | None
    workers: int | None

    @property
    def given(self) -> bool:
        return (self.target, self.rest, self.workers) != (None, None, None)


@click.command()
@name_argument
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    metavar="N",
    help="How many workers are to work in all, on all machines. Those that are missing are started here; those above the number"
    " wait, and say so. 0: any number.",
)
@click.option(
    "--target",
    type=click.FloatRange(0.01, 60),
    metavar="SECONDS",
    help="How long a chunk takes, unless its transaction takes long without anything in it. Usually 0.5, and 0.05 beside others.",
)
@click.option(
    "--rest", type=click.FloatRange(0, 0.95), metavar="SHARE", help="Share of the time in which a worker rests."
)
@click.option(
    "--nice", "preset", flag_value="nice", help="The same as --target 0.05 --rest 0.5: slower, and easier on others."
)
@click.option(
    "--usual",
    "preset",
    flag_value="usual",
    help="As without any of these: as fast as --full, but shorter chunks and a rest after each while others are at work.",
)
@click.option(
    "--full",
    "preset",
    flag_value="full",
    help="The same as --target 0.5 --rest 0, while others are at work too.",
)
@click.option("--worker", default="", metavar="NAME", help="A name for this worker, shown in status.")
@click.option(
    "--dry-run", "what", flag_value="dry-run", help="Count what there is to do, and estimate the time; change nothing."
)
@click.option("--pause", "what", flag_value="pause", help="Let all workers wait after their chunk.")
@click.option("--resume", "what", flag_value="resume", help="Let them go on.")
@click.option(
    "--reset", "what", flag_value="reset", help="Forget what was done; the rows stay, and a new run finds them."
)
@click.option("--tied", is_flag=True, hidden=True, help="End with standard input.")
@json_option
def backfill(
    name: str, what: str | None, preset: str | None, worker: str, *, tied: bool, as_json: bool, **pace: Any
) -> None:
    """Insert a row for every JSON element that has none.

    May be killed and started again, and run many times at once; the same command goes on where it was. Ctrl-C ends it after
    its chunk.

    --workers, --target, --rest, --nice and --full hold for all workers, wherever they run, within a second, and until they are
    changed again. Where workers are running, the command sets them and ends; only --workers starts those that are missing. To
    add a worker without them, give the command without these options.
    """
    binding, gently = binding_of(name), asked(preset, **pace)
    if what is not None and gently.given:
        raise DeclarationError(f"--{what} and a pace are different commands.", hint="Give one of them.")
    if what in ("pause", "resume"):
        pause(binding, what == "pause")
    elif what == "reset":
        filling.reset(binding)
        render.say(f"{name}: the backfill begins anew at the next run; no row was removed.")
    elif what == "dry-run":
        render.dry_run(dryrun.estimate(binding), as_json=as_json)
    else:
        missing = set_pace(binding, gently, as_json=as_json) if gently.given else 1
        if missing:
            fill(binding, missing, worker, tied=tied, as_json=as_json)


def asked(preset: str | None, *, target: float | None, rest: float | None, workers: int | None) -> Gently:
    """The options; a preset stands for two of them.

    Raises:
        DeclarationError: it is given beside one of the two.
    """
    if preset is None:
        return Gently(target, rest, workers)
    if (target, rest) != (None, None):
        raise DeclarationError(f"--{preset} sets --target and --rest itself.", hint="Give one or the other.")
    target, rest = controls.PRESETS[preset]
    return Gently(target, rest, workers)


def set_pace(binding: Binding, gently: Gently, *, as_json: bool) -> int:
    """Tell all workers; how many are to be started here."""
    now = controls.change(
        binding, who=getpass.getuser(), target=gently.target, rest=gently.rest, workers=gently.workers
    )
    running = sum(not each.gone for each in filling.live(binding))
    missing = max(0, (gently.workers or 1) - running) if gently.workers or not running else 0
    render.say(f"{binding.name}: {now}.")
    if not missing:
        render.say(f"{running} workers are running and follow within a second; none was started here.")
        if as_json:
            render.document({"name": binding.name, "running": running, "started": 0, "controls": now.as_dict()})
    return missing


def fill(binding: Binding, count: int, worker: str, *, tied: bool, as_json: bool) -> None:
    with stopping(tied=tied) as stop:
        last = render.last(render.progress("backfill", steps(binding, count, worker, stop), shape))
        stopped = stop()
    if as_json:
        render.document(None if last is None else last.as_dict())
    if last is None or not last.finished:
        raise Incomplete(
            f"The backfill of {binding.name} {'was stopped after a chunk' if stopped else 'has not finished'}.",
            hint="Run the same command again; it goes on where it was.",
        )
    render.say(f"{binding.name}: every element has its row. {last.elements} were inserted for {last.parents} parents.")
    if last.quarantined:
        render.say(f"{last.quarantined} are in quarantine: `cutover quarantine {binding.name}`.", "yellow")


def steps(binding: Binding, count: int, worker: str, stop: Callable[[], bool]) -> Iterator[filling.Progress]:
    """One worker works here; several are processes of their own."""
    if count == 1:
        return filling.run(binding, worker=worker, stop=stop)
    return several.run(binding, count, worker, stop)


def shape(step: filling.Progress) -> render.Step:
    note = f"waits: {step.waiting}" if step.waiting else f"chunks of {step.chunk_parents} parents"
    if not step.chunk_parents and not step.waiting:
        note = step.worker
    return render.Step(step.parents, step.estimate, step.elements, f"{note} {step.notes}".strip())


def pause(binding: Binding, paused: bool) -> None:
    ledger.pause(binding.alias, binding.name, paused)
    render.say(f"{binding.name}: the backfill {'pauses after its chunk' if paused else 'may go on'}.")
