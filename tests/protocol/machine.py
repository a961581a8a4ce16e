"""The steps of the model on a real database, with the real code: hypothesis chooses them, every reader is asked after each."""

import json
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
from django.db import connections
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import stages
from backfilling import parent as make_parent
from cutover import backfill, lease, ledger, read, runner, verify, write
from cutover.errors import Incomplete, Refused
from cutover.lease import Lease
from cutover.mapping import bind
from cutover.phase import Phase
from cutover.verify.result import DIFFERENCES, Result
from protocol.lists import Fields, Lists, Shape
from waiting import wait_until

Connect = Callable[..., psycopg.Connection[Any]]
EVERYTHING = (
    "TRUNCATE cutover_ledger, cutover_transition, cutover_process, cutover_mark, cutover_segment, cutover_quarantine,"
    " cutover_verification, {parent}, {child}"
)
WAITS_FOR_A_ROW = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
which = st.sampled_from([0, 1])
some = st.data()


class Machine(RuleBasedStateMachine):
    """Two parents. `expected` is what was committed to the lists of each, oldest first."""

    def __init__(self, shape: Shape, connect: Connect) -> None:
        super().__init__()
        self.shape, self.connect, self.sql = shape, connect, connect()
        self.binding = bind(shape.name)
        self.number = 0
        self.beliefs: list[Lease] = []
        self.rows_alone = False
        self.in_order = True
        self.allowed: set[str] = set()  # what a verification may find

    @initialize(data=some, moves=st.integers(0, 4))
    def begin(self, data: st.DataObject, moves: int) -> None:
        names = {"parent": self.binding.parent.name, "child": self.binding.child.name}
        self.sql.execute(EVERYTHING.format(**names))  # type: ignore[arg-type]
        stages.set_flags(self.shape.name, Phase.BACKFILL_AND_DROP)
        self.expected = [self.shape.empty(), self.shape.empty()]
        for lists in self.expected:
            for fields in self.drawn(data, most=3):
                self.shape.add(lists, fields)
        made = enumerate(self.expected, start=1)
        self.keys = [make_parent(self.binding, number, self.shape.document(lists)) for number, lists in made]
        self.renew()
        for phase in range(Phase.ADD_TABLE, Phase.ADD_TABLE + moves + 1):
            self.go(Phase(phase))

    def teardown(self) -> None:
        self.sql.close()

    # --- writers ---

    @rule(data=some, where=which)
    def append(self, data: st.DataObject, where: int) -> None:
        self.extend(where, self.drawn(data, most=3))

    @rule(data=some, where=which)
    def append_on_an_old_belief(self, data: st.DataObject, where: int) -> None:
        self.believe(data.draw(st.sampled_from(self.beliefs)))
        self.extend(where, self.drawn(data, least=1))

    @precondition(lambda self: self.binding.cutover.rewrites)
    @rule(data=some, where=which)
    def replace_on_any_belief(self, data: st.DataObject, where: int) -> None:
        self.believe(data.draw(st.sampled_from(self.beliefs)))
        lists = self.shape.empty()
        for fields in self.drawn(data, most=3):
            self.shape.add(lists, fields)
        for stream, elements in lists.items():
            write.replace(self.binding, self.keys[where], stream, elements)
        self.expected[where] = lists
        if self.entry.phase >= Phase.STOP_JSON_WRITES:
            self.allowed.add("missing_in_json")  # rows that stay stand for what the list in JSON held

    @precondition(lambda self: self.entry.phase <= Phase.PROPERTY_SHIM and not self.rows_alone)
    @rule(data=some, where=which)
    def append_as_of_old(self, data: st.DataObject, where: int) -> None:
        """By code that knows only JSON; before rows were written alone, for then nobody can tell which is older.

        Where it adds what a row is equal to, the row takes the place of the newer one, and the order of the rows may differ.
        """
        if self.entry.phase >= Phase.DUAL_WRITE:
            self.in_order = False
            self.allowed.add("order_differs")
        parent, column = self.binding.parent, self.binding.column
        stored = deepcopy(self.expected[where])
        for fields in self.drawn(data, least=1):
            self.shape.add(stored, fields)
            self.shape.add(self.expected[where], fields)
        text = f"UPDATE {parent.name} SET {column} = %s::{self.binding.storage} WHERE {parent.pk} = %s"  # noqa: S608
        self.sql.execute(text, [json.dumps(self.shape.document(stored)), self.keys[where]])  # type: ignore[arg-type]

    @precondition(lambda self: self.entry.phase <= Phase.PROPERTY_SHIM and self.entry.settled)
    @rule(data=some, where=which, to=st.sampled_from([1, -1]), undo=st.booleans())
    def move_over_an_append_that_waits(self, data: st.DataObject, where: int, to: int, undo: bool) -> None:
        """Its statement has passed the fence and waits for the parent's lock; the move may not settle before it has landed."""
        before, rows = self.entry.phase, self.drawn(data, least=1)
        after = Phase(max(before + to, Phase.ADD_TABLE))
        with self.connect(autocommit=False) as blocker:
            blocker.execute(
                f"SELECT FROM {self.binding.parent.name} WHERE {self.binding.parent.pk} = %s FOR UPDATE",  # type: ignore[arg-type]
                [self.keys[where]],
            )
            self.renew()
            thread = threading.Thread(target=self.append_elsewhere, args=(where, rows))
            thread.start()
            wait_until(lambda: self.sql.execute(WAITS_FOR_A_ROW).fetchone())
            for target in [after, before] if undo else [after]:
                self.move_in_vain(target)
            self.every_reader_sees_what_was_committed()
        thread.join(10)
        assert self.failure is None
        self.note(where, rows)

    def append_elsewhere(self, where: int, rows: list[Fields]) -> None:
        self.failure: BaseException | None = None
        try:
            write.extend(self.binding, self.keys[where], rows)
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            self.failure = error
        finally:
            connections.close_all()

    def move_in_vain(self, to: Phase) -> None:
        """A move that is committed, unless a gate refuses, and cannot settle."""
        if to is not self.entry.phase:
            with suppress(Refused, Incomplete):
                list(self.drive(to, patience=timedelta(0)))
                raise AssertionError("The move has settled although an append from before it has not landed.")
            self.renew()

    # --- the operator ---

    @precondition(lambda self: self.entry.phase < Phase.BACKFILL_AND_DROP)
    @rule(killed=st.booleans())
    def advance(self, killed: bool) -> None:
        self.go(Phase(self.entry.phase + 1), killed=killed)

    @precondition(lambda self: self.entry.phase > Phase.ADD_TABLE)
    @rule(killed=st.booleans())
    def roll_back(self, killed: bool) -> None:
        self.go(Phase(self.entry.phase - 1), killed=killed)

    @rule(to=st.sampled_from(range(Phase.ADD_TABLE, Phase.BACKFILL_AND_DROP + 1)))
    def travel(self, to: int) -> None:
        while (at := self.entry.phase) != to:
            self.go(Phase(at + (1 if at < to else -1)))

    @rule()
    def settle(self) -> None:
        self.go(self.entry.phase)

    @rule(chunks=st.integers(1, 2))
    def backfill_some(self, chunks: int) -> None:
        self.fill(chunks)

    @rule()
    def backfill_all(self) -> None:
        self.fill(100)

    @rule()
    def compare(self) -> None:
        found = self.verified()
        if self.entry.settled and self.entry.phase >= Phase.DUAL_WRITE:
            assert not {*DIFFERENCES} & {*found.found} - self.allowed, (found.found, found.examples)

    @precondition(lambda self: self.entry.phase is Phase.PROPERTY_SHIM and self.entry.settled)
    @rule()
    def rehydrate(self) -> None:
        list(verify.rehydrate(self.binding))

    def go(self, to: Phase, *, killed: bool = False) -> None:
        """Move, doing what the gates ask for; `killed`: the operator's process ends right after the commit."""
        if not self.entry.settled and to not in (self.entry.phase, self.entry.came_from):
            self.go(self.entry.phase)
        for remedy in (self.verified, lambda: self.remedy(to), self.repaired, None):
            try:
                for event in self.drive(to):
                    if killed and isinstance(event, runner.Moved):
                        break
                break
            except Refused:
                if remedy is None:
                    raise
                remedy()
        self.renew()

    def drive(self, to: Phase, **options: Any) -> Any:
        order = runner.Order(self.binding, to, **options)
        return runner.rollback(order) if to < self.entry.phase else runner.advance(order)

    def remedy(self, to: Phase) -> None:
        if not self.entry.settled:
            self.go(self.entry.phase)
        if to < self.entry.phase:
            list(verify.rehydrate(self.binding))
        else:
            self.fill(100)
        self.verified()

    def repaired(self) -> None:
        """Only rows of an earlier dual write ever need it, and what old code and a replace of rows alone leave."""
        assert self.entry.phase is Phase.ADD_TABLE or self.allowed
        list(verify.repair(self.binding, apply=True))
        self.verified()

    def verified(self) -> Result:
        *_, last = verify.run(self.binding)
        return last.result

    def fill(self, chunks: int) -> None:
        """Some chunks of the backfill, or all; nothing where the phase does not let it run."""
        with suppress(Refused):
            for number, progress in enumerate(backfill.run(self.binding), start=1):
                if progress.waiting or number == chunks:
                    return

    # --- readers ---

    @invariant()
    def every_reader_sees_what_was_committed(self) -> None:
        self.renew()
        self.read_all(f"at {self.entry.phase.name}")
        if not self.entry.settled:
            self.believe(self.beliefs[-2] if len(self.beliefs) > 1 else self.beliefs[-1])
            self.read_all("on the belief before")
        stages.set_flags(self.shape.name, Phase(self.entry.phase - 1))
        lease.forget()
        self.read_all("with a flag off")
        stages.set_flags(self.shape.name, Phase.BACKFILL_AND_DROP)
        self.renew()

    def read_all(self, how: str) -> None:
        model, name = self.binding.parent.model, self.binding.field_name
        page = [getattr(each, name) for each in model._default_manager.order_by("pk")]
        ways = {"read": [read.read(self.binding, key) for key in self.keys], "attribute": page}
        for way, documents in ways.items():
            seen = [self.shape.lists(document) for document in documents]
            if not self.in_order and self.entry.phase is Phase.BACKFILL_AND_DROP:
                assert sorted_lists(seen) == sorted_lists(self.expected), f"{way} {how}"
            else:
                assert seen == self.expected, f"{way} {how}: {seen}, not {self.expected}"

    # --- the rest ---

    @property
    def entry(self) -> ledger.Entry:
        return ledger.read(self.binding.alias, self.binding.name)

    def drawn(self, data: st.DataObject, *, least: int = 0, most: int = 1) -> list[Fields]:
        found = []
        for each in data.draw(st.lists(self.shape.drawn, min_size=least, max_size=most)):
            self.number += 1
            found.append(self.shape.fields(each, self.number))
        return found

    def extend(self, where: int, rows: list[Fields]) -> None:
        outcome = write.extend(self.binding, self.keys[where], rows)
        assert outcome.written == len(rows)
        self.note(where, rows)

    def note(self, where: int, rows: list[Fields]) -> None:
        self.rows_alone = self.rows_alone or self.entry.phase >= Phase.STOP_JSON_WRITES
        for fields in rows:
            self.shape.add(self.expected[where], fields)

    def believe(self, held: Lease) -> None:
        """Let this process go on believing what it read then."""
        lease._held[self.binding.alias, self.binding.name] = replace(held, expires=math.inf)

    def renew(self) -> None:
        """Read the ledger; keep one belief of each move."""
        lease.forget()
        held = lease.current(self.binding)
        if not self.beliefs or self.beliefs[-1].entry.epoch != held.entry.epoch:
            self.beliefs.append(held)
        else:
            self.beliefs[-1] = held


def sorted_lists(found: list[Lists]) -> list[Lists]:
    """To compare as multisets."""
    return [{stream: sorted(elements, key=json.dumps) for stream, elements in lists.items()} for lists in found]
