"""The writers of a long run, and the memory of what they committed."""

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, connections

import backfilling
from cutover import use
from cutover.mapping import bind
from shapes import SHAPES, Lists, Shape, by, counted, listed

HOT = 4  # parents of each kind that are written to
OLD = 8  # parents of each kind that were written to, and stay for a while
MOST = {
    "job_logs": 2500
}  # elements of a parent, before another takes its place: more than the cap of the one that has one
MANY = 300


@dataclass(eq=False)
class Parent:
    """A parent and what was committed to its lists; `owner` is the one writer that may write to it, or None."""

    key: Any
    lists: Lists
    owner: int | None = None
    size: int = 0
    users: int = 0


@dataclass
class Memory:
    """What was committed, and by whom it is being written."""

    shapes: tuple[Shape, ...] = SHAPES
    hot: dict[str, list[Parent]] = field(default_factory=lambda: defaultdict(list))
    old: dict[str, list[Parent]] = field(default_factory=lambda: defaultdict(list))
    history: dict[str, list[Parent]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    errors: list[str] = field(default_factory=list)
    writes: Counter[str] = field(default_factory=Counter)
    keys: Iterator[int] = field(default_factory=lambda: iter(range(1_000, 1_000_000_000)))

    def all_of(self, name: str) -> list[Parent]:
        return [*self.history[name], *self.old[name], *self.hot[name]]


def empty() -> None:
    """Nothing is left of an earlier phase."""
    tables = [table for shape in SHAPES for table in (bind(shape.name).parent.name, bind(shape.name).child.name)]
    own = ("ledger", "transition", "mark", "segment", "quarantine", "verification", "mending", "process")
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join([*tables, *(f'cutover_{each}' for each in own)])}")


def parents_of_history(memory: Memory, shape: Shape, count: int) -> None:
    """Documents from before the cutover."""
    binding = bind(shape.name)
    for number in range(1, count + 1):
        text = shape.documents[number % len(shape.documents)]
        key = backfilling.parent(binding, number, text, text=True)
        lists = listed(binding, None if text is None else json.loads(text))
        memory.history[shape.name].append(Parent(key, lists))


@contextmanager
def writing(memory: Memory, writers: int, pause: float) -> Iterator[None]:
    """So many writers for each cutover, until the end."""
    threads = [
        threading.Thread(target=guarded, args=(Writer(memory, shape, number), pause))
        for shape in memory.shapes
        for number in range(writers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        memory.over.set()
        for thread in threads:
            thread.join(60)


def guarded(writer: "Writer", pause: float) -> None:
    try:
        while not writer.memory.over.is_set():
            writer.turn()
            time.sleep(pause * writer.random.uniform(0.2, 1.8))
    except BaseException as error:  # noqa: BLE001 - told at the end
        writer.memory.errors.append(f"A writer of {writer.shape.name} ended with {error!r}")
    finally:
        connections.close_all()


class Writer:
    """One writer of one cutover. It picks a parent and does something to it."""

    def __init__(self, memory: Memory, shape: Shape, number: int) -> None:
        self.memory, self.shape, self.number, self.count = memory, shape, number, 0
        self.binding = bind(shape.name)
        self.random = random.Random(f"{shape.name} {number}")  # noqa: S311 - no secret
        self.rewrites = bool(self.binding.cutover.rewrites)

    def turn(self) -> None:
        with self.borrowed() as parent:
            kind = self.random.random()
            if self.rewrites and kind < 0.1:
                self.rewrite(parent)
            elif kind < 0.3:
                self.write("extended", parent, [self.next_fields() for _ in range(self.random.randint(2, 6))])
            else:
                self.write("appended", parent, [self.next_fields()])
        self.retire(parent)

    @contextmanager
    def borrowed(self) -> Iterator[Parent]:
        """One of the parents that this writer may write to; nobody deletes it meanwhile."""
        owner = self.number if self.rewrites else None
        with self.memory.lock:
            mine = [each for each in self.memory.hot[self.shape.name] if each.owner == owner]
            parent = self.random.choice(mine) if len(mine) >= HOT else None
            if parent is not None:
                parent.users += 1
        if parent is None:
            parent = self.made(owner)
        try:
            yield parent
        finally:
            with self.memory.lock:
                parent.users -= 1

    def made(self, owner: int | None) -> Parent:
        """A new parent, with an empty document as the application makes it."""
        key = backfilling.key(self.binding, next(self.memory.keys))
        self.binding.parent.model._default_manager.create(pk=key)
        made = Parent(key, {}, owner, users=1)
        with self.memory.lock:
            self.memory.hot[self.shape.name].append(made)
            self.memory.writes["made"] += 1
        return made

    def next_fields(self) -> Any:
        self.count += 1
        return self.shape.fields(self.number, self.count)

    def write(self, what: str, parent: Parent, rows: list[Any]) -> None:
        if len(rows) == 1:
            use(self.shape.name).append(parent.key, **rows[0])
        else:
            use(self.shape.name).extend(parent.key, rows)
        with self.memory.lock:
            for fields in rows:
                for place, element in self.shape.elements(fields).items():
                    parent.lists.setdefault(place, []).append(element)
            parent.size += len(rows)
            self.memory.writes[what] += 1

    def rewrite(self, parent: Parent) -> None:
        """Some elements go, some change places, some come; or all go."""
        place = ("items", None)
        wanted = [each for each in parent.lists.get(place, []) if self.random.random() < 0.8]
        wanted += [next(iter(self.shape.elements(self.next_fields()).values())) for _ in range(3)]
        self.random.shuffle(wanted)
        if self.random.random() < 0.2:
            use(self.shape.name).clear(parent.key)
            parent.lists[place] = []
        else:
            use(self.shape.name).replace(parent.key, items=wanted)
            parent.lists[place] = wanted
        with self.memory.lock:
            self.memory.writes["rewritten"] += 1

    def retire(self, parent: Parent) -> None:
        """A parent that is full makes room for a new one; those that were full before are deleted."""
        name, gone = self.shape.name, []
        with self.memory.lock:
            hot, old = self.memory.hot[name], self.memory.old[name]
            if parent in hot and parent.size >= MOST.get(name, MANY):
                hot.remove(parent)
                old.append(parent)
            while len(old) > OLD and not old[0].users:
                gone.append(old.pop(0))
        for each in gone:
            self.binding.parent.model._default_manager.get(pk=each.key).delete()
            with self.memory.lock:
                self.memory.writes["deleted"] += 1


def everybody_agrees(memory: Memory, phase: int) -> list[str]:
    """What readers see, against what was committed."""
    faults = []
    for shape in memory.shapes:
        binding = bind(shape.name)
        for parent in memory.all_of(shape.name):
            seen = listed(binding, use(shape.name).read(parent.key))
            for stream in binding.streams:
                for place in {each for each in {*seen, *parent.lists} if each[0] == stream.name}:
                    why = fault(stream, parent, seen, place)
                    if why:
                        faults.append(f"{shape.name} {parent.key} {place} at {phase}: {why}")
        there = binding.parent.model._default_manager.count()
        if there != len(memory.all_of(shape.name)):
            faults.append(f"{shape.name}: {there} parents, and not {len(memory.all_of(shape.name))}")
    return faults


def fault(stream: Any, parent: Parent, seen: Lists, place: Any) -> str:
    mine, committed = seen.get(place, []), parent.lists.get(place, [])
    lost, strange = (
        counted(parent.lists, place) - counted(seen, place),
        counted(seen, place) - counted(parent.lists, place),
    )
    if strange:
        return f"readers see {strange}, which nobody wrote"
    if stream.distinct:
        once = {json.dumps(each) for each in committed}
        wanted = len(once) if stream.cap is None else min(len(once), stream.cap)
        return "" if len(mine) == wanted else f"readers see {len(mine)} of {wanted}"
    if lost:
        return f"readers miss {lost}"
    if parent.owner is not None and mine != committed:
        return "the order is another"
    return "" if all(by(who, mine) == by(who, committed) for who in range(9)) else "the order of a writer is another"
