"""How a line is written: in the caller's transaction behind a savepoint, on a connection of its own, or by itself.

It decides what a failure means for the line, and keeps the caller's transaction and connection out of it.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import psycopg
from django.db import DataError, Error, IntegrityError, connections

from cutover import db, interrupted, lease
from cutover.errors import Busy, CutoverError, NotEncodable, ParentMissing
from cutover.mapping import Binding
from cutover.write import refusals, route
from cutover.write.handler import aside, held, inherited
from cutover.write.handler.kept import Line
from cutover.write.handler.records import says_when
from cutover.write.route import append

CAUGHT = (Error, psycopg.Error, CutoverError)
HOPELESS = (NotEncodable, DataError, IntegrityError)  # the line itself is at fault, and would be at the next try


def deliver(binding: Binding, line: Line, *, own_connection: bool) -> None:
    """Write a line, and mark it as done.

    Raises:
        CutoverError, django.db.Error: it was not written; `perhaps` says where nobody knows.
    """
    if not inherited.let_go(binding.alias):
        raise Busy(f"The connection {binding.alias!r} is in a transaction of the process that has forked this one.")
    inside = db.in_transaction(binding.alias) or db.manual(binding.alias)
    own = aside.way(binding) if inside and own_connection and not route.buffers(binding) else None
    if line.perhaps and found(own or binding, line):
        line.done = True
        return
    line.perhaps = True
    try:
        if own is not None:
            aside.write(own, line.parent, known(own, line))
        else:
            join(binding, line, inside=inside)
        line.done = True
    except CAUGHT:
        line.perhaps = lost((own or binding).alias) and not (inside and own is None)
        tidy((own or binding).alias)
        raise


def join(binding: Binding, line: Line, *, inside: bool) -> None:
    """On the caller's connection; in a transaction behind a savepoint, or a caught error would still roll all of it back."""
    if inside:
        held.look(binding, line)
    # What goes into the buffer needs no savepoint; what goes past it takes one itself.
    with db.savepoint(binding.alias) if inside and not route.buffers(binding) else nullcontext():
        append(binding, line.parent, known(binding, line))


def known(binding: Binding, line: Line) -> dict[str, Any]:
    """The fields of the line that the child has, where they are not the caller's own choice."""
    return {name: value for name, value in line.fields.items() if name in binding.kinds or line.chosen}


def found(binding: Binding, line: Line) -> bool:
    """Whether a line of which nobody knows is in the table. One that does not say when it was cannot be told from others."""
    if not says_when(line.fields) or not lease.current(binding).phase.writes_rows:
        return False
    key = {binding.fk_field: refusals.parent_value(binding, line.parent)}
    rows = binding.child.model._base_manager.using(binding.alias)
    with interrupted.at_rest(binding.alias):
        return rows.filter(**key, **known(binding, line)).exists()


def lost(alias: str) -> bool:
    """Whether the connection broke, so that a command that was sent may have been carried out."""
    driver = connections[alias].connection
    return driver is None or driver.closed


def waits(error: BaseException) -> bool:
    """Whether it is the parent that a line waits for, and not the database."""
    return isinstance(error, ParentMissing)


def tidy(alias: str) -> None:
    """Close a connection that has failed, unless that is for the caller to see."""
    if not db.in_transaction(alias) and not db.manual(alias):
        connections[alias].close_if_unusable_or_obsolete()
