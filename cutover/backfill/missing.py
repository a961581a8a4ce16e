"""What has no row yet: an element with its place, and why one cannot become a row. Data only."""

import hashlib
from dataclasses import dataclass
from typing import Any

from cutover.backfill.portion import Inside
from cutover.pairing import token


@dataclass(frozen=True)
class Missing:
    """An element without a row.

    Attributes:
        parent: the key of its parent as text.
        key: the dynamic key of its list, or None.
        occurrence: its number among the equal elements of its list, from 1 at the newest.
        place: the position that its row takes, or None where the table has no positions.
    """

    parent: str
    key: str | None
    element: Any
    occurrence: int
    place: int | None = None

    def refused(self, stream: str, reason: str) -> "Refused":
        return Refused(stream, self.parent, self.key, token(self.element), self.occurrence, reason)


@dataclass(frozen=True)
class Refused:
    """Something that cannot become a row, as the quarantine keeps it; `text` is its canonical JSON, or text that is none.

    Attributes:
        path: where it stands, as a jsonpath; empty for an element of a list, whose place the quarantine finds by itself.
    """

    stream: str
    parent: str
    key: str | None
    text: str
    occurrence: int
    reason: str
    path: str = ""

    @property
    def digest(self) -> str:
        """Equal for equal elements of one list. A dynamic key is part of it: two lists may hold the same element."""
        return hashlib.sha256(f"{'' if self.key is None else token(self.key)}{self.text}".encode()).hexdigest()

    @property
    def identity(self) -> tuple[str, str, str, int]:
        return self.stream, self.parent, self.digest, self.occurrence


@dataclass
class Filled:
    """What was done for some parents.

    Attributes:
        unfinished: whether more is to come of the parent: this was a portion of it.
        inside: what it leaves for the next one.
    """

    inserted: int
    refused: list[Refused]
    unfinished: bool = False
    inside: Inside | None = None
