"""Cut the key space into segments of about the same number of parents: once, by quantiles, at a bounded cost.

The last segment is open-ended: parents that come later belong to it. Keys are only ever compared, by the database.
"""

from psycopg import sql

from cutover import db
from cutover.backfill import columns
from cutover.backfill.lease import LANE
from cutover.mapping import Binding
from cutover.sql import query

MOST = 64
PARENTS_PER_SEGMENT = 5_000
BYTES_PER_SEGMENT = 4 * 1024 * 1024  # as stored; some 400,000 lines of a log, a few seconds of work
SAMPLE = 20_000  # keys looked at; an error of a few per cent in the size of a segment is no harm
SMALL_PAGES = 2_000  # tables up to 16 MiB are read whole


def make(binding: Binding) -> None:
    """Plan, unless that was done.

    Raises:
        DeclarationError: the declaration does not say how an element becomes a row.
    """
    columns.check(binding)
    if planned(binding):
        return
    estimate, bounds = quantiles(binding)
    with db.read_committed(binding.alias):
        db.rows(binding.alias, query("backfill", "lock_ledger"), {"name": binding.name})
        if not planned(binding):
            write(binding, estimate, bounds)


def planned(binding: Binding) -> bool:
    return bool(db.scalar(binding.alias, query("backfill", "planned"), {"name": binding.name}))


def write(binding: Binding, estimate: int, bounds: list[str]) -> None:
    numbers = [LANE, *range(len(bounds) + 1)]
    values = {
        "name": binding.name,
        "numbers": numbers,
        "lowers": [None, None, *bounds],
        "uppers": [None, *bounds, None],
        "estimate": -(-estimate // (len(bounds) + 1)),
    }
    db.run(binding.alias, query("backfill", "plan"), values)


def quantiles(binding: Binding) -> tuple[int, list[str]]:
    """How many parents there are, roughly, and the keys between the segments, ascending."""
    name = binding.parent.identifier.as_string(None)
    estimate = db.one(binding.alias, query("backfill", "estimate"), {"table": name})
    tuples, pages, size_bytes, is_table = estimate or (0, 0, 0, False)
    share = min(1.0, SAMPLE / max(tuples, pages * 10, 1)) if is_table and pages > SMALL_PAGES else 1.0
    # The number of segments has to be known before the keys are: one per so many parents, as far as the statistics know.
    # Few parents with long lists are as much work, and two workers on one segment are one.
    many = max(tuples, pages * 10)
    count = max(1, min(MOST, max(many // PARENTS_PER_SEGMENT, min(many, size_bytes // BYTES_PER_SEGMENT))))
    parts = {
        "parent_key": binding.parent.key,
        "parent": binding.parent.identifier,
        "type": columns.unlimited(binding.parent.pk_type),
        "sample": sql.SQL("") if share == 1.0 else sql.SQL("TABLESAMPLE SYSTEM ({})").format(sql.Literal(share * 100)),
    }
    fractions = [number / count for number in range(1, count)]
    found, seen = db.one(binding.alias, query("backfill", "quantiles", **parts), {"fractions": fractions}) or ([], 0)
    return int(seen / share), list(dict.fromkeys(found or []))
