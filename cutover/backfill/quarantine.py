"""The quarantine: elements that cannot become rows, kept as they are with the reason. Nothing is dropped, nothing guessed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cutover import db
from cutover.backfill import difference, standing
from cutover.backfill.misplaced import DOCUMENT
from cutover.backfill.missing import Refused
from cutover.backfill.waiver import take_back, waive
from cutover.mapping import Binding
from cutover.sql import query

__all__ = ["Held", "forget_gone", "known", "listing", "open_count", "settle", "take_back", "waive", "waived_count"]

Identity = tuple[str, str, str, int]
WHOLE = 2**31 - 1


@dataclass(frozen=True)
class Held:
    """An element in quarantine; `stream` is empty where it is a whole document.

    Attributes:
        occurrence: its number among the equal elements of its list, from 1.
        path, index: where it stood when it was found, as a jsonpath and as its number in the list from 0; an index of None is
            no element of a list. Place is no identity: a list that grows at its head moves it.
        element: its text, or the beginning of it.
        characters: the length of the whole text.
    """

    id: int
    stream: str
    parent_key: str
    occurrence: int
    path: str | None
    index: int | None
    element: str
    characters: int
    reason: str
    at: datetime
    waived_by: str
    waived_at: datetime | None
    waived_why: str

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def open_count(alias: str, name: str) -> int:
    """How many elements are in quarantine and not waived."""
    return int(db.scalar(alias, query("quarantine", "count_quarantined"), {"name": name}))


def waived_count(alias: str, name: str) -> int:
    """How many elements in quarantine somebody has waived."""
    return int(db.scalar(alias, query("quarantine", "count_waived"), {"name": name}))


def listing(
    alias: str,
    name: str,
    *,
    limit: int | None = 100,
    waived: bool = False,
    ids: Sequence[int] | None = None,
    cut: int = WHOLE,
) -> list[Held]:
    """The elements in quarantine, oldest first, cut to so many characters; with `waived` also those that somebody has waived."""
    chosen = None if ids is None else list(ids)
    values = {"name": name, "limit": limit, "waived": waived, "ids": chosen, "cut": cut}
    return [Held(*row) for row in db.rows(alias, query("quarantine", "list_quarantined"), values)]


def known(binding: Binding, keys: Sequence[str]) -> dict[Identity, int]:
    """What is in quarantine for some parents, waived or not, with its id."""
    return {identity: held for identity, (held, _) in kept(binding, keys).items()}


def kept(binding: Binding, keys: Sequence[str]) -> dict[Identity, tuple[int, bool]]:
    """The same, with whether it is known where it stood: the release before this one did not say."""
    streams = [DOCUMENT, *(stream.name for stream in binding.streams)]
    values = {"name": binding.name, "streams": streams, "keys": list(keys)}
    found = db.rows(binding.alias, query("quarantine", "quarantined"), values)
    return {(stream, parent, digest, nth): (each, placed) for each, stream, parent, digest, nth, placed in found}


def settle(binding: Binding, keys: Sequence[str], refused: Iterable[Refused]) -> None:
    """Let the quarantine of some parents hold these elements and no others; what is there already stays as it was."""
    now = {each.identity: each for each in refused}
    there = kept(binding, keys)
    gone = [held for identity, (held, _) in there.items() if identity not in now]
    if gone:
        db.run(binding.alias, query("quarantine", "acquit"), {"ids": gone})
    placed = {identity for identity, (_, placed) in there.items() if placed}
    fresh = [each for identity, each in now.items() if identity not in placed]
    again = [each for identity, each in now.items() if identity in placed]
    if fresh:
        put(binding, sorted(zip(fresh, standing.of(binding, fresh), strict=True), key=in_order(keys)))
    if again:
        put(binding, [(each, standing.somewhere(binding, each)) for each in again])


def in_order(keys: Sequence[str]) -> Callable[[tuple[Refused, standing.Place]], tuple[int, str, str, int]]:
    """The order in which elements are listed: that of the parents, then of the lists."""
    ranks = {key: rank for rank, key in enumerate(keys)}

    def order(found: tuple[Refused, standing.Place]) -> tuple[int, str, str, int]:
        each, place = found
        return (
            ranks.get(each.parent, len(ranks)),
            each.stream,
            each.key or "",
            -1 if place.index is None else place.index,
        )

    return order


def put(binding: Binding, found: list[tuple[Refused, standing.Place]]) -> None:
    refused, places = [each for each, _ in found], [place for _, place in found]
    values = {
        "name": binding.name,
        "streams": [each.stream for each in refused],
        "keys": [each.parent for each in refused],
        "digests": [each.digest for each in refused],
        "occurrences": [each.occurrence for each in refused],
        "paths": [place.path for place in places],
        "indexes": [place.index for place in places],
        "elements": [place.text for place in places],
        "reasons": [each.reason for each in refused],
    }
    db.run(binding.alias, query("quarantine", "quarantine"), values)


def forget_gone(binding: Binding) -> int:
    """Drop what belongs to parents that are gone; how many elements that were."""
    parts = difference.tables(binding)
    return db.run(binding.alias, query("quarantine", "acquit_gone", **parts), {"name": binding.name})
