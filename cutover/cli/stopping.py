"""The end of a long command: Ctrl-C, SIGTERM, or the end of the process that started it let the running chunk finish."""

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping(*, tied: bool = False) -> Iterator[Callable[[], bool]]:
    """Whether to stop, asked between two chunks. A second signal acts as it would have without us.

    Args:
        tied: stop as well when standard input ends: that of a worker is a pipe that its starter holds.
    """
    caught: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as the signal module calls it
        caught.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)

    before = {each: signal.signal(each, stop) for each in SIGNALS}
    try:
        yield lambda: bool(caught) or (tied and let_go())
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def let_go() -> bool:
    """Whether standard input has ended, without waiting for it."""
    readable, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)
