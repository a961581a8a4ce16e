"""Replace or clear a list: in JSON, in the table, or in both, as the phase asks. One transaction, with the parent locked.

Rows are what the lists are made of, and one row may show in several: a row that goes leaves the other lists as well, one that is
edited changes in all of them, and one that is new or moves comes into them where it stands among the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from cutover import db, lease
from cutover.errors import DeclarationError, WriteError
from cutover.lease import Lease
from cutover.mapping import Binding, BoundStream
from cutover.sql import query
from cutover.write import changes, given, refusals
from cutover.write.revision import Revision, Seen, Wanted

Target = tuple[BoundStream, str | None, Wanted]


def replace(binding: Binding, parent_key: Any, stream_name: str, elements: Sequence[Any], key: Any = None) -> None:
    """Make a list hold these elements, in the order of the list; `key` names the list where its path has a Key.

    From DUAL_WRITE on the elements are rows: those that are there already stay the rows that they are, and one that takes the
    place of another between the same neighbours is that row, edited. The lists keep the newest `cap` elements, the table all
    of them.

    Raises:
        DeclarationError: no such stream or key, or rewriting is not declared while JSON and rows may differ.
        NotEncodable: an element can be no row, or the document has no place for the list.
        ParentMissing, PhaseMoved: as for `extend`.
    """
    stream = given.find(binding, stream_name)
    place = given.key_for(binding, stream, key)
    wanted = given.listed(binding, stream, elements)
    rewrite(binding, parent_key, lambda _revision: [(stream, place, lambda *_: wanted)])


def clear(binding: Binding, parent_key: Any, stream_name: str | None = None) -> None:
    """Empty a list, under all of its keys, or all lists of the cutover. What no stream claims stays. Raises as `replace`."""
    streams = binding.streams if stream_name is None else (given.find(binding, stream_name),)
    rewrite(binding, parent_key, lambda revision: emptied(streams, revision))


def emptied(streams: Sequence[BoundStream], revision: Revision) -> list[Target]:
    return [(stream, key, lambda *_: []) for stream in streams for key in revision.keys(stream)]


def rewrite(binding: Binding, parent_key: Any, targets: Callable[[Revision], list[Target]]) -> None:
    key = refusals.parent_value(binding, parent_key)
    with whole(binding.alias):
        held, seen = claimed(binding, key), Seen()
        for stream, place, wanted in targets(Revision(binding, key, held, seen)):
            # Each list anew: what was done to the one before it may have changed this one.
            Revision(binding, key, held, seen).make(stream, place, wanted)


@contextmanager
def whole(alias: str) -> Iterator[None]:
    """A transaction of its own, or a savepoint in the caller's."""
    with transaction.atomic(using=alias) if db.in_transaction(alias) else db.read_committed(alias):
        yield


def claimed(binding: Binding, key: Any) -> Lease:
    """Lock the parent under a belief that the ledger confirms."""
    for _ in range(refusals.TRIES):
        held = lease.current(binding)
        check_declared(binding, held)
        check_isolation(binding, held)
        confirmed, there = changes.claim(binding, key, held)
        if confirmed and not there:
            raise refusals.missing(binding, key)
        if confirmed:
            return held
        lease.renew(binding)
    raise refusals.moved(binding)


def check_isolation(binding: Binding, held: Lease) -> None:
    """Rows alone: nothing changes the parent, so an old snapshot would not see what another rewrite did under the same lock."""
    if held.phase.writes_json or db.scalar(binding.alias, query("write", "sees_others")):
        return
    raise WriteError(
        f"A list of {binding.name} cannot be replaced or cleared at REPEATABLE READ; nothing was written.",
        hint="Call it in a transaction at READ COMMITTED, or outside of one.",
    )


def check_declared(binding: Binding, held: Lease) -> None:
    if binding.cutover.rewrites or not held.phase.writes_rows or held.entry.backfilled_at is not None:
        return
    raise DeclarationError(
        f"{binding.name} is at {held.phase.name} and not yet backfilled; its lists cannot be replaced or cleared.",
        hint=f"Declare `rewrites = True` on {binding.cutover.__qualname__}, or complete the backfill first.",
    )
