"""The lines of one parent, written by the same statement as any append: one of them for all that name the same columns.

Where a line cannot be written, it is found by halves, and the others are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from django.db import Error, transaction

from cutover import db
from cutover.backfill import attempts
from cutover.backfill.attempts import Kind
from cutover.buffer import entry
from cutover.buffer.entry import NotCarried
from cutover.errors import NotEncodable, ParentMissing
from cutover.flush.store import Line
from cutover.mapping import Binding
from cutover.write import columns, items
from cutover.write.append import write
from cutover.write.items import Item

FOREIGN_KEY = "23503"
LATER = "Its parent was locked by somebody else, or is gone."
Dead = tuple[Line, str]


class Later(Exception):
    """The parent cannot be written now."""


def rebuilt(binding: Binding, line: Line) -> list[Item]:
    """The rows of a line, as they were prepared when it was written.

    Raises:
        NotCarried, NotEncodable: they fit the declaration no longer.
    """
    found = []
    for row in entry.load(line.entry.payload):
        unknown = sorted(set(row) - {each.name for each in columns.of(binding)})
        if unknown:
            raise NotCarried(f"{binding.child.model._meta.label} has no field {unknown[0]} any more.")
        values = {each.name: row[each.name] if each.name in row else each.default() for each in columns.of(binding)}
        found.append(items.completed(binding, values))
    return found


def put(binding: Binding, key: str, lines: Sequence[Line]) -> None:
    """Write the lines in their order; a statement for each run of rows that name the same columns."""
    pending = [item for line in lines for item in rebuilt(binding, line)]
    for _given, run in groupby(pending, key=lambda item: item.given):
        write(binding, binding.key(key), list(run))


def put_carefully(binding: Binding, key: str, lines: Sequence[Line]) -> list[Dead]:
    """The same behind savepoints; what cannot be written comes back with its reason.

    Raises:
        Later: not now.
    """
    try:
        with transaction.atomic(using=binding.alias):
            put(binding, key, lines)
    except ParentMissing as error:
        raise Later(LATER) from error
    except (NotEncodable, NotCarried) as error:
        return halves(binding, key, lines, str(error))
    except Error as error:
        if db.sqlstate(error) == FOREIGN_KEY or attempts.kind(error) is Kind.COLLISION:
            raise Later(LATER) from error
        if attempts.kind(error) is not Kind.DATA:
            raise
        return halves(binding, key, lines, str(error).partition("\n")[0])
    return []


def halves(binding: Binding, key: str, lines: Sequence[Line], reason: str) -> list[Dead]:
    if len(lines) == 1:
        return [(lines[0], reason)]
    middle = len(lines) // 2
    return put_carefully(binding, key, lines[:middle]) + put_carefully(binding, key, lines[middle:])
