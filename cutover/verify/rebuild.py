"""A document made from rows: what its readers see, as JSON again. Pure over what a snapshot has brought."""

from typing import Any

from cutover import snapshot
from cutover.mapping import Binding, BoundStream, path
from cutover.snapshot import ListSides, Sides
from cutover.verify import findings


def rebuilt(binding: Binding, sides: Sides, skeleton: Any) -> Any:
    """The skeleton (a document, or None) with every list of the cutover as its readers see it.

    A list without rows stays as the skeleton has it, absent where it is absent.
    """
    for stream in binding.streams:
        for key, found in snapshot.lists(stream, sides, skeleton).items():
            if found.rows:
                skeleton = path.put(stream, skeleton, key, shown(stream, found))
    return skeleton


def shown(stream: BoundStream, sides: ListSides, *, alone: bool = True) -> list[Any]:
    """One list as its readers see it, in the order of the document."""
    merged = findings.view(stream, sides, alone=alone)
    values = [sides.elements[number] if side == "element" else sides.row_elements[number] for side, number in merged]
    return values if stream.newest_first else values[::-1]
