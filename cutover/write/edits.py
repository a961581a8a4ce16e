"""Which element that comes is which row that goes, edited: at the same place between neighbours, and much the same. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

Text = tuple[int, str]  # a row or an element: its number, newest first, and its token
ALIKE = 0.5  # as difflib counts: twice the characters in common over all
MOST_COMPARED = 2_500  # pairs; comparing takes some 50 microseconds each
LONGEST = 300  # characters of each that are compared


def between(anchors: Mapping[int, int], going: Sequence[Text], coming: Sequence[Text]) -> dict[int, int]:
    """By the number of an element that comes, the row that is edited to hold it.

    Args:
        anchors: the elements that stay in their order, each with its row.
        going: rows, newest first.
        coming: elements, oldest first.
    """
    bounds = [(-1, -1), *sorted(anchors.items()), (1 << 62, 1 << 62)]
    found: dict[int, int] = {}
    for (newer, newer_row), (older, older_row) in pairwise(bounds) if going and coming else ():
        rows = [each for each in going if newer_row < each[0] < older_row]
        elements = [each for each in coming[::-1] if newer < each[0] < older]
        if rows and elements:
            found.update(matched(rows, elements))
    return found


def matched(rows: Sequence[Text], elements: Sequence[Text]) -> dict[int, int]:
    """In their order: one for one where there is one of each, otherwise those that are alike."""
    if len(rows) == len(elements) == 1:
        return {elements[0][0]: rows[0][0]}
    if len(rows) == len(elements):
        pairs = zip(rows, elements, strict=True)
        return {number: row for (row, old), (number, new) in pairs if likeness(old, new)}
    if len(rows) * len(elements) > MOST_COMPARED:
        return {}
    return aligned(rows, elements)


def aligned(rows: Sequence[Text], elements: Sequence[Text]) -> dict[int, int]:
    """The pairs, in order, that are most alike together (Needleman and Wunsch, without a price for gaps)."""
    best = [[0.0] * (len(elements) + 1) for _ in range(len(rows) + 1)]
    alike = [[likeness(old, new) for _, new in elements] for _, old in rows]
    for i in reversed(range(len(rows))):
        for j in reversed(range(len(elements))):
            both = alike[i][j] + best[i + 1][j + 1] if alike[i][j] else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], both)
    found, i, j = {}, 0, 0
    while i < len(rows) and j < len(elements):
        if alike[i][j] and best[i][j] == alike[i][j] + best[i + 1][j + 1]:
            found[elements[j][0]] = rows[i][0]
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def likeness(old: str, new: str) -> float:
    """How alike two texts are; 0 where they are not alike enough to be the same, edited."""
    matcher = SequenceMatcher(None, old[:LONGEST], new[:LONGEST], autojunk=False)
    if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= ALIKE else 0.0
