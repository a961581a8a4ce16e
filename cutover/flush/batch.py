"""One batch of one stream, in one transaction: the rows, and how far the stream has been moved.

Killed anywhere before the commit, nothing has happened; after it, the entries that are still in Redis carry numbers that
have been reached, and are passed over. They are taken out of Redis after the commit, never before.

Note [A doubtful line comes last]: a line of which nobody knows whether Redis has it stands in PostgreSQL, and came after what
its writer had put into Redis before. So it is written in a batch that has all of that: one that was read from Redis after the
line was seen to stand in PostgreSQL, and that was read to the end of the stream. Until then it waits, and holds up nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from django.db import Error, transaction

from cutover import caches, conf, db, lease
from cutover.backfill import attempts
from cutover.backfill.attempts import Kind
from cutover.buffer import Entry, streams
from cutover.buffer.entry import NotCarried
from cutover.buffer.streams import RedisGone
from cutover.errors import WriteError
from cutover.flush import parents, rows, store
from cutover.flush.rows import Later
from cutover.flush.sift import Sifted, sift
from cutover.flush.store import DEAD, WAITING, Line
from cutover.mapping import Binding
from cutover.write.append import legs_of

COUNT = 500  # entries of a batch
LOCK_TIMEOUT = "500ms"  # for what no look ahead can rule out
ABSENT = "Its parent is not there."
IMPOSSIBLE = "No parent can have this key."
LOCKED = "Its parent is locked by somebody else."


@dataclass
class Batch:
    """What became of a batch.

    Attributes:
        read: how many entries were read from Redis; fewer than were asked for are all there were.
        last: the id of the newest of them.
        written, kept, dead: entries that became rows; that were left to wait; that cannot become rows.
        keys: the parents that were written.
        locked: those that were not, because somebody else had them locked, or because more waits than fits.
        token: what Redis is to be told; empty where it knows.
    """

    read: int = 0
    last: str = ""
    written: int = 0
    kept: int = 0
    dead: int = 0
    keys: set[str] = field(default_factory=set)
    locked: set[str] = field(default_factory=set)
    token: str = ""

    @property
    def whole(self) -> bool:
        return self.read < COUNT


def move(
    binding: Binding,
    shard: int,
    *,
    after: str = "-",
    standing: Mapping[int, Collection[int]] | None = None,
    told: str | None = None,
    awaited: str | None = None,
) -> Batch | None:
    """Move a batch; None where somebody else moves this stream.

    Args:
        after: the id behind which to begin, where the caller's transaction has not committed what stands before.
        standing: what waited in PostgreSQL before this; None looks for itself. See Note [A doubtful line comes last].
        awaited: the parent to wait for, if somebody has it locked; the others are taken where they are free.
        told: the token that Redis has for this stream, empty where it has none; None asks nobody.

    Raises:
        RedisGone: nothing was moved.
        django.db.Error: what the database said; nothing was moved.
    """
    standing = store.standing(binding) if standing is None else standing
    entries = streams.take(binding.name, shard, count=COUNT, after=after)
    if not entries and shard not in standing:
        return Batch()
    known = frozenset(standing.get(shard, ())) if len(entries) < COUNT else frozenset()
    with_these = partial(attempt, binding, shard, entries, told, known)
    try:
        found = with_these(careful=awaited is not None, awaited=awaited)
    except (WriteError, NotCarried):
        found = with_these(careful=True)
    except Error as error:
        if attempts.kind(error) not in (Kind.DATA, Kind.COLLISION):
            raise
        found = with_these(careful=True)
    if found is not None:
        transaction.on_commit(partial(taken, binding, shard, entries, found), using=binding.alias)
    return found


def taken(binding: Binding, shard: int, entries: Sequence[Entry], found: Batch) -> None:
    """After the commit; at once where no transaction is open."""
    if found.keys and caches.listening():
        phase = lease.current(binding).phase
        caches.changed(binding, found.keys, lists=phase.writes_json, rows=phase.writes_rows)
    # It is committed: what stays in Redis is passed over, and the next look says that it is gone.
    with suppress(RedisGone):
        streams.forget(binding.name, shard, [entry.id for entry in entries])
        if found.token:
            streams.tell_token(binding.name, shard, found.token)


def attempt(
    binding: Binding,
    shard: int,
    entries: Sequence[Entry],
    told: str | None,
    known: Collection[int],
    *,
    careful: bool,
    awaited: str | None = None,
) -> Batch | None:
    found = Batch(len(entries), entries[-1].id if entries else "")
    with db.part(binding.alias, "lock_timeout"):
        token = store.claim(binding, shard)
        if token is None:
            return None
        if told is not None and told != token:
            store.told(binding, shard)
            found.token = token
        db.set_local(binding.alias, "lock_timeout", LOCK_TIMEOUT)
        if awaited is not None and awaited in store.waiting_parents(binding, shard):
            parents.wait(binding, awaited, strength(binding, careful=careful))
        writers = {entry.writer for entry in entries}
        sifted = sift(
            entries, store.marks(binding, shard, writers), store.apart(binding, shard, writers) if writers else set()
        )
        work(binding, shard, sifted, found, known, careful=careful)
        store.met(binding, shard, sifted.met)
        store.advance(binding, shard, sifted, last=found.last, entries=found.written)
    return found


def work(binding: Binding, shard: int, sifted: Sifted, found: Batch, known: Collection[int], *, careful: bool) -> None:
    """Write what can be written, keep what cannot be yet."""
    waiting = store.waiting_parents(binding, shard)
    fresh: dict[str, list[Line]] = {}
    for entry in sifted.fresh:
        fresh.setdefault(entry.parent_key, []).append(Line(entry))
    ours = parents.look(binding, dict.fromkeys([*waiting, *fresh]), strength(binding, careful=careful))
    older, never = older_lines(binding, shard, [key for key in waiting if key in ours.ready])
    store.never(binding, never)
    left = dict(waiting)
    for line in [*(line for lines in older.values() for line in lines), *never]:
        left[line.entry.parent_key] -= 1
    later = {key for key, lines in older.items() if any(line.doubtful and line.id not in known for line in lines)}
    found.locked = {
        key
        for key in [*waiting, *fresh]
        if key not in ours.missing | ours.impossible and (key not in ours.ready or left.get(key) or key in later)
    }
    kept: list[tuple[Entry, str, str]] = []
    for key in dict.fromkeys([*older, *fresh]):
        mine = [line for line in older.get(key, []) if not line.doubtful]
        if key in ours.ready and not left.get(key):
            mine += fresh.get(key, [])
        else:
            state, reason = why(key, ours)
            kept += [(line.entry, state, reason) for line in fresh.get(key, [])]
        mine += [line for line in older.get(key, []) if line.doubtful and line.id in known]
        if mine:
            kept += write(binding, key, mine, found, careful=careful)
    store.keep(binding, shard, kept)
    found.dead += sum(state == DEAD for _, state, _ in kept)
    found.kept += sum(state == WAITING for _, state, _ in kept)
    gone = [key for key in waiting if key in ours.missing]
    found.dead += store.give_up(binding, shard, gone, ABSENT, conf.buffer_patience())


def strength(binding: Binding, *, careful: bool) -> str:
    """The lock that the write will take on a parent; a foreign key in the database takes one that we do not see ahead."""
    if legs_of(lease.current(binding)).lists:
        return "NO KEY UPDATE"
    return "KEY SHARE" if careful else ""


def why(key: str, ours: parents.Parents) -> tuple[str, str]:
    if key in ours.impossible:
        return DEAD, IMPOSSIBLE
    return WAITING, ABSENT if key in ours.missing else LOCKED


def older_lines(binding: Binding, shard: int, keys: list[str]) -> tuple[dict[str, list[Line]], list[Line]]:
    """The lines that wait in PostgreSQL, and those of them that were written when they came out of Redis."""
    lines = store.waiting(binding, shard, keys, COUNT)
    doubtful = {line.entry.writer for line in lines if line.doubtful}
    reached = store.marks(binding, shard, doubtful) if doubtful else {}
    found: dict[str, list[Line]] = {}
    never: list[Line] = []
    for line in lines:
        if line.doubtful and reached.get(line.entry.writer, 0) >= line.entry.number:
            never.append(line)
        else:
            found.setdefault(line.entry.parent_key, []).append(line)
    return found, never


def write(
    binding: Binding, key: str, lines: list[Line], found: Batch, *, careful: bool
) -> list[tuple[Entry, str, str]]:
    """Write the lines of one parent; those that are fresh and could not be written come back."""
    dead: list[rows.Dead] = []
    if careful:
        try:
            dead = rows.put_carefully(binding, key, lines)
        except Later as later:
            found.locked.add(key)
            return [(line.entry, WAITING, str(later)) for line in lines if line.id is None]
    else:
        rows.put(binding, key, lines)
    buried = {id(line) for line, _ in dead}
    good = [line for line in lines if id(line) not in buried]
    store.done(binding, good)
    store.bury(binding, [(line.id, reason) for line, reason in dead if line.id is not None])
    found.dead += sum(line.id is not None for line, _ in dead)
    found.written += len(good)
    found.keys.add(key)
    return [(line.entry, DEAD, reason) for line, reason in dead if line.id is None]
