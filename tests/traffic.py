"""Live traffic on the parents of a cutover, and the memory of what it committed, for tests that ask readers for all of it.

Every thread believes for itself what the phase is, as processes do. Half of the parents are busy, half of them idle.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.db import connections

import backfilling
from cutover import lease, use
from cutover.lease import Lease
from cutover.mapping import Binding, bind
from shapes import Fields, Lists, Shape, by, counted, listed
from waiting import wait_until

PACE_SECONDS = 0.015  # between two writes of a writer: the list with a cap is not to reach it
WRITERS = 2
FEWER = 1000  # the cap of the list that has one
Keys = list[Any]


class OwnBeliefs(dict[Any, Lease]):
    """What `lease` holds, for each thread on its own."""

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        return super().get((threading.get_ident(), *key), default)

    def __setitem__(self, key: Any, held: Lease) -> None:
        super().__setitem__((threading.get_ident(), *key), held)


@dataclass
class Traffic:
    """Two writers that append without pause, a reader that is never to miss anything, and what was committed.

    Attributes:
        before: the document of each parent as it was at first.
        begun, committed: the lists of each parent, with and without the write that is under way.
    """

    shape: Shape
    busy: Keys
    idle: Keys
    before: dict[Any, Any]
    begun: dict[Any, Lists]
    committed: dict[Any, Lists]
    turns: list[threading.Lock] = field(default_factory=lambda: [threading.Lock() for _ in range(WRITERS)])
    memory: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)
    reads: int = 0

    @property
    def binding(self) -> Binding:
        return bind(self.shape.name)

    @property
    def writes(self) -> int:
        with self.memory:
            return sum(len(each) for lists in self.committed.values() for each in lists.values())

    # --- the threads ---

    @contextmanager
    def running(self) -> Iterator[None]:
        """Writers and the reader run until the end. Raises what went wrong in one of them."""
        works = [*(lambda n=n: self.write(n) for n in range(WRITERS)), self.look]
        threads = [threading.Thread(target=self.guarded, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join(30)
        self.raise_errors()

    def guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            self.errors.append(error)
        finally:
            connections.close_all()

    def raise_errors(self) -> None:
        if self.errors:
            raise self.errors[0]

    def write(self, writer: int) -> None:
        for number in count():
            if self.over.wait(PACE_SECONDS):
                return
            with self.turns[writer]:
                self.append(self.busy[number // 2 % len(self.busy)], self.shape.fields(writer, number))

    def append(self, key: Any, fields: Fields) -> None:
        """Append, and remember: before it as begun, after it as committed."""
        self.note(self.begun, key, fields)
        use(self.shape.name).append(key, **fields)
        self.note(self.committed, key, fields)

    def note(self, into: dict[Any, Lists], key: Any, fields: Fields) -> None:
        with self.memory:
            for place, element in self.shape.elements(fields).items():
                known = into[key].setdefault(place, [])
                if not (self.shape.distinct and element in known):
                    known.append(element)

    def look(self) -> None:
        """Read one parent after the other: never less than was committed before, never more than was begun after."""
        for number in count():
            if self.over.wait(PACE_SECONDS):
                return
            key = [*self.busy, *self.idle][number % len(self.before)]
            least = self.known(self.committed, key)
            seen = listed(self.binding, use(self.shape.name).read(key))
            most = self.known(self.begun, key)
            for place in {*least, *seen, *most}:
                lost = counted(least, place) - counted(seen, place)
                assert not lost, f"A reader of {key} at {self.phase} misses {lost} in {place}."
                strange = counted(seen, place) - counted(most, place)
                assert not strange, f"A reader of {key} at {self.phase} sees {strange} in {place}."
            self.reads += 1

    def known(self, of: dict[Any, Lists], key: Any) -> Lists:
        with self.memory:
            return deepcopy(of[key])

    @property
    def phase(self) -> str:
        """As this thread believes."""
        return lease.current(self.binding).phase.name

    # --- the test ---

    def goes_on(self, writes: int = 8) -> None:
        """Wait until so much has been written, and something read."""
        wanted, read = self.writes + writes, self.reads + 1
        wait_until(lambda: self.errors or (self.writes >= wanted and self.reads > read), 30, "traffic goes on")
        self.raise_errors()

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Nothing is being written meanwhile: what was begun has been committed."""
        with ExitStack() as stack:
            for turn in self.turns:
                stack.enter_context(turn)
            yield

    def everybody_sees_what_was_committed(self) -> None:
        """By key, by the attribute, and by the attribute of many."""
        self.raise_errors()
        facade, model = use(self.shape.name), self.binding.parent.model
        with self.halted():
            alone = {key: facade.read(key) for key in self.before}
            loaded = {each.pk: getattr(each, self.binding.field_name) for each in model._default_manager.all()}
            many = list(model._default_manager.all())
            facade.prefetch(many)
            fetched = {each.pk: getattr(each, self.binding.field_name) for each in many}
            for key in self.before:
                for document in (alone[key], loaded[key], fetched[key]):
                    self.compare(key, document)

    def compare(self, key: Any, document: Any) -> None:
        """Idle: the document that it was. Busy: every element once, history first, each writer's in his order."""
        if key in self.idle:
            assert document == self.before[key], (self.phase, key)
            return
        seen, history = listed(self.binding, document), listed(self.binding, self.before[key])
        assert ("kept" in json.dumps(document)) == ("kept" in json.dumps(self.before[key])), "the residue changes"
        for place in {*seen, *self.committed[key]}:
            lost = counted(self.committed[key], place) - counted(seen, place)
            strange = counted(seen, place) - counted(self.committed[key], place)
            assert (lost, strange) == (Counter(), Counter()), (self.phase, key, place, "lost", lost, "strange", strange)
            found, old = seen[place], history.get(place, [])
            assert len(found) < FEWER, "no list may reach its cap"
            assert found[: len(old)] == old, (self.phase, key, place)
            for who in range(WRITERS):
                assert by(who, found) == by(who, self.committed[key][place]), (self.phase, key, place, who)


def traffic(shape: Shape) -> Traffic:
    """Every document of the shape twice, for a busy parent and for an idle one, written by nobody that is watched."""
    binding, before = bind(shape.name), {}
    busy: Keys = []
    idle: Keys = []
    for number, text in enumerate([*shape.documents, *shape.documents], start=1):
        key = backfilling.parent(binding, number, text, text=True)
        (busy if number <= len(shape.documents) else idle).append(key)
        before[key] = None if text is None else json.loads(text)
    lists = {key: listed(binding, document) for key, document in before.items()}
    return Traffic(shape, busy, idle, before, deepcopy(lists), lists)
