"""What a verification found: the classes of differences, what each of them blocks, a result and its examples. Data only."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from cutover.phase import Phase

MISSING_IN_TABLE = "missing_in_table"  # an element without a row: the drop would lose it
PENDING = "pending"  # the same, where the backfill has yet to come, or to come again
UNDECODABLE = "undecodable"  # an element that is or belongs in quarantine
WAIVED = "waived"  # in quarantine, and waived by name
ORPHAN = "orphan"  # a row whose parent is gone
MISSING_IN_JSON = "missing_in_json"  # a row that JSON lost
AFTER_JSON = "after_json"  # a row that was written without JSON
VALUE_DIFFERS = "value_differs"
ORDER_DIFFERS = "order_differs"
BEYOND_CAP = "beyond_cap"  # older than the cap of the list
STALE = "stale"  # a row of an earlier dual write, while JSON is written alone
UNENCODABLE = "unencodable"  # a row that a stream shows and that makes no element

# What the two sides do not agree on. The other classes are expected in their time.
DIFFERENCES = (
    MISSING_IN_TABLE,
    ORPHAN,
    MISSING_IN_JSON,
    VALUE_DIFFERS,
    ORDER_DIFFERS,
    STALE,
    UNDECODABLE,
    UNENCODABLE,
)
BLOCKS: dict[Phase, tuple[str, ...]] = {
    Phase.DUAL_WRITE: (STALE, MISSING_IN_JSON, AFTER_JSON, UNENCODABLE),
    Phase.PROPERTY_SHIM: (STALE, MISSING_IN_TABLE, VALUE_DIFFERS, ORDER_DIFFERS, UNENCODABLE),
    Phase.BACKFILL_AND_DROP: (MISSING_IN_TABLE, PENDING, UNDECODABLE, ORPHAN, VALUE_DIFFERS, UNENCODABLE),
}
MOST_EXAMPLES = 10  # of a class, as Vitess' VDiff shows
SHOWN = 128  # characters of a value, the same


@dataclass(frozen=True)
class Example:
    """One difference: where it is and what it looks like."""

    kind: str
    parent: str
    stream: str
    key: str | None
    element: str


@dataclass
class Result:
    """A verification: how far it is, what it counted and what it found; `finished_at` is None until the end.

    Attributes:
        json_elements, table_elements: elements compared; a list with `distinct` counts equal ones once, unless rows and JSON
            are the very same list; rows beyond the cap and rows that stand for no JSON element are not among them.
        json_checksum, table_checksum: equal where both sides hold the same elements; sums, so the order does not matter.
        found: class of difference to number; classes that were not found are left out.
        examples: at most 10 of each class.
        scope: which parents were looked at, in words; empty where it was all of them. Only such a result is stored.
    """

    id: int
    epoch: int
    started_at: datetime
    finished_at: datetime | None = None
    parents: int = 0
    json_elements: int = 0
    table_elements: int = 0
    json_checksum: str = "0"
    table_checksum: str = "0"
    found: dict[str, int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    scope: str = ""

    @property
    def differs(self) -> bool:
        """Whether the two sides disagree, whatever the phase; exit code 6."""
        return any(self.found.get(kind) for kind in DIFFERENCES)

    @property
    def clean(self) -> bool:
        """Whether nothing was found that blocks any move."""
        return not any(self.blocks(phase) for phase in BLOCKS)

    def blocks(self, to: Phase) -> list[str]:
        """The classes found that block the move to a phase, forwards or backwards."""
        return [kind for kind in BLOCKS.get(to, ()) if self.found.get(kind)]

    def count(self, kind: str, number: int = 1) -> None:
        if number:
            self.found[kind] = self.found.get(kind, 0) + number

    def show(self, example: Example) -> None:
        """Keep an example, unless there are enough of its class."""
        if sum(each.kind == example.kind for each in self.examples) < MOST_EXAMPLES:
            self.examples.append(example)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; times in ISO 8601."""
        times = {
            "started_at": self.started_at.isoformat(),
            "finished_at": None if self.finished_at is None else self.finished_at.isoformat(),
        }
        return asdict(self) | times | {"differs": self.differs, "clean": self.clean}


@dataclass(frozen=True)
class Progress:
    """After a chunk: the result so far, and whether that was the last one."""

    result: Result
    parents: int
    done: bool = False


def cut(text: str) -> str:
    """A value as an example shows it."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
