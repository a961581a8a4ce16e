"""The quarantine: elements that cannot become rows, kept as they are with the reason. Nothing is dropped, nothing guessed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cutover import db
from cutover.backfill.misplaced import DOCUMENT
from cutover.backfill.missing import Refused
from cutover.mapping import Binding
from cutover.sql import query

Identity = tuple[str, str, str, int]


@dataclass(frozen=True)
class Held:
    """An element in quarantine; `stream` is empty where it is a whole document."""

    id: int
    stream: str
    parent_key: str
    occurrence: int
    element: str
    reason: str
    at: datetime
    waived_by: str
    waived_at: datetime | None


def open_count(alias: str, name: str) -> int:
    """How many elements are in quarantine and not waived."""
    return int(db.scalar(alias, query("quarantine", "count_quarantined"), {"name": name}))


def listing(alias: str, name: str, *, limit: int = 100, waived: bool = False) -> list[Held]:
    """The elements in quarantine, oldest first; with `waived` also those that somebody has waived."""
    values = {"name": name, "limit": limit, "waived": waived}
    return [Held(*row) for row in db.rows(alias, query("quarantine", "list_quarantined"), values)]


def waive(alias: str, name: str, *, who: str, ids: Sequence[int] | None = None) -> int:
    """Say who takes the loss upon himself: of these, or of all that are open; how many there were."""
    values = {"name": name, "who": who, "ids": None if ids is None else list(ids)}
    return db.run(alias, query("quarantine", "waive"), values)


def known(binding: Binding, keys: Sequence[str]) -> dict[Identity, int]:
    """What is in quarantine for some parents, waived or not, with its id."""
    streams = [DOCUMENT, *(stream.name for stream in binding.streams)]
    values = {"name": binding.name, "streams": streams, "keys": list(keys)}
    found = db.rows(binding.alias, query("quarantine", "quarantined"), values)
    return {(stream, parent, digest, occurrence): each for each, stream, parent, digest, occurrence in found}


def settle(binding: Binding, keys: Sequence[str], refused: Iterable[Refused]) -> None:
    """Let the quarantine of some parents hold these elements and no others; what is there already stays as it was."""
    now = {each.identity: each for each in refused}
    gone = [held for identity, held in known(binding, keys).items() if identity not in now]
    if gone:
        db.run(binding.alias, query("quarantine", "acquit"), {"ids": gone})
    if now:
        db.run(binding.alias, query("quarantine", "quarantine"), columns(binding.name, list(now.values())))


def columns(name: str, refused: list[Refused]) -> dict[str, object]:
    return {
        "name": name,
        "streams": [each.stream for each in refused],
        "keys": [each.parent for each in refused],
        "digests": [each.digest for each in refused],
        "occurrences": [each.occurrence for each in refused],
        "elements": [each.text for each in refused],
        "reasons": [each.reason for each in refused],
    }


def forget_gone(binding: Binding) -> int:
    """Drop what belongs to parents that are gone; how many elements that were."""
    parts = {"parent": binding.parent.identifier, "parent_key": binding.parent.key, "type": binding.parent.type}
    return db.run(binding.alias, query("quarantine", "acquit_gone", **parts), {"name": binding.name})
