"""Whether the backfill is complete: an anti-join over the whole range, never "the loop has ended". It only reads."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cutover import db, ledger, marks
from cutover.backfill import chunk, difference, direct, quarantine, reach, streaming, visit
from cutover.backfill.missing import Refused
from cutover.backfill.progress import totals
from cutover.chunk import Pace
from cutover.mapping import Binding

SHOWN = 3


@dataclass(frozen=True)
class Look:
    """One chunk of the anti-join: how many parents it saw, and for those with a gap the streams and their elements."""

    parents: int
    gaps: dict[str, dict[str, int]]
    cursor: str | None


def looks(binding: Binding) -> Iterator[Look]:
    """The whole range, chunk by chunk: elements that have no row and are not in quarantine."""
    pace = Pace()
    last = look(binding, None, pace)
    while last.cursor is not None:
        yield last
        last = look(binding, last.cursor, pace)


def look(binding: Binding, behind: str | None, pace: Pace) -> Look:
    """The chunk of the anti-join that comes behind a cursor; at the end it sees no parent, and its cursor is None."""
    started = time.monotonic()
    with db.read_committed(binding.alias):
        visit.prepare(binding)
        keys, size_bytes = reach.keys(binding, behind, pace)
        found = gaps(binding, *uneven(binding, keys)) if keys else {}
    took = timedelta(seconds=time.monotonic() - started)
    pace.learn(parents=len(keys), elements=0, size_bytes=size_bytes, took=took)
    return Look(len(keys), found, keys[-1] if keys else None)


def uneven(binding: Binding, keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """The parents that have to be looked at element by element: those whose lists are not as long as their rows are many.

    Equal numbers say that nothing was left out. That each row is its element is what the verification says, for the drop.
    With dynamic keys one list could hide what another lacks. The second list are those whose document is none.
    """
    found = {row[0]: row[1] for row in db.rows(binding.alias, direct.uneven(binding), {"keys": list(keys)})}
    unreadable = [key for key in keys if found.get(key)]
    if any(stream.key_field is not None for stream in binding.streams):
        return list(keys), unreadable
    return [key for key in keys if key in found], unreadable


def gaps(binding: Binding, keys: Sequence[str], unreadable: Sequence[str]) -> dict[str, dict[str, int]]:
    """For each parent and stream, how many elements have neither a row nor a place in quarantine."""
    by_python = keys if not difference.compiles(binding) else unreadable
    by_sql = [key for key in keys if key not in set(by_python)]
    found: list[Refused] = []
    for stream in binding.streams:
        short = db.rows(binding.alias, direct.short(binding, stream), {"keys": by_sql}) if by_sql else []
        if short:
            found += chunk.refused(stream, chunk.missing(binding, stream, [row[0] for row in short]))
        if by_python:
            missing, refused = streaming.differences(binding, stream, by_python)
            found += [*refused, *(each.refused(stream.name, "") for each in missing)]
    known = quarantine.known(binding, keys) if found else {}
    return counted(each for each in found if each.identity not in known)


def counted(found: Iterable[Refused]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for each in found:
        streams = counts.setdefault(each.parent, {})
        streams[each.stream] = streams.get(each.stream, 0) + 1
    return counts


def why_incomplete(binding: Binding) -> list[str]:
    """Every reason why the backfill is not complete, one sentence each; none means that it is."""
    name, entry, now = binding.name, ledger.read(binding.alias, binding.name), totals(binding)
    if entry.dropped_at is not None:
        return []
    if not now.segments:
        return [f"The backfill of {name} has not begun."]
    reasons = []
    if now.segments_done < now.segments:
        reasons.append(f"{now.segments - now.segments_done} of {now.segments} segments of {name} are not done.")
    dirty = marks.count_dirty(binding.alias, name)
    if dirty:
        reasons.append(f"{dirty} foreign writes to {name} wait for a visit of their parents.")
    if not reasons:
        reasons = list(told(binding))
    if not reasons and entry.backfilled_at is None:
        reasons.append(f"The backfill of {name} was ended before its last look.")
    return reasons


def told(binding: Binding) -> Iterator[str]:
    """The first parents with a gap."""
    left = SHOWN
    for look in looks(binding):
        for parent, streams in look.gaps.items():
            yield gap(binding, parent, streams)
            left -= 1
            if not left:
                return


def gap(binding: Binding, parent: str, streams: dict[str, int]) -> str:
    where = ", ".join(f"{count} in {stream or 'the document'}" for stream, count in streams.items())
    label = binding.parent.model._meta.object_name
    return f"{label} {parent} has elements of {binding.name} without a row: {where}."
