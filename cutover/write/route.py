"""Where an append goes: into the buffer, where the declaration has one, or straight to the database. The one place of the choice.

What Redis does not take is written straight in the same call; what it may have taken is left to the flusher, who can tell.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from django.db import Error, models, transaction

from cutover import caches, conf, db, lease
from cutover.buffer import entry, outage, streams, writers
from cutover.buffer.entry import NotCarried
from cutover.buffer.writers import Doubtful, NotTaken
from cutover.mapping import Binding
from cutover.sql import query
from cutover.write import items, refusals
from cutover.write.append import Outcome
from cutover.write.append import extend as straight
from cutover.write.items import Item

interrupted: dict[tuple[str, str, str], Doubtful] = {}
MOST_INTERRUPTED = 1000
MOST_CHARACTERS = 250_000  # of one entry; a flusher holds some hundreds of them in memory


def append(binding: Binding, parent_key: Any, fields: Mapping[str, Any]) -> Outcome:
    """Write one row, given by field name; what is not given has the field's default. See `extend`."""
    return extend(binding, parent_key, [fields])


def extend(binding: Binding, parent_key: Any, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    """Write rows, oldest first, all or none of them: as one entry of the buffer, or as `append.extend`, and with its errors.

    A row that waits in the buffer has been checked as far as that goes without a query. Whether the parent is there turns
    out when it is flushed.
    """
    if not rows or not buffers(binding):
        return at_once(binding, parent_key, rows)
    if outage.of(binding.name).known:
        return past(binding, parent_key, rows)
    return buffered(binding, parent_key, rows)


def buffers(binding: Binding) -> bool:
    """Whether appends go into the buffer."""
    return binding.cutover.buffer and conf.redis_url() is not None


def at_once(binding: Binding, parent_key: Any, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    outcome = straight(binding, parent_key, rows)
    changed(binding, parent_key)
    return outcome


def changed(binding: Binding, parent_key: Any) -> None:
    """Tell the caches of a write to one parent."""
    if not caches.listening():
        return
    phase = lease.current(binding).phase
    key = parent_key.pk if isinstance(parent_key, models.Model) else parent_key
    caches.changed(binding, (key,), lists=phase.writes_json, rows=phase.writes_rows)


def buffered(binding: Binding, parent_key: Any, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    key = str(refusals.parent_value(binding, parent_key))
    payload = carried([items.item(binding, row) for row in rows])
    if payload is None:
        return at_once(binding, parent_key, rows)
    doubt = interrupted.pop((binding.name, key, payload), None)
    try:
        if doubt is None:
            send(binding, key, payload)
            return Outcome(0, 0, len(rows))
    except NotTaken as refused:
        outage.of(binding.name).begin(str(refused))
        return past(binding, parent_key, rows)
    except Doubtful as unknown:
        outage.of(binding.name).begin(str(unknown))
        tell(binding, len(rows))
        doubt = unknown
    keep(binding, key, payload, doubt)
    return Outcome(0, 0, len(rows))


def carried(pending: list[Item]) -> str | None:
    """The rows as an entry, or None where they have to be written at once."""
    if not all(each.sound for each in pending):
        # Some stream cannot hold it. Only the database can say whether that stream shows it, and the caller is to know at once.
        return None
    try:
        payload = entry.dump([{name: each.values[name] for name in each.given} for each in pending])
    except NotCarried:
        return None
    return payload if len(payload) <= MOST_CHARACTERS else None


def send(binding: Binding, key: str, payload: str) -> None:
    """Put an entry into its stream. Raises NotTaken, Doubtful."""
    ticket = writers.Ticket()
    try:
        writers.add(streams.stream_name(binding.name, streams.shard_of(key)), key, payload, ticket)
        outage.of(binding.name).end()
    except (NotTaken, Doubtful):
        raise
    except BaseException:
        if ticket.number:  # a signal has raised it, behind the sending: the same line, tried again, is the same entry
            interrupted[binding.name, key, payload] = Doubtful("It was interrupted", ticket.writer, ticket.number)
            while len(interrupted) > MOST_INTERRUPTED:
                interrupted.pop(next(iter(interrupted)), None)
        raise


def past(binding: Binding, parent_key: Any, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    """Straight to the database, and counted; in a transaction behind a savepoint, for its caller expects no harm to that."""
    inside = db.in_transaction(binding.alias)
    with transaction.atomic(using=binding.alias) if inside else nullcontext():
        outcome = at_once(binding, parent_key, rows)
    tell(binding, len(rows))
    return outcome


def keep(binding: Binding, key: str, payload: str, doubt: Doubtful) -> None:
    """Leave an entry to the flusher, who sees whether Redis has it."""
    values = {
        "name": binding.name,
        "shard": streams.shard_of(key),
        "writer": doubt.writer,
        "number": doubt.number,
        "key": key,
        "payload": payload,
        "reason": f"Redis did not answer: {doubt}.",
    }
    db.run(binding.alias, query("buffer", "doubt"), values)


def tell(binding: Binding, lines: int) -> None:
    """Count lines that went past the buffer, and now and then leave a row for `status`; that row is not worth an error."""
    redis = outage.of(binding.name)
    told = redis.count(lines)
    if not told:
        return
    values = {"name": binding.name, "host": socket.gethostname(), "pid": os.getpid(), "lines": told}
    inside = db.in_transaction(binding.alias) or db.manual(binding.alias)
    with suppress(Error), transaction.atomic(using=binding.alias) if inside else nullcontext():
        db.run(binding.alias, query("buffer", "fallback"), {**values, "reason": redis.reason})
