"""The lines that a handler has taken and not written: bounded, counted, safe from threads, signals and forks. It writes nothing.

A line is put here before the first try and leaves when it needs no other. So an exception that a signal raises loses none of
them, wherever it strikes.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models


@dataclass(eq=False)
class Line:
    """One line on its way.

    Attributes:
        parent: the key of the parent, or an instance that had none.
        done: whether it needs no further try: it was written, or it never can be.
        perhaps: whether a try ended so that nobody knows what became of it.
        taken_by: the thread that is writing it.
        not_before: until when it need not be tried again; this and `since` on the monotonic clock.
        place: file and line of the logging call.
        chosen: whether the fields are the application's own choice, so that each of them has to fit.
    """

    parent: Any
    fields: Mapping[str, Any]
    place: tuple[str, int] = ("", 0)
    chosen: bool = False
    done: bool = False
    perhaps: bool = False
    taken_by: int | None = None
    not_before: float = 0.0
    since: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> Any:
        """What lines of one parent have in common."""
        if isinstance(self.parent, models.Model):
            return id(self.parent) if self.parent.pk is None else self.parent.pk
        return self.parent


class Kept:
    """Lines in the order in which they came; beyond the bound the oldest are given up."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.start()
        _all.add(self)

    def start(self) -> None:
        """Begin with nothing: in the child of a fork the lines are its parent's to write."""
        self.lock = threading.Lock()
        self.dropped = 0
        self._lines: dict[int, Line] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: Line) -> None:
        """Take a line that this thread is about to write."""
        line.taken_by = threading.get_ident()
        self._lines[id(line)] = line

    def next(self, skip: set[Any], newest: Line | None = None, *, last: bool = False) -> Line | None:
        """The oldest line that this thread may try, none of those parents; `last` takes what another thread left behind.

        What a signal has interrupted is its own thread's to try: the transaction of that may still be open. Where a new line
        is the reason, lines of other parents wait for their time.
        """
        me, now = threading.get_ident(), time.monotonic()
        with self.lock:
            for line in list(self._lines.values()):
                if line.done:
                    self._lines.pop(id(line), None)
                    continue
                due = newest is None or line.not_before <= now or line.key == newest.key
                if due and line.key not in skip and (last or line.taken_by in (None, me)):
                    line.taken_by = me
                    return line
        return None

    def waits(self, newest: Line) -> bool:
        """Whether an older line of the same parent could not be written; those that are on their way do not count."""
        me = threading.get_ident()
        for line in list(self._lines.values()):
            if line is newest:
                return False
            if line.key == newest.key and not line.done and line.taken_by in (None, me):
                return True
        return False

    def leave(self, line: Line) -> int:
        """A try is over. How many lines had to be given up for it to stay."""
        given_up = 0
        with self.lock:
            if line.done:
                self._lines.pop(id(line), None)
                return 0
            line.taken_by = None
            waiting = [each for each in self._lines.values() if each.taken_by is None]
            for each in waiting[: max(0, len(waiting) - self.most)]:
                self._lines.pop(id(each), None)
                given_up += 1
            self.dropped += given_up
        return given_up

    def count(self) -> None:
        """One that never became a line."""
        with self.lock:
            self.dropped += 1

    def give_up(self, line: Line) -> None:
        """A line can never be written."""
        with self.lock:
            line.done = True
            self.dropped += self._lines.pop(id(line), None) is not None

    def give_up_all(self) -> int:
        with self.lock:
            given_up = sum(not line.done for line in self._lines.values())
            self._lines.clear()
            self.dropped += given_up
        return given_up


_all: weakref.WeakSet[Kept] = weakref.WeakSet()


def start_anew() -> None:
    for each in list(_all):
        each.start()


os.register_at_fork(after_in_child=start_anew)
