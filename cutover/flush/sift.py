"""Which entries of a stream are new, and which numbers never came. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from cutover.buffer import Entry


@dataclass(frozen=True)
class Sifted:
    """Entries of a stream, in its order.

    Attributes:
        fresh: those that are to be written now.
        met: those that stand in PostgreSQL already; there they will be written, or have been.
        marks: how far each writer has come with this.
        lost: how many numbers are missing between the entries of a writer.
    """

    fresh: tuple[Entry, ...]
    met: tuple[Entry, ...]
    marks: Mapping[str, int]
    lost: int


def sift(entries: Sequence[Entry], marks: Mapping[str, int], apart: Set[tuple[str, int]]) -> Sifted:
    """Tell new entries from those that were moved before, by the numbers of their writers alone.

    The ids of Redis say nothing: they go back when it is restored, fails over, or its clock does.
    """
    reached, lost = dict(marks), 0
    fresh: list[Entry] = []
    met: list[Entry] = []
    for entry in entries:
        before = reached.get(entry.writer, 0)
        if entry.number <= before:
            continue
        lost += entry.number - before - 1
        reached[entry.writer] = entry.number
        (met if (entry.writer, entry.number) in apart else fresh).append(entry)
    return Sifted(tuple(fresh), tuple(met), {w: n for w, n in reached.items() if marks.get(w) != n}, lost)
