"""How large the next chunk is: by time, and bounded by elements and bytes.

Pure: it holds numbers and reads no clock.
"""

from dataclasses import dataclass
from datetime import timedelta

TARGET = timedelta(seconds=0.5)  # Percona's pt-online-schema-change, --chunk-time
FIRST_PARENTS = 100
MOST_ELEMENTS = 25_000  # measured: 15 to 25 thousand rows take half a second
MOST_BYTES = 16 * 1024 * 1024
SMOOTHING = 0.5


@dataclass
class Pace:
    """The number of parents for the next chunk, learned from those before it."""

    parents: float = FIRST_PARENTS
    target: timedelta = TARGET
    most_elements: int = MOST_ELEMENTS
    most_bytes: int = MOST_BYTES
    smallest: int = 1
    largest: int = 1_000_000

    @property
    def size(self) -> int:
        return max(self.smallest, min(self.largest, int(self.parents)))

    def learn(self, *, parents: int, elements: int, size_bytes: int, took: timedelta) -> None:
        """Take one chunk into account: at most double, and half way towards what would have filled the target time."""
        if parents == 0:
            return
        seconds = max(took.total_seconds(), 1e-4)
        wanted = parents * self.target.total_seconds() / seconds
        if elements:
            wanted = min(wanted, parents * self.most_elements / elements)
        if size_bytes:
            wanted = min(wanted, parents * self.most_bytes / size_bytes)
        smoothed = self.parents + (wanted - self.parents) * SMOOTHING if wanted > self.parents else wanted
        self.parents = max(1.0, min(smoothed, self.parents * 2))

    def halve(self) -> bool:
        """Take half as many parents; False when there is but one left to take."""
        if self.size <= 1:
            return False
        self.parents = self.size / 2
        return True
