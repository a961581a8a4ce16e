"""A bar with rate and time left on a terminal; now and then a plain line when piped."""

import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cutover.render.console import say, talk


class Step(Protocol):
    """What the work yields after each commit: parents done, their estimated total, elements so far, a word on now."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...

    @property
    def elements(self) -> int: ...

    @property
    def note(self) -> str: ...


S = TypeVar("S", bound=Step)
EVERY_SECONDS = 2.0


def progress(what: str, steps: Iterable[S]) -> Iterator[S]:
    """Show the steps on standard error as they come, and pass them on."""
    console = talk()
    if console.is_terminal:
        yield from bar(what, steps)
    else:
        yield from plain(what, steps)


def bar(what: str, steps: Iterable[S]) -> Iterator[S]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    started = time.monotonic()
    with Progress(*columns, console=talk(), transient=True) as shown:
        task = shown.add_task(what, total=None, rate="", note="")
        for step in steps:
            total = max(step.total, step.done) or None
            shown.update(task, completed=step.done, total=total, rate=rate(step, started), note=step.note)
            yield step


def plain(what: str, steps: Iterable[S]) -> Iterator[S]:
    started = shown = time.monotonic()
    for step in steps:
        if time.monotonic() - shown >= EVERY_SECONDS:
            shown = time.monotonic()
            reached = f"{step.done} of about {max(step.total, step.done)} parents"
            say(f"{what}: {reached}, {rate(step, started)}{remaining(step, started)} {step.note}".rstrip())
        yield step


def rate(step: Step, started: float) -> str:
    seconds = max(time.monotonic() - started, 1e-3)
    return f"{step.elements / seconds:,.0f} elements/s"


def remaining(step: Step, started: float) -> str:
    if not step.done or step.total <= step.done:
        return ""
    seconds = (time.monotonic() - started) * (step.total - step.done) / step.done
    return f", about {seconds:,.0f} s left"
