"""A bar with rate and time left on a terminal; now and then a plain line when piped."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cutover.render.console import say, talk


@dataclass(frozen=True)
class Step:
    """What is shown after a commit: parents done, their number as estimated, elements so far, a word on now."""

    done: int
    total: int
    elements: int
    note: str = ""


S = TypeVar("S")
Shape = Callable[[S], Step]
EVERY_SECONDS = 2.0


def progress(what: str, steps: Iterable[S], shape: Shape[S]) -> Iterator[S]:
    """Show the steps on standard error as they come, and pass them on."""
    shown = bar if talk().is_terminal else plain
    yield from shown(what, steps, shape)


def last(steps: Iterable[S]) -> S | None:
    """Go through the steps; the last one, or None where there was none."""
    kept = deque(steps, maxlen=1)
    return kept.pop() if kept else None


def bar(what: str, steps: Iterable[S], shape: Shape[S]) -> Iterator[S]:
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
        for each in steps:
            step = shape(each)
            total = max(step.total, step.done) or None
            shown.update(task, completed=step.done, total=total, rate=rate(step, started), note=step.note)
            yield each


def plain(what: str, steps: Iterable[S], shape: Shape[S]) -> Iterator[S]:
    started = shown = time.monotonic()
    for each in steps:
        if time.monotonic() - shown >= EVERY_SECONDS:
            shown, step = time.monotonic(), shape(each)
            reached = f"{step.done} of about {max(step.total, step.done)} parents"
            say(f"{what}: {reached}, {rate(step, started)}{remaining(step, started)} {step.note}".rstrip())
        yield each


def rate(step: Step, started: float) -> str:
    seconds = max(time.monotonic() - started, 1e-3)
    return f"{step.elements / seconds:,.0f} elements/s"


def remaining(step: Step, started: float) -> str:
    if not step.done or step.total <= step.done:
        return ""
    seconds = (time.monotonic() - started) * (step.total - step.done) / step.done
    return f", about {seconds:,.0f} s left"
