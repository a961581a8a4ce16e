"""Entries that cannot become rows: they stand in PostgreSQL with the reason until somebody decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cutover import db
from cutover.mapping import Binding
from cutover.sql import query


@dataclass(frozen=True)
class Dead:
    """One entry. `payload` holds its rows as text."""

    id: int
    parent_key: str
    payload: str
    reason: str
    at: datetime

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "parent": self.parent_key,
            "payload": self.payload,
            "reason": self.reason,
            "at": self.at.isoformat(),
        }


def listing(binding: Binding, limit: int) -> list[Dead]:
    """The oldest."""
    values = {"name": binding.name, "limit": limit}
    return [Dead(*row) for row in db.rows(binding.alias, query("buffer", "dead"), values)]


def retry(binding: Binding, ids: Sequence[int] | None) -> int:
    """Let these, or all, wait again: a flusher tries them. How many."""
    return changed(binding, "retry", ids)


def discard(binding: Binding, ids: Sequence[int] | None) -> int:
    """Take these, or all, away for good. How many."""
    return changed(binding, "discard", ids)


def changed(binding: Binding, what: str, ids: Sequence[int] | None) -> int:
    values = {"name": binding.name, "ids": None if ids is None else list(ids)}
    return db.run(binding.alias, query("buffer", what), values)
