"""The command itself: options, the display that fits, the exit code."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

import click

from cutover.cli.demo.ending import ending
from cutover.cli.demo.live import live
from cutover.cli.demo.plain import plain
from cutover.demo import play
from cutover.demo.events import Ended, Kept
from cutover.demo.project import HANDLERS
from cutover.demo.summary import Summary
from cutover.errors import CutoverError
from cutover.render import console

LOST = 6  # the exit code for sides that differ

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class TakesMany(click.Command):
    """Lets `--lines a.log b.log` name several files, as a shell expands a pattern."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        many = False
        for word in args:
            if word.startswith("-"):
                many = word == "--lines"
                spread.append(word)
            else:
                spread += ["--lines", word] if many and spread[-1] != "--lines" else [word]
        return super().parse_args(ctx, spread)


@click.command("demo", cls=TakesMany)
@click.option("--lines", type=FILE, multiple=True, metavar="FILE...", help="Log files that feed the messages.")
@click.option("--jobs", type=click.IntRange(2, 100_000), default=100, show_default=True, help="Jobs with a history.")
@click.option("--seconds", type=click.FloatRange(1), default=60.0, show_default=True, help="About how long it takes.")
@click.option(
    "--handler", type=click.Choice(HANDLERS), default=HANDLERS[0], show_default=True,
    help="The log handler of the converted releases.",
)  # fmt: skip
@click.option("--writers", type=click.IntRange(1, 100), default=3, show_default=True, help="Processes that write.")
@click.option("--keep", is_flag=True, help="Leave server and project for exploring, and say how.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON document on stdout.")
def demo_command(
    lines: tuple[Path, ...], jobs: int, seconds: float, handler: str, writers: int, *, keep: bool, as_json: bool
) -> None:
    """Take a live system of its own through all five phases, and count every element.

    A Django project with a legacy log handler, a PostgreSQL server and a fleet of processes are started, converted while
    they work, and compared with an oracle at every step. Ends with 0 only if nothing was lost or doubled.
    """
    home = Path(tempfile.mkdtemp(prefix="cutover-demo-")) if keep else None
    summary = show(play.Options(lines, jobs, seconds, home, handler, writers), as_json=as_json)
    if summary.faults:
        raise click.exceptions.Exit(LOST)


def show(options: play.Options, *, as_json: bool) -> Summary:
    """Play, show, and return what was found. Raises CutoverError where the story could not go on."""
    summary, kept = None, None
    display = plain if as_json or not console.talk().is_terminal else live
    with ends_on_sigterm(), closing(play.run(options)) as story:
        for event in display(story, options.seconds):
            match event:
                case Ended():
                    summary = event.summary
                case Kept():
                    kept = event
    if summary is None:
        raise CutoverError("The story ended before its end.")
    ending(summary, kept, as_json=as_json)
    return summary


@contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does: everything is cleared away."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a signal handler
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
