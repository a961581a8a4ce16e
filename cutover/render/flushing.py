"""What a flusher does: a line when that changes, and now and then how much it was."""

import time
from collections.abc import Iterable, Iterator

from cutover.flush import Status, Step
from cutover.render.console import say

EVERY_SECONDS = 10.0


def flushing(steps: Iterable[Step]) -> Iterator[Step]:
    """Tell of the steps on standard error as they come, and pass them on."""
    shown, said = time.monotonic(), Step()
    for step in steps:
        if step.waiting != said.waiting:
            say(f"waits: {step.waiting}" if step.waiting else "goes on", "yellow")
            said = step
        if time.monotonic() - shown >= EVERY_SECONDS and step.entries != said.entries:
            say(f"{step.entries} entries became rows, {step.dead} could not")
            shown, said = time.monotonic(), step
        yield step


def buffer(status: Status) -> list[tuple[str, str]]:
    """What `status` says of the buffer."""
    held = "not known" if status.entries is None else f"{status.entries} entries"
    age = f", the oldest {status.oldest:.0f} s old" if status.entries else ""
    last = f"; last flushed {status.flushed_at:%Y-%m-%d %H:%M:%S}" if status.flushed_at else ""
    declared = "" if status.declared else " (no longer declared)"
    waiting = f"{status.waiting} entries wait for their parent" if status.waiting else ""
    dead = f"{status.dead} entries cannot become rows; `cutover flush` lists them with --dead" if status.dead else ""
    return [
        ("buffer", f"{held}{age}{last}{declared}"),
        ("", status.problem),
        ("", waiting),
        ("dead", dead),
        ("lost", f"{status.lost} entries never came out of Redis" if status.lost else ""),
        ("forgotten", forgotten(status)),
        ("past", past(status)),
    ]


def forgotten(status: Status) -> str:
    if not status.forgotten or status.forgotten_at is None:
        return ""
    return f"Redis had lost what it held {status.forgotten} times, last seen {status.forgotten_at:%Y-%m-%d %H:%M:%S}"


def past(status: Status) -> str:
    if not status.past or status.past_at is None:
        return ""
    return (
        f"{status.past} lines of the last day went straight to PostgreSQL, last {status.past_at:%H:%M:%S}:"
        f" {status.past_reason}"
    )
