"""Which parents can be written now: those that are there, and, where their row would be locked, that nobody else has locked.

A flusher waits for one parent at most, and before it locks any other: while it waited later, it would hold the locks of others,
and could wait for one who waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import Error
from psycopg import sql

from cutover import db
from cutover.backfill import attempts
from cutover.backfill.attempts import Kind
from cutover.mapping import Binding
from cutover.sql import query


@dataclass(frozen=True)
class Parents:
    """Keys as the entries have them. What is in none of the three is locked by somebody else."""

    ready: frozenset[str]
    missing: frozenset[str]
    impossible: frozenset[str]  # no row can have such a key


def look(binding: Binding, keys: Iterable[str], strength: str) -> Parents:
    """Lock what can be locked, with this strength; an empty one locks nothing."""
    asked = list(keys)
    impossible = frozenset(key for key in asked if not possible(binding, key))
    possible_keys = [key for key in asked if key not in impossible]
    there = find(binding, possible_keys, "there")
    ready = there if not strength else find(binding, possible_keys, "free", sql.SQL(strength))
    return Parents(frozenset(ready), frozenset(possible_keys) - there, impossible)


def wait(binding: Binding, key: str, strength: str) -> None:
    """Stand in the queue for a parent, for as long as the limits of the transaction allow. It may be in vain."""
    if not strength or not possible(binding, key):
        return
    try:
        with db.savepoint(binding.alias):
            find(binding, [key], "awaited", sql.SQL(strength))
    except Error as error:
        # A statement_timeout may come before the lock_timeout.
        if attempts.kind(error) not in (Kind.COLLISION, Kind.TOO_MUCH):
            raise


def possible(binding: Binding, key: str) -> bool:
    try:
        found = binding.parent.model._meta.pk.get_prep_value(binding.key(key))
    except (ValidationError, ValueError, TypeError):
        return False
    return found is not None and "\0" not in key


def find(binding: Binding, keys: list[str], what: str, strength: sql.SQL | None = None) -> set[str]:
    if not keys:
        return set()
    parts: dict[str, sql.Composable] = {
        "parent": binding.parent.identifier,
        "parent_key": binding.parent.key,
        "type": binding.parent.type,
    }
    if strength is not None:
        parts |= {"strength": strength, "alias": sql.Identifier(binding.parent.alias)}
    found = db.rows(binding.alias, query("buffer", what, **parts), {"keys": keys})
    return {keys[place - 1] for (place,) in found}
