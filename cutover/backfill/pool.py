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
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection

from django.conf import settings

from cutover.backfill import decoding
from cutover.backfill.decoding import Inexact, Line, Made, Recipe

AFTER = 1.0  # seconds of decoding by itself until a worker asks for help; what is over sooner needs none
MOST = 3  # helpers; COPY and the reading of lists keep the rest of eight cores busy
SHARE = 64 * 1024  # characters that a helper takes at a time
PATIENCE = 10  # seconds for a helper to take or give something
PROGRAM = "import sys, django; django.setup(); from cutover.backfill import pool; pool.serve(int(sys.argv[1]))"

Unit = list[Line]
GONE = (OSError, EOFError)


@dataclass
class Helper:
    """One process, and what it has in hand; it says once by itself that it is ready."""

    process: subprocess.Popen[bytes]
    link: Connection
    busy: bool = True
    given: list[Unit] = field(default_factory=list)

    def give(self, recipe: bytes, units: list[Unit]) -> None:
        """Hand something to do over, unless there is nothing. Raises OSError where it is gone."""
        if units:
            self.busy, self.given = True, units
            self.link.send((recipe, units))

    def take(self) -> list[Made]:
        """What it has made; waits for it.

        Raises:
            OSError, EOFError: it is gone; what it was given still is in `given`.
            Inexact: as `decoding.made`.
        """
        answer = self.link.recv()
        self.given, self.busy = [], False
        if answer is None:
            raise Inexact
        return list(answer)

    def end(self) -> None:
        self.link.close()
        self.process.kill()
        self.process.wait()


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
    helpers = ready(recipe) if alone else []
    while True:
        for each in helpers:
            yield from exchange(each, recipe, units)
        unit = next(units, None)
        if unit is None:
            break
        began = time.monotonic()
        yield decoding.made(recipe, unit)
        _held.seconds += time.monotonic() - began
    for each in helpers:
        while each.given:
            yield from exchange(each, recipe, units, wait=True)


def exchange(helper: Helper, recipe: Recipe, units: Iterator[Unit], *, wait: bool = False) -> Iterator[Made]:
    """Take what a helper has made, and let it go on; one that is gone has its work done here."""
    if helper.process.returncode is not None:
        return
    found, left = list[Made](), list[Unit]()
    try:
        if helper.busy and (wait or helper.link.poll()):
            found = helper.take()
        if not helper.busy:
            helper.give(packed(recipe), share(units))
    except GONE:
        left, helper.given = helper.given, []
        helper.end()
    yield from found
    yield from (decoding.made(recipe, each) for each in left)


def share(units: Iterator[Unit]) -> list[Unit]:
    """So many units as a helper takes at a time."""
    found, size = list[Unit](), 0
    while size < SHARE and (unit := next(units, None)) is not None:
        found.append(unit)
        size += sum(len(line[-1] or "") for line in unit)
    return found


def ready(recipe: Recipe) -> list[Helper]:
    """The helpers of this thread; they are started where it is worth it and can be done.

    What is left of a chunk that has failed must not be taken for this one's: then they are ended.
    """
    if any(each.given for each in _held.helpers or []):
        close()
    if _held.helpers is None and _held.seconds > AFTER:
        _held.helpers = started(cores() - 1) if packed(recipe) else []
    return _held.helpers or []


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def packed(recipe: Recipe) -> bytes:
    """A recipe for another process; empty where its codec cannot go there."""
    try:
        return pickle.dumps(recipe)
    except (pickle.PickleError, AttributeError, TypeError):
        return b""


def started(number: int) -> list[Helper]:
    """So many processes as this one: with its settings, and its paths to import from."""
    if not sys.executable or not hasattr(settings, "SETTINGS_MODULE"):
        return []
    paths = os.pathsep.join(str(each) for each in sys.path)
    environment = {**os.environ, "PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE}
    return [start(environment) for _ in range(min(number, MOST))]


def start(environment: dict[str, str]) -> Helper:
    ours, theirs = socket.socketpair()
    for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", PATIENCE, 0))
    quiet = subprocess.DEVNULL
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(theirs.fileno())],
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
    with suppress(*GONE), Connection(number) as link:
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
