"""Where faults are played: a database with history, an account of what happens there, workers; and the verdict at the end."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from cutover.backfill import controls
from cutover.demo.server import Server
from cutover.mapping import Binding
from damage import audit, sides
from damage.audit import Account
from damage.sides import Sides
from damage.workers import APPLICATION, Nursery, Worker, joined, nursery
from damage.writers import Memory
from stages import at_phase

LEASE_SECONDS = 0.2
TARGET_SECONDS = 0.03
ELEMENTS = 20
UNBOUND = "-c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off"


@dataclass
class Outcome:
    """What one kind of fault came to.

    Attributes:
        times: how often it happened.
        bad: everything that is not as it should be.
    """

    fault: str
    times: int
    sides: Sides
    account: Account
    bad: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def told(self) -> str:
        """One line."""
        found, done = self.sides, self.account
        words = [
            f"{self.fault}: {self.times} times; {found.elements:,} elements, {found.lost} lost, {found.doubled} doubled"
        ]
        words.append(f"{done.chunks:,} chunks, {done.again} begun and done again")
        return "; ".join([*words, *self.notes, "good" if not self.bad else "BAD: " + ", ".join(self.bad)])


@dataclass
class Stage:
    """One database and its backfill."""

    binding: Binding
    server: Server
    uri: str
    chance: random.Random
    nursery: Nursery
    began: int  # where in the server's log

    @property
    def name(self) -> str:
        return self.binding.name

    @contextmanager
    def look(self) -> Iterator["psycopg.Connection[Any]"]:
        """A connection that no limit of the database binds."""
        with psycopg.connect(self.uri, autocommit=True, options=UNBOUND) as opened:
            yield opened

    def ask(self, query: str, *values: object) -> Any:
        """The first column of the first row."""
        with self.look() as opened:
            row = opened.execute(query, values).fetchone()
        return None if row is None else row[0]

    def limit(self, setting: str, value: str | None) -> None:
        """A setting of the database, for sessions that begin later."""
        name = psycopg.conninfo.conninfo_to_dict(self.uri)["dbname"]
        change = f"SET {setting} = '{value}'" if value is not None else f"RESET {setting}"
        with self.look() as opened:
            opened.execute(f'ALTER DATABASE "{name}" {change}')

    def worker(self) -> Worker:
        return self.nursery.worker("backfill", self.name)

    def keys(self, number: int) -> list[Any]:
        """Parents from the beginning and from the end: some are done soon, some late."""
        parent = self.binding.parent
        half = f"SELECT {parent.pk} FROM {parent.name} ORDER BY {parent.pk} {{}} LIMIT {number // 2}"  # noqa: S608
        with self.look() as opened:
            return [row[0] for order in ("ASC", "DESC") for row in opened.execute(half.format(order)).fetchall()]

    def done(self) -> float:
        """The share of the parents that are behind the cursors."""
        share = "SELECT COALESCE(sum(parents) FILTER (WHERE number >= 0), 0)::float8 / %s FROM cutover_segment"
        return float(self.ask(share, self.parents()))

    def parents(self) -> int:
        return int(self.ask(f"SELECT count(*) FROM {self.binding.parent.name}"))  # noqa: S608

    def moves(self) -> int:
        return int(self.ask("SELECT count(*) FROM damage_moves"))

    def complete(self) -> bool:
        return bool(self.ask("SELECT backfilled_at IS NOT NULL FROM cutover_ledger WHERE name = %s", self.name))

    def compared(self) -> Sides:
        with self.look() as opened:
            return sides.compared(opened, self.name)

    def backends(self) -> list[int]:
        """The server's processes that work for workers."""
        with self.look() as opened:
            found = opened.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [APPLICATION])
            return [row[0] for row in found.fetchall()]

    # --- what has to be true, whatever has happened ---

    def untrue(self, code: int, words: str = "") -> list[str]:
        """What a worker's exit code says that is not so: 0 is the end, and nothing else is."""
        complete = self.complete()  # before the comparison: others may complete it meanwhile
        equal = self.compared().equal
        found = []
        if code == 0 and not (complete and equal):
            found.append("a worker ended with 0 before the end")
        if complete and not equal:
            found.append("the ledger says complete, and the sides differ")
        if "Traceback" in words:
            found.append(f"a worker ended with a traceback: {words[-300:]}")
        return found

    def status(self) -> dict[str, Any]:
        """What the command line says."""
        asked = self.nursery.worker("status", self.name, "--no-gates", "--json")
        code = asked.wait()
        assert code == 0, asked.words()
        return dict(json.loads(asked.words()))

    def status_untrue(self) -> list[str]:
        """What it says that is not so, while no worker works."""
        told, found = self.status(), []
        now = told["backfill"]["progress"]
        if (told["backfilled_at"] is not None) != self.complete():
            found.append("status says another end than the ledger")
        if now["elements"] != self.ask("SELECT COALESCE(sum(rows), 0)::bigint FROM damage_rows"):
            found.append(f"status says {now['elements']} elements, and workers have inserted another number")
        if self.complete() and now["segments_done"] != now["segments"]:
            found.append("status says complete, and segments are left")
        return found

    def concluded(self, fault: str, times: int, *, again: int | None = None, memory: Memory | None = None) -> Outcome:
        """The same command once more, to its end; and the verdict.

        Args:
            again: how many chunks may have been done again; None does not ask.
        """
        bad = self.status_untrue()
        last = self.worker()
        (code,) = joined([last], 300)
        with self.look() as opened:
            found = Outcome(
                fault,
                times,
                sides.compared(opened, self.name),
                audit.account(opened, self.server.log, self.began),
                [*bad, *([] if memory is None else memory.faults(opened, self.name))],
            )
        found.bad += self.untrue(code, last.words()) + self.status_untrue() + found.account.faults
        if code != 0:
            found.bad.append(f"at last it ended with {code}: {last.words()[-300:]}")
        if not found.sides.equal:
            found.bad.append("the sides differ")
        if again is not None and found.account.again > again + found.account.silenced:
            found.bad.append(f"{found.account.again} chunks were done again, and {again} at most should be")
        if memory is not None:
            found.notes.append(f"{len(memory.committed):,} live appends, {len(memory.refused)} of them refused")
        return found


@contextmanager
def staged(
    server: Server,
    uri: str,
    name: str,
    parents: int,
    seed: int = 1,
    *,
    most: int = ELEMENTS,
    lease: float = LEASE_SECONDS,
) -> Iterator[Stage]:
    """A cutover at DUAL_WRITE with history, in the database that Django's connection leads to."""
    binding = at_phase(name, 2)
    sides.history(uri, name, parents, most=most)
    with psycopg.connect(uri, autocommit=True) as opened:
        audit.install(opened, binding.child.name)
    controls.change(binding, who="test", target=TARGET_SECONDS, rest=0)
    began = server.log.stat().st_size
    with nursery(lease) as workers:
        yield Stage(binding, server, uri, sides.chance(seed), workers, began)


Play = Callable[[Stage, int], Outcome]
