"""The tables of the flusher: how far it is, and the entries that stand apart in PostgreSQL. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cutover import db
from cutover.buffer import Entry
from cutover.flush.sift import Sifted
from cutover.mapping import Binding
from cutover.sql import query

MEMORY = timedelta(days=7)  # that writers are known; a Redis restored from an older copy doubles what it brings back
WAITING, DEAD = "waiting", "dead"


@dataclass(frozen=True)
class Line:
    """An entry to be written. `id` is that of its row, where it stands in PostgreSQL; `doubtful`: it may be in Redis too."""

    entry: Entry
    id: int | None = None
    doubtful: bool = False


def ensure(binding: Binding, shard: int) -> None:
    db.run(binding.alias, query("buffer", "ensure"), {"name": binding.name, "shard": shard})


def claim(binding: Binding, shard: int) -> str | None:
    """Hold a stream until the end of the transaction: its token, or None where somebody else has it."""
    found = db.scalar(binding.alias, query("buffer", "claim"), {"name": binding.name, "shard": shard})
    return None if found is None else str(found)


def marks(binding: Binding, shard: int, writers: Iterable[str]) -> dict[str, int]:
    values = {"name": binding.name, "shard": shard, "writers": list(writers)}
    return dict(db.rows(binding.alias, query("buffer", "marks"), values))


def apart(binding: Binding, shard: int, writers: Iterable[str]) -> set[tuple[str, int]]:
    values = {"name": binding.name, "shard": shard, "writers": list(writers)}
    return {(writer, number) for writer, number in db.rows(binding.alias, query("buffer", "apart"), values)}


def met(binding: Binding, shard: int, entries: Sequence[Entry]) -> None:
    if entries:
        values = {"writers": [e.writer for e in entries], "numbers": [e.number for e in entries]}
        db.run(binding.alias, query("buffer", "met"), {"name": binding.name, "shard": shard, **values})


def advance(binding: Binding, shard: int, sifted: Sifted, *, last: str, entries: int) -> None:
    """Say how far this is; in the transaction of the rows."""
    where = {"name": binding.name, "shard": shard}
    if sifted.marks:
        values = {"writers": list(sifted.marks), "numbers": list(sifted.marks.values())}
        db.run(binding.alias, query("buffer", "advance_marks"), {**where, **values})
    db.run(binding.alias, query("buffer", "advance"), {**where, "id": last, "entries": entries, "lost": sifted.lost})


def told(binding: Binding, shard: int) -> None:
    db.run(binding.alias, query("buffer", "told"), {"name": binding.name, "shard": shard})


def prune(binding: Binding) -> None:
    db.run(binding.alias, query("buffer", "prune"), {"name": binding.name, "age": MEMORY})


def standing(binding: Binding) -> dict[int, list[int]]:
    """The streams of which entries wait in PostgreSQL, and the ids of those of them that may be in Redis too."""
    return dict(db.rows(binding.alias, query("buffer", "standing"), {"name": binding.name}))


def waiting_parents(binding: Binding, shard: int) -> dict[str, int]:
    values = {"name": binding.name, "shard": shard}
    return dict(db.rows(binding.alias, query("buffer", "waiting_parents"), values))


def waiting(binding: Binding, shard: int, keys: Sequence[str], limit: int) -> list[Line]:
    values = {"name": binding.name, "shard": shard, "keys": list(keys), "limit": limit}
    return [line(*row) for row in db.rows(binding.alias, query("buffer", "waiting"), values)] if keys else []


def of_parent(binding: Binding, shard: int, key: str) -> list[Line]:
    values = {"name": binding.name, "shard": shard, "key": key}
    return [line(*row) for row in db.rows(binding.alias, query("buffer", "of_parent"), values)]


def line(id_: int, writer: str, number: int, key: str, payload: str, doubtful: bool) -> Line:
    return Line(Entry("", writer, number, key, payload), id_, doubtful)


def keep(binding: Binding, shard: int, entries: Sequence[tuple[Entry, str, str]]) -> None:
    """Keep entries that came out of Redis, each with its state and the reason."""
    if entries:
        values = {
            "writers": [entry.writer for entry, _, _ in entries],
            "numbers": [entry.number for entry, _, _ in entries],
            "keys": [entry.parent_key for entry, _, _ in entries],
            "payloads": [entry.payload for entry, _, _ in entries],
            "states": [state for _, state, _ in entries],
            "reasons": [reason for _, _, reason in entries],
        }
        db.run(binding.alias, query("buffer", "keep"), {"name": binding.name, "shard": shard, **values})


def done(binding: Binding, lines: Sequence[Line]) -> None:
    """These have become rows."""
    by_ids(binding, "done", [each.id for each in lines])


def never(binding: Binding, lines: Sequence[Line]) -> None:
    """These were written when they came out of Redis."""
    by_ids(binding, "never", [each.id for each in lines])


def by_ids(binding: Binding, what: str, ids: Sequence[int | None]) -> None:
    found = [id_ for id_ in ids if id_ is not None]
    if found:
        db.run(binding.alias, query("buffer", what), {"ids": found})


def bury(binding: Binding, dead: Sequence[tuple[int, str]]) -> None:
    if dead:
        values = {"ids": [id_ for id_, _ in dead], "reasons": [reason for _, reason in dead]}
        db.run(binding.alias, query("buffer", "bury"), values)


def give_up(binding: Binding, shard: int, keys: Sequence[str], reason: str, patience: timedelta) -> int:
    values = {"name": binding.name, "shard": shard, "keys": list(keys), "reason": reason, "patience": patience}
    return db.run(binding.alias, query("buffer", "give_up"), values) if keys else 0
