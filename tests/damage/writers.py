"""Live writers that outlive what happens to the server, and remember what was committed, and what perhaps was."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import psycopg
from django.db import Error, connections

from cutover import write
from cutover.mapping import Binding

PAUSE_SECONDS = 0.01
FIELDS = {"device_events": ("kind", "count"), "ticket_history": ("field", "amount")}
FOUND = {
    "device_events": """
        SELECT e.v->>'kind', (e.v->>'count')::int FROM shapes_device CROSS JOIN LATERAL jsonb_array_elements(events) e(v)
        WHERE e.v->>'kind' LIKE 'w%'
    """,
    "ticket_history": """
        SELECT e.v->>0, (e.v->>1)::int
        FROM shapes_ticket CROSS JOIN LATERAL jsonb_array_elements(history::jsonb->'changes'->'items') e(v)
        WHERE e.v->>0 LIKE 'w%'
    """,
}
Element = tuple[str, int]


@dataclass
class Memory:
    """What writers have begun, and what was confirmed; each element is another one."""

    begun: set[Element] = field(default_factory=set)
    committed: set[Element] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    def faults(self, connection: "psycopg.Connection[object]", name: str) -> list[str]:
        """What JSON holds, against what was confirmed."""
        found: list[Any] = connection.execute(FOUND[name]).fetchall()
        lost, strange = self.committed - set(found), set(found) - self.begun
        told = [f"{len(lost)} appends were confirmed and are gone"] if lost else []
        told += [f"{len(strange)} elements were written by nobody"] if strange else []
        return told + (
            [f"{len(found) - len(set(found))} appends are there twice"] if len(found) != len(set(found)) else []
        )


@dataclass
class Writer:
    """One of them; a connection that is gone is made anew."""

    binding: Binding
    keys: list[Any]
    number: int
    memory: Memory
    over: threading.Event
    error: BaseException | None = None

    def work(self) -> None:
        try:
            for number in count():
                if self.over.wait(PAUSE_SECONDS):
                    return
                self.append(self.keys[number % len(self.keys)], (f"w{self.number}", number))
        except BaseException as error:  # noqa: BLE001 - raised again at the end
            self.error = error
        finally:
            connections.close_all()

    def append(self, key: Any, element: Element) -> None:
        self.memory.begun.add(element)
        try:
            write.append(self.binding, key, dict(zip(FIELDS[self.binding.name], element, strict=True)))
            self.memory.committed.add(element)
        except Error as error:
            self.memory.refused.append(str(error))
            connections[self.binding.alias].close()


@contextmanager
def writing(binding: Binding, keys: list[Any], writers: int = 2) -> Iterator[Memory]:
    """Appends to some parents until the end of the block."""
    memory, over = Memory(), threading.Event()
    made = [Writer(binding, keys, number, memory, over) for number in range(writers)]
    threads = [threading.Thread(target=each.work) for each in made]
    for thread in threads:
        thread.start()
    try:
        yield memory
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    for each in made:
        if each.error is not None:
            raise each.error
