"""A connection of the handler's own: from STOP_JSON_WRITES on a line need not share the fate of the caller's transaction.

It is one more alias of Django's, so that Django closes it with the others; each thread has its own. While a line needs the
parent's lock, because JSON is written or because the rows have a foreign key in the database, a second connection would wait
for the caller's own lock, and the caller for it: then there is no way aside.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.db import connections

from cutover import conf, db, lease
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.sql import query
from cutover.write.append import append
from cutover.write.handler import inherited

LOCK_TIMEOUT = "1s"  # the foreign key may come between the question and the insert
_constrained: dict[str, tuple[float, bool]] = {}


def way(binding: Binding) -> Binding | None:
    """The binding on a connection of its own, where a line may go there now."""
    held = lease.believed(binding)
    if held is not None and held.phase < Phase.STOP_JSON_WRITES:
        return None
    own = bound(binding, register(binding.alias))
    inherited.let_go(own.alias)
    if connections[own.alias].errors_occurred:
        connections[own.alias].close_if_unusable_or_obsolete()
    if lease.current(own).phase < Phase.STOP_JSON_WRITES or constrained(own):
        return None
    return own


def write(own: Binding, parent: Any, fields: Mapping[str, Any]) -> None:
    """One append in a transaction of its own, which waits for nobody for long. Raises as `append`."""
    with db.read_committed(own.alias):
        db.set_local(own.alias, "lock_timeout", LOCK_TIMEOUT)
        append(own, parent, fields)


@lru_cache(maxsize=32)
def bound(binding: Binding, alias: str) -> Binding:
    return replace(binding, alias=alias)


def register(alias: str) -> str:
    """The name of the second connection. The settings are replaced and not changed: other threads may be going through them."""
    name = f"{alias} (cutover's lines)"
    wanted = {**connections.settings[alias], "ATOMIC_REQUESTS": False, "AUTOCOMMIT": True}
    if connections.settings.get(name) != wanted:
        connections.settings = {**connections.settings, name: wanted}
        connections[name].close()
        del connections[name]
    return name


def constrained(binding: Binding) -> bool:
    """Whether the rows have a foreign key in the database; asked once per lease."""
    until, found = _constrained.get(binding.name, (0.0, False))
    if until <= time.monotonic():
        place = {"relation": binding.child.identifier.as_string(None), "column": binding.fk}
        found = bool(db.scalar(binding.alias, query("handler", "constrained"), place))
        _constrained[binding.name] = time.monotonic() + conf.lease().total_seconds(), found
    return found
