"""How much a backfill has to do, and about how long it will take. It changes nothing and locks no parent.

Note [A trial]
    Before the first chunk nobody knows how fast this table takes rows. So a few parents are filled for a trial, into a temporary
    table of the child's shape, indexes included, that hides the child until the transaction is rolled back: no row of the child,
    no foreign key, and so no lock on a parent. A temporary table writes no WAL, which flatters by about a fifth.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from psycopg import sql

from cutover import db
from cutover.backfill import chunk, columns, controls, crew, difference, plan, reach, streaming, visit
from cutover.chunk import Pace
from cutover.mapping import Binding, document
from cutover.sql import query

SMALL_BYTES = 256 * 1024 * 1024  # read whole in a few seconds; of a larger table about as much is read
TRIAL = timedelta(seconds=2)  # on a slow machine
TRIAL_PARENTS = 200


@dataclass(frozen=True)
class Amount:
    """So many parents, elements in their lists, and bytes of their documents as text."""

    parents: int
    elements: int
    size_bytes: int


@dataclass(frozen=True)
class Estimate:
    """What a backfill has to do.

    Attributes:
        total, ahead: everything, and what no chunk has done yet.
        share: of the table that was read; 1.0 is all of it, and the numbers are exact.
        elements_per_second: of one worker; None where there is nothing to go by.
        rest: the share of the time in which a worker rests, as long as others are at work or not, as they are now.
        source: "chunks" of this cutover, or a "trial"; empty where there was neither.
    """

    name: str
    total: Amount
    ahead: Amount
    share: float
    elements_per_second: float | None
    source: str
    rest: float

    @property
    def takes(self) -> timedelta | None:
        """One worker's time for its chunks, rests included; the last look over everything is not in it."""
        if self.elements_per_second is None:
            return None
        return timedelta(seconds=self.ahead.elements / self.elements_per_second / (1 - self.rest))

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        takes = self.takes
        return {**asdict(self), "exact": self.share == 1.0, "seconds": None if takes is None else takes.total_seconds()}


def estimate(binding: Binding) -> Estimate:
    """Count, or sample where the table is large, and tell the time from chunks of before or from a trial.

    Raises:
        DeclarationError: the declaration does not say how an element becomes a row.
    """
    columns.check(binding)
    share, sample = sampling(binding)
    parts = {**parts_of(binding), "sample": sample}
    values = {"name": binding.name, "planned": plan.planned(binding)}
    found = [round(each / share) for each in db.rows(binding.alias, query("dryrun", "count", **parts), values)[0]]
    rest, source = controls.read(binding).resting(others=crew.others(binding)), "chunks"
    speed = controls.measured(binding)
    if speed is None:
        speed, source = trial(binding, parts), "trial"
    return Estimate(
        binding.name, Amount(*found[:3]), Amount(*found[3:]), share, speed, "" if speed is None else source, rest
    )


def sampling(binding: Binding) -> tuple[float, sql.Composable]:
    """The share of the parents to read, and the clause that takes it: by pages, or by rows where most bytes lie beside them."""
    values = {"table": binding.parent.identifier.as_string(None)}
    is_table, heap, whole = db.rows(binding.alias, query("dryrun", "sizes"), values)[0]
    if not is_table or whole <= SMALL_BYTES:
        return 1.0, sql.SQL("")
    share = SMALL_BYTES / whole
    method = sql.SQL("SYSTEM" if heap > SMALL_BYTES else "BERNOULLI")
    return share, sql.SQL("TABLESAMPLE {} ({})").format(method, sql.Literal(share * 100))


def parts_of(binding: Binding) -> dict[str, sql.Composable]:
    whole = sql.Identifier("d", "document")
    return {
        "count": sql.SQL(" + ").join(reach.length(each, whole) for each in binding.streams),
        "column": sql.Identifier(binding.column),
        "value": binding.parent.column(binding.column),
        "document": document.stored_document(binding, "c"),
        "parent_key": binding.parent.key,
        "parent": binding.parent.identifier,
        "type": binding.parent.type,
    }


def trial(binding: Binding, parts: dict[str, sql.Composable]) -> float | None:
    """Elements per second, by a few parents (Note [A trial]); None where no parent has any, or no child can be made."""
    name = binding.child.identifier.as_string(None)
    if "." in binding.child.name or db.scalar(binding.alias, query("dryrun", "may_copy"), {"table": name}) is not True:
        return None
    keys = [row[0] for row in db.rows(binding.alias, query("dryrun", "some", **parts), {"limit": TRIAL_PARENTS})]
    with db.read_committed(binding.alias):
        visit.prepare(binding)
        db.run(
            binding.alias,
            query("dryrun", "copy", hiding=sql.Identifier(binding.child.alias), child=binding.child.identifier),
        )
        elements, seconds = tried(binding, keys)
        transaction.set_rollback(True, using=binding.alias)
    return elements / seconds if elements else None


def tried(binding: Binding, keys: Sequence[str]) -> tuple[int, float]:
    """Fill the first of these parents: how many elements they hold, and how many seconds it took."""
    started = time.monotonic()
    wanted = reach.among(binding, list(keys), Pace(parents=TRIAL_PARENTS, target=TRIAL))
    by_python = set(wanted.unreadable if difference.compiles(binding) else wanted.keys)
    by_sql = [key for key in wanted.keys if key not in by_python]
    if by_sql:
        chunk.fill(binding, by_sql, wanted.lengths)
    if by_python:
        streaming.fill(binding, sorted(by_python))
    return wanted.elements, time.monotonic() - started
