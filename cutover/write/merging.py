"""Three sides of a list: what the application saw, what it made of that, and what is there by now. Pure.

All are newest first. What others wrote or took away meanwhile stays as they left it; the rest is as the application has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from cutover.pairing import Pairing, pair, token


def merge(
    now: Sequence[Any],
    base: Sequence[Any],
    wanted: Sequence[Any],
    *,
    own: Sequence[bool],
    distinct: bool,
    cap: int | None = None,
) -> list[Any]:
    """The wanted list, with what is in `now` and was not in `base`, each behind its newer neighbour; the newest of all is what
    the application itself has put there, for it comes last.

    What is older than all of `base` the application has not seen: it stays, unless the application has taken away the end
    of the list itself. A list that is as long as its cap has an end that was cut, and not taken away.

    Args:
        own: for each element of `now`, whether it may be one that this application has written meanwhile.
    """
    texts = [token(element) for element in now], [token(element) for element in base]
    there = pair(*texts, distinct=distinct)
    cut = cap is not None and len(wanted) >= cap
    if not cut and list(there.row_of) == list(range(len(base))) == list(range(len(now))):
        return list(wanted)
    kept = pair(texts[1], [token(element) for element in wanted], distinct=distinct)
    fresh = [number for number, seen in enumerate(kept.element_of) if seen is None]
    mine = [number for number, row in enumerate(there.row_of) if row is None and own[number]]
    end = len(now) if cut else end_of(there, kept)
    below = tail_of(kept) if cut else len(base)
    return woven(now[:end], wanted, there, kept, adopted(now, wanted, mine, fresh), below)


def adopted(now: Sequence[Any], wanted: Sequence[Any], mine: list[int], fresh: list[int]) -> dict[int, int]:
    """For elements of `now` that this application may have written, the element of its list that each of them is."""
    free: dict[str, list[int]] = defaultdict(list)
    for number in reversed(fresh):
        free[token(wanted[number])].append(number)
    found = {}
    for number in mine:
        same = free[token(now[number])]
        if same:
            found[number] = same.pop()
    return found


def end_of(there: Pairing, kept: Pairing) -> int:
    """The number in `now` from which on everything is older than where the application has ended the list."""
    still = [seen for seen, number in enumerate(there.element_of) if number is not None]
    if not still or kept.row_of[-1] is not None:
        return len(there.row_of)
    return (there.element_of[still[-1]] or 0) + 1


def tail_of(kept: Pairing) -> int:
    """The number in `base` from which on nothing is left in the wanted list."""
    return max((seen for seen, number in enumerate(kept.row_of) if number is not None), default=-1) + 1


def woven(
    now: Sequence[Any], wanted: Sequence[Any], there: Pairing, kept: Pairing, same: dict[int, int], below: int
) -> list[Any]:
    """The wanted list without what others took away, and with what they wrote; from `below` on in `base` nothing goes."""
    after: dict[int, list[Any]] = defaultdict(list)
    anchor = next((number for number, seen in enumerate(kept.element_of) if seen is not None), len(wanted)) - 1
    for number, element in enumerate(now):
        seen = there.row_of[number]
        mine = same.get(number) if seen is None else kept.row_of[seen]
        if mine is not None:
            anchor = mine
        elif seen is None or seen >= below:
            after[anchor].append(element)
    found = list(after[-1])
    for number, element in enumerate(wanted):
        known = kept.element_of[number]
        if known is None or there.element_of[known] is not None:
            found.append(element)
        found += after[number]
    return found
