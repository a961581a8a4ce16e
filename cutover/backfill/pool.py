"""Processes that decode beside a worker: a codec in Python keeps one core busy, and the worker's machine may have more.

They are extras that keep nothing: each takes units of lists with a recipe, and gives back what they are made of. What one does
not give back, because it was killed or the codec raised, the worker makes by itself. They open no connection to the database, and
end with the worker: then nobody holds the other end of their socket.
"""

import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from django.conf import settings

from cutover import conf
from cutover.backfill import decoding
from cutover.backfill.decoding import Inexact, Line, Made, Recipe

AFTER = 1.0  # seconds of decoding by itself until a worker asks for help; what is over sooner needs none
SHARE = 64 * 1024  # characters that a helper takes at a time
PATIENCE = 3  # seconds for a helper to take or give something, while a transaction is open
QUOTA = Path("/sys/fs/cgroup/cpu.max")
PROGRAM = "import sys, django; django.setup(); from cutover.backfill import pool; pool.serve(int(sys.argv[1]))"

Unit = list[Line]


class Gone(Exception):
    """A helper is there no more, or does not answer."""


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong on the way to a helper is Gone; a time limit of the application, raised by a signal, passes through."""
    try:
        yield
    except TimeoutError:
        raise
    except (OSError, EOFError) as error:
        raise Gone from error


@dataclass
class Helper:
    """One process, and what it has in hand; it says once by itself that it is ready."""

    process: subprocess.Popen[bytes]
    link: Connection
    busy: bool = True
    given: list[Unit] = field(default_factory=list)

    def give(self, recipe: bytes, units: list[Unit]) -> None:
        """Hand something to do over, unless there is nothing. Raises Gone; it still is in `given` then."""
        if units:
            self.busy, self.given = True, units
            with told():
                self.link.send((recipe, units))

    def take(self, wait: float) -> list[tuple[Unit, Made]]:
        """What it has made of which unit; nothing where there is nothing so soon.

        Raises:
            Gone: what it was given still is in `given`.
            Inexact: as `decoding.made`.
        """
        with told():
            if not self.link.poll(wait):
                return []
            answer = self.link.recv()
        units, self.given, self.busy = self.given, [], False
        if answer is None:
            raise Inexact
        return list(zip(units, answer, strict=True))

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    def end(self) -> list[Unit]:
        """End it; what it had in hand."""
        self.link.close()
        self.process.kill()
        self.process.wait()
        left, self.given = self.given, []
        return left


class Held(threading.local):
    """The helpers of a thread, once it has asked for them, and how long it has decoded by itself."""

    def __init__(self) -> None:
        self.helpers: list[Helper] | None = None
        self.seconds = 0.0


_held = Held()


def made(recipe: Recipe, units: Iterator[Unit], *, alone: bool) -> Iterator[Made]:
    """What units are made of, in any order: by this process, and where it is `alone` by helpers as well.

    Raises:
        Inexact: as `decoding.made`; and whatever the codec raises.
    """
    helpers = ready() if alone and packed(recipe) else []
    while True:
        for each in helpers:
            yield from exchange(each, recipe, units)
        unit = next(units, None)
        if unit is None:
            break
        began = time.monotonic()
        done = decoding.made(recipe, unit)
        _held.seconds += time.monotonic() - began
        yield done
    for each in helpers:
        while each.given:
            yield from exchange(each, recipe, units, wait=PATIENCE)


def exchange(helper: Helper, recipe: Recipe, units: Iterator[Unit], *, wait: float = 0.0) -> Iterator[Made]:
    """Take what a helper has made, and let it go on; what one had in hand that is gone, or too slow, is made here.

    That it refuses something is not taken on its word: a codec may look at what only this process has.
    """
    found, left = list[tuple[Unit, Made]](), list[Unit]()
    try:
        if helper.busy and not helper.ended:
            found = helper.take(wait)
            if wait and not found:
                raise Gone
    except Gone:
        left += helper.end()
    if not helper.busy and not helper.ended:
        more = share(units)
        try:
            helper.give(packed(recipe), more)
        except Gone:
            left += helper.end()
    yield from (decoding.made(recipe, unit) if done.refused else done for unit, done in found)
    yield from (decoding.made(recipe, unit) for unit in left)


def share(units: Iterator[Unit]) -> list[Unit]:
    """So many units as a helper takes at a time."""
    found, size = list[Unit](), 0
    while size < SHARE and (unit := next(units, None)) is not None:
        found.append(unit)
        size += sum(len(line[-1] or "") for line in unit)
    return found


def ready() -> list[Helper]:
    """The helpers of this thread; they are started where it is worth it.

    One that has something in hand of a chunk that has failed is ended: its answer must not be taken for one of this chunk.
    """
    for each in _held.helpers or []:
        if each.given:
            each.end()
    if _held.helpers is None and _held.seconds > AFTER:
        _held.helpers = started(min(conf.decoding_processes(), cores() - 1))
    return _held.helpers or []


def cores() -> int:
    """How many cores this process may use, as far as the system says."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no quota, or no such system
        most, period = QUOTA.read_text().split()
        found = min(found, int(most) // int(period))
    return found


@cache
def packed(recipe: Recipe) -> bytes:
    """A recipe for another process; empty where its codec cannot go there."""
    try:
        return pickle.dumps(recipe)
    except Exception:  # noqa: BLE001 - whatever a codec of a project raises
        return b""


def started(number: int) -> list[Helper]:
    """So many processes as this one, with its settings and its paths to import from; fewer where there can be no more."""
    module = getattr(settings, "SETTINGS_MODULE", None)
    found = list[Helper]()
    if sys.executable and module:
        paths = os.pathsep.join(str(each) for each in sys.path)
        environment = {**os.environ, "PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": module}
        with suppress(OSError):
            found.extend(start(environment) for _ in range(number))
    return found


def start(environment: dict[str, str]) -> Helper:
    """Start one. Raises OSError."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", PATIENCE, 0))
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            env=environment,
            process_group=0,  # what the terminal sends to stop the worker is the worker's
        )
        return Helper(process, Connection(ours.detach()))


def close() -> None:
    """End the helpers of this thread."""
    helpers, _held.helpers, _held.seconds = _held.helpers or [], None, 0.0
    for each in helpers:
        each.end()


def serve(number: int) -> None:
    """Be a helper, over the socket of this number, until the worker is gone. What a codec raises ends it."""
    with suppress(OSError, EOFError), Connection(number) as link:
        link.send([])
        while True:
            recipe, units = link.recv()
            link.send(answer(pickle.loads(recipe), units))  # noqa: S301 - the worker's own


def answer(recipe: Recipe, units: list[Unit]) -> list[Made] | None:
    """What units are made of; None where a column might give back another value."""
    try:
        return [decoding.made(recipe, each) for each in units]
    except Inexact:
        return None
