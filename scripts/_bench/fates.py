"""What became of the lines: which of those that were said to be written are nowhere to be found."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from _bench import common
from _bench.appends import Way

Line = tuple[int, int, int]  # job, writer, number
TAIL = re.compile(r"writer ([0-9]+) line ([0-9]+)$")


def lost(way: Way, lines: Iterable[Line]) -> int:
    """How many lines are missing where they should be: in the document, in the rows, or in one of both.

    What the cap has cut from a full document is not lost: there each writer's lines must be whole from its oldest one on.
    """
    written = set(lines)
    missing: set[Line] = set()
    if way.child is not None:
        missing |= written - in_rows(way)
    if way.document:
        missing |= written - in_documents(way, written)
    return len(missing)


def parsed(found: Iterable[tuple[int, str]]) -> set[Line]:
    tails = ((key, TAIL.search(text)) for key, text in found)
    return {(key, int(tail[1]), int(tail[2])) for key, tail in tails if tail}


def in_rows(way: Way) -> set[Line]:
    assert way.child is not None  # noqa: S101 - asked before
    model, field = way.child
    return parsed(model._default_manager.values_list(field, "message"))


def in_documents(way: Way, written: set[Line]) -> set[Line]:
    """Those that are there, and those that may have been cut."""
    table = way.parent._meta.db_table
    there = parsed(common.sql(f"SELECT id, l FROM {table}, jsonb_array_elements_text(logs -> 'stdout') l"))  # noqa: S608
    if way.cap is None:
        return there
    full = f"SELECT id FROM {table} WHERE jsonb_array_length(logs -> 'stdout') >= {way.cap}"  # noqa: S608
    cut = {key for (key,) in common.sql(f"{full} AND logs -> 'stdout' ->> -1 ~ 'writer [0-9]+ line [0-9]+$'")}
    oldest: dict[tuple[int, int], int] = defaultdict(lambda: 1 << 62)
    for key, writer, number in there:
        oldest[key, writer] = min(oldest[key, writer], number)
    return there | {line for line in written if line[0] in cut and line[2] < oldest[line[0], line[1]]}
