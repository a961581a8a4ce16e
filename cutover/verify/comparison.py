"""Both sides of one parent beside each other, element by element. It looks, and says the same as a verification would."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cutover.errors import DeclarationError
from cutover.mapping import Binding, BoundStream
from cutover.pairing import union
from cutover.snapshot import ListSides, lists
from cutover.verify import detail
from cutover.verify.detail import Look
from cutover.verify.findings import Finding, as_text

AGREES = "agrees"
REPEATED = "repeated"  # equal to another one, in a list that shows equal ones once


@dataclass(frozen=True)
class Line:
    """An element and its row, whole; None where a side has none. `verdict` is a class of difference, or `agrees`."""

    stream: str
    key: str | None
    element: str | None
    row: str | None
    verdict: str


def compared(binding: Binding, key: Any) -> list[Line]:
    """Every element and every row of a parent, newest first, in the order in which their readers would see them.

    Raises:
        DeclarationError: there is no such parent.
    """
    for look in detail.look(binding, [key]):
        return [*document(binding, look), *(line for each in binding.streams for line in stream(binding, each, look))]
    raise DeclarationError(
        f"{binding.parent.name} has no row {key}.",
        hint=f"`--parent` takes a value of {binding.parent.pk}. Rows of a parent that is gone: `cutover verify {binding.name}`.",
    )


def document(binding: Binding, look: Look) -> Iterator[Line]:
    """Where the whole document is no JSON, or no place for a list."""
    for each in detail.findings(binding, look):
        if not each.stream:
            yield Line("", None, as_text(each.value), None, each.kind)


def stream(binding: Binding, bound: BoundStream, look: Look) -> Iterator[Line]:
    found = detail.stream_findings(binding, bound, look)
    for each in found:
        if each.stream and each.number is None and (each.row is None or each.kind == "unencodable"):
            element = None if each.row is not None else as_text(each.value)
            row = None if each.row is None else f"row {each.row.pk}"
            yield Line(bound.name, each.key, element, row, each.kind)
    for sides in lists(bound, look.sides, look.document).values():
        yield from lines(bound, sides, [each for each in found if each.key == sides.key])


def lines(bound: BoundStream, sides: ListSides, found: list[Finding]) -> Iterator[Line]:
    by_number = {each.number: each for each in found if each.number is not None}
    by_row = {each.row.pk: each for each in found if each.row is not None}
    beside = {each.row.pk for each in by_number.values() if each.row is not None}  # shown with their element
    own = {element: row for row, element in reversed(list(enumerate(sides.pairing.element_of))) if element is not None}
    for side, number in union(sides.pairing):
        if side == "element":
            row = sides.pairing.row_of[number]
            yield element_line(bound, sides, number, row if own.get(number) == row else None, by_number.get(number))
        elif sides.rows[number].pk not in beside:
            known = by_row.get(sides.rows[number].pk)
            verdict = REPEATED if known is None else known.kind
            yield Line(bound.name, sides.key, None, as_text(sides.row_elements[number]), verdict)


def element_line(bound: BoundStream, sides: ListSides, number: int, row: int | None, found: Finding | None) -> Line:
    value = sides.elements[number]
    if row is not None:
        text = as_text(sides.row_elements[row])
    elif found is not None and found.row is not None:
        text = as_text(found.row.element(bound))
    else:
        text = None
    verdict = found.kind if found is not None else REPEATED if row is None else AGREES
    return Line(bound.name, sides.key, as_text(value), text, verdict)
