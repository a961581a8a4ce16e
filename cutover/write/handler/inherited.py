"""Connections that a fork has brought along: two processes on one connection read each other's answers.

Celery closes them in its workers; a server that forks after the application was loaded, and any `os.fork`, does not.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db import connections

_parents: list[Any] = []  # kept for ever: collected, they would complain that nobody has closed them


def note() -> None:
    """In the child: whatever connection is there belongs to the process that forked."""
    for wrapper in connections.all(initialized_only=True):
        if wrapper.connection is not None:
            _parents.append(wrapper.connection)


def let_go(alias: str) -> bool:
    """Give an inherited connection up without a word to its server; whether a new one can be opened."""
    wrapper = connections[alias]
    if not any(wrapper.connection is each for each in _parents):
        return True
    if wrapper.in_atomic_block:
        return False
    # Closed by the driver, it would say goodbye for both processes.
    with suppress(OSError), Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), wrapper.connection.pgconn.socket)
    wrapper.connection = None
    return True


os.register_at_fork(after_in_child=note)
