"""The operator's commands as processes, killed in the middle where that is asked for, and writers that are processes too."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from damage.workers import ROOT, Nursery, joined
from waiting import wait_until

WRITER = """
import os, sys, time
import django
django.setup()
from cutover import use
number, name, *keys = sys.argv[1:]
from shapes import SHAPES
shape = next(each for each in SHAPES if each.name == name)
import json
for count in range(10**9):
    key = keys[count % len(keys)]
    fields = shape.fields(int(number), 2 * count + 1)
    use(name).append(key, **fields)
    print(key, json.dumps([[*place, element] for place, element in shape.elements(fields).items()]), flush=True)
    time.sleep(0.02)
"""


@dataclass
class Operator:
    """Runs command lines to their end; where there is a chance, each is killed once to three times before that.

    Attributes:
        kills: how many commands were killed before they had ended.
    """

    nursery: Nursery
    connection: psycopg.Connection[Any]
    chance: Random | None = None
    kills: int = 0

    def __call__(self, *words: str) -> str:
        """Run it; what it said. Raises AssertionError unless it ends with 0."""
        if self.chance is not None:
            self.killed(words, self.chance, self.chance.randint(1, 3))
        worker = self.nursery.worker(*words)
        (code,) = joined([worker], 120)
        assert code == 0, (words, code, worker.words()[-2000:])
        return worker.words()

    def killed(self, words: tuple[str, ...], chance: Random, times: int) -> None:
        """So often it is killed on its way; where it is sooner at its end, the next is hit sooner."""
        latest = 0.8
        while times:
            worker = self.nursery.worker(*words)
            time.sleep(chance.uniform(0, latest))
            if worker.kill():
                self.kills += 1
                times -= 1
            else:
                latest /= 2
            # As half a minute later: nobody drives any more.
            self.connection.execute("UPDATE cutover_ledger SET driver_until = now() WHERE driver <> ''")
            self.connection.execute("UPDATE cutover_mending SET leased_until = now() WHERE leased_until IS NOT NULL")


@contextmanager
def writing(directory: Path, name: str, keys: list[Any], numbers: tuple[int, ...]) -> Iterator[list[Path]]:
    """Processes that append without pause, and say what was committed."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "damage.settings",
        "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}",
        "LEASE_SECONDS": "0.5",
    }
    said = [directory / f"writer-{number}" for number in numbers]
    processes = []
    for number, path in zip(numbers, said, strict=True):
        words = [sys.executable, "-c", WRITER, str(number), name, *map(str, keys)]
        with path.open("w") as out:
            processes.append(subprocess.Popen(words, env=environment, stdout=out, stderr=subprocess.STDOUT))
    try:
        wait_until(lambda: all(path.stat().st_size for path in said), 60, "the writers write")
        yield said
        assert [each.poll() for each in processes] == [None] * len(processes), [
            each.read_text()[-500:] for each in said
        ]
    finally:
        for each in processes:
            each.send_signal(signal.SIGTERM)
            each.wait(20)


def committed(said: list[Path]) -> dict[str, dict[tuple[str, str | None], list[list[Any]]]]:
    """By parent and list, what each writer has committed, in its order."""
    found: dict[str, dict[tuple[str, str | None], list[list[Any]]]] = defaultdict(lambda: defaultdict(list))
    for path in said:
        lines = path.read_text().split("\n")[:-1]
        mine: dict[str, dict[tuple[str, str | None], list[Any]]] = defaultdict(lambda: defaultdict(list))
        for line in lines:
            key, _, text = line.partition(" ")
            for stream, dynamic, element in json.loads(text):
                mine[key][stream, dynamic].append(element)
        for key, lists in mine.items():
            for place, elements in lists.items():
                found[key][place].append(elements)
    return found
