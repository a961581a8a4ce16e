"""Finds log calls that are made while the caller's transaction has the parent's row locked, and says so once per place.

The row is locked for as long as the lines take, and every other writer of it waits. Watches `SELECT ... FOR UPDATE` on
connections that Django opens, and asks the database whether it is this very row; it changes nothing.
"""

from __future__ import annotations

import logging
import re
import time
import weakref
from collections.abc import Callable
from typing import Any

from django.db import Error, connections
from django.db.backends.signals import connection_created

from cutover import db, lease
from cutover.errors import CutoverError
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.sql import query
from cutover.write import refusals
from cutover.write.handler import aside
from cutover.write.handler.kept import Line

logger = logging.getLogger("cutover.handler")
LOCKING = re.compile(r"\bFOR\s+(NO\s+KEY\s+)?UPDATE\b", re.IGNORECASE)
TAIL = 200  # characters at the end of a statement, where a locking clause stands
AGAIN = 10.0  # seconds until a place is looked at again that was not found

# What a connection has locked, and the list that Django renews with each transaction: it says which transaction that was.
_locking: weakref.WeakKeyDictionary[Any, tuple[Any, str]] = weakref.WeakKeyDictionary()
_places: dict[tuple[str, int], float] = {}


def watch(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Remember a query that locks rows. It runs for every statement of the application, so it does next to nothing."""
    if isinstance(sql, str) and sql[:6].upper() == "SELECT" and LOCKING.search(sql, max(0, len(sql) - TAIL)):
        wrapper = context["connection"]
        of, before = _locking.get(wrapper, (None, ""))
        _locking[wrapper] = wrapper.run_on_commit, (before if of is wrapper.run_on_commit else "") + sql
    return execute(sql, params, many, context)


def install(connection: Any, **_: Any) -> None:
    if connection.vendor == "postgresql" and watch not in connection.execute_wrappers:
        connection.execute_wrappers.append(watch)


def start() -> None:
    """Watch the connections that Django opens from now on, and those of this thread."""
    connection_created.connect(install, dispatch_uid="cutover.handler.held")
    for each in connections.all(initialized_only=True):
        install(each)


def look(binding: Binding, line: Line) -> None:
    """Warn of the place of this line, if its parent's row is locked by the transaction that is open. Never raises an error."""
    if not line.place[0] or _places.get(line.place, 0.0) > time.monotonic() or not locked_some(binding):
        return
    _places[line.place] = time.monotonic() + AGAIN
    try:
        with db.savepoint(binding.alias):
            locked = in_the_way(binding) and locked_by_us(binding, line)
    except (Error, CutoverError):
        return
    if locked:
        _places[line.place] = float("inf")
        logger.warning(
            "%s:%s logs while its transaction has the row of %s locked: other writers wait for the line too. Log after the"
            " transaction.",
            *line.place,
            refusals.whose(binding, line.key),
        )


def locked_some(binding: Binding) -> bool:
    """Whether this transaction has locked rows of the parent's table."""
    wrapper = connections[binding.alias]
    of, statements = _locking.get(wrapper, (None, ""))
    return of is wrapper.run_on_commit and binding.parent.alias in statements


def in_the_way(binding: Binding) -> bool:
    """Whether a writer needs the parent's lock: JSON is written, or the rows have a foreign key in the database."""
    return lease.current(binding).phase < Phase.STOP_JSON_WRITES or aside.constrained(binding)


def locked_by_us(binding: Binding, line: Line) -> bool:
    parts = {
        "parent": binding.parent.identifier,
        "parent_key": binding.parent.key,
        "locker": binding.parent.column("xmax"),
        "type": binding.parent.type,
    }
    key = refusals.parent_value(binding, line.parent)
    return bool(db.scalar(binding.alias, query("handler", "locked_by_us", **parts), {"key": key}))
