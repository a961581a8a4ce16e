"""Several workers of a backfill as processes of this machine. They end after their chunk when this one ends, however it ends."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import IO

from django.db import DatabaseError

from cutover import backfill as filling
from cutover.backfill import attempts
from cutover.backfill.attempts import Kind
from cutover.errors import CutoverError, Incomplete
from cutover.mapping import Binding

EVERY_SECONDS = 0.2
CODES = {each.exit_code: each for each in CutoverError.__subclasses__() if each.exit_code != CutoverError.exit_code}


@dataclass
class Child:
    """A worker process, and where it writes what it has to say."""

    number: int
    process: "subprocess.Popen[bytes]"
    said: IO[bytes]

    def let_go(self) -> None:
        """Let it end after its chunk: its standard input is all that ties it to us."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    @property
    def last_words(self) -> str:
        """Its error, without the progress before it."""
        self.said.seek(0)
        text = self.said.read().decode(errors="replace").strip()
        return text[text.rfind("Error: ") :].removeprefix("Error: ") if "Error: " in text else text[-2000:]


def run(binding: Binding, count: int, worker: str, stop: Callable[[], bool]) -> Iterator[filling.Progress]:
    """Start them and tell of all of them together, until they have ended; the last Progress is `finished` where it is.

    Raises:
        CutoverError: with the exit code of the first that failed, where no other has completed the backfill.
    """
    with ExitStack() as opened:
        children = [start(binding.name, number, worker, opened) for number in range(1, count + 1)]
        while any(child.process.poll() is None for child in children):
            if stop():
                for child in children:
                    child.let_go()
            yield steady(binding)
            time.sleep(EVERY_SECONDS)
        codes = [child.process.returncode for child in children]
        if 0 not in codes:
            raise_for(binding, children)
    yield replace(steady(binding), finished=0 in codes)


def start(name: str, number: int, worker: str, opened: ExitStack) -> Child:
    """One worker, as this command line would be started in another terminal."""
    said = opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    line = [sys.executable, "-m", "cutover", "backfill", name, "--tied"]
    line += ["--worker", f"{worker}/{number}"] if worker else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=environment)
    child = Child(number, process, said)
    opened.callback(ended, child)
    return child


def ended(child: Child) -> None:
    child.let_go()
    child.process.wait()


def steady(binding: Binding) -> filling.Progress:
    """What there is to tell, on a new connection where the old one is gone: the workers outlive a restart of the server."""
    try:
        return together(binding)
    except DatabaseError as error:
        if attempts.kind(error) is not Kind.CONNECTION:
            raise
    return attempts.reconnected(binding.alias, partial(together, binding))


def together(binding: Binding) -> filling.Progress:
    """All segments, and why workers wait where all of them do."""
    now, workers = filling.totals(binding), filling.live(binding)
    waiting = list(dict.fromkeys(each.waiting for each in workers if each.waiting))
    note = f"{len(workers)} workers" if len(workers) != 1 else "1 worker"
    return replace(now, worker=note, waiting=" ".join(waiting) if len(waiting) == len(workers) else "")


def raise_for(binding: Binding, children: list[Child]) -> None:
    """Say of the worst what it said: one that failed goes before one that was stopped.

    Raises:
        CutoverError: always.
    """
    failed = [child for child in children if child.process.returncode != Incomplete.exit_code]
    if not failed:
        return
    worst = failed[0]
    code = worst.process.returncode
    error = CODES.get(code, CutoverError)
    raise error(
        f"Worker {worst.number} of {binding.name} ended with {code}: {worst.last_words}",
        hint="What was committed stays; run the same command again.",
    )
