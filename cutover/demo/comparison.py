"""What a reader saw against what had been committed before it began to read. Pure: values in, findings out.

Note [Who may be hidden]: a list with a cap hides an element only behind newer ones. Lines that were written at the same time
have no order that an observer could know; so the oracle keeps, for each line, when its transaction started and when the line had
been written. An element may be hidden if the list is full and the last element that it shows was not written before this one
started. Anything else that is committed and not shown is a short read.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

CAP = 1000
EXAMPLES = 3


@dataclass(frozen=True)
class Written:
    """A line of the oracle, as one stream shows it."""

    text: str
    started: datetime


@dataclass
class Finding:
    """What one reading, or several, showed.

    Attributes:
        elements: that were shown and compared.
        short: that should have been shown and were not.
        doubled: that were shown more often than they were written.
    """

    elements: int = 0
    short: int = 0
    doubled: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.short and not self.doubled

    def add(self, other: "Finding") -> None:
        self.elements += other.elements
        self.short += other.short
        self.doubled += other.doubled
        self.examples = [*self.examples, *other.examples][:EXAMPLES]


def missing(
    view: Sequence[str],
    written: Sequence[Written],
    history: Sequence[str],
    *,
    full: bool,
    last_ended: datetime | None,
) -> list[str]:
    """Elements that a reader should have seen. `view` and `history` are newest first.

    Args:
        full: whether the list has reached its cap.
        last_ended: when the last element of the view had been written; None where that is history, or the view is empty.
            See Note [Who may be hidden].
    """
    shown = set(view)
    lost = [line.text for line in written if line.text not in shown and not (full and hidden(line, last_ended))]
    return lost + [text for text in history[: reach(view, history, full, last_ended)] if text not in shown]


def hidden(line: Written, last_ended: datetime | None) -> bool:
    return last_ended is not None and last_ended >= line.started


def reach(view: Sequence[str], history: Sequence[str], full: bool, last_ended: datetime | None) -> int:
    """How much of the history must be visible, from its head."""
    if not full:
        return len(history)
    if last_ended is not None or not view or view[-1] not in history:
        return 0
    return history.index(view[-1])


def repeated(view: Sequence[str]) -> dict[str, int]:
    """Elements that the view shows more than once, and how often."""
    return {text: times for text, times in Counter(view).items() if times > 1}
