"""What is wrong with one list of one parent: each difference gets its class. Pure over what a snapshot has brought."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cutover.codecs import Undecodable
from cutover.codecs.element import why_not_jsonb
from cutover.mapping import BoundStream
from cutover.pairing import Pairing, distinct_view, token, union
from cutover.snapshot import ListSides, Row
from cutover.verify import result


@dataclass
class Circumstances:
    """What is known of a parent beside its two sides; the counters are used up by what they explain.

    Attributes:
        early: whether JSON is written alone, so that rows can only be left from an earlier dual write.
        json_rules: whether a row that JSON lacks is one too many: early, and where lists are replaced as long as JSON is read.
        visited, dirty: whether the backfill has been there, and whether it has to come again.
        quarantined, waived: the elements of the stream in quarantine, as tokens.
    """

    early: bool
    json_rules: bool
    visited: bool
    dirty: bool
    quarantined: Counter[str]
    waived: Counter[str]

    @property
    def awaited(self) -> bool:
        return self.dirty or not self.visited


@dataclass(frozen=True)
class Finding:
    """One difference. `number` counts elements of its list from the newest; `row` is the row that it is about."""

    kind: str
    stream: str
    key: str | None
    value: Any
    number: int | None = None
    row: Row | None = None

    @property
    def text(self) -> str:
        """The value for a report, cut; what no text in the database can hold is escaped."""
        return result.cut(as_text(self.value))

    @property
    def shown_key(self) -> str | None:
        """The dynamic key in the same way."""
        return None if self.key is None else result.cut(as_text(self.key))


def as_text(value: Any) -> str:
    """An element for a reader: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) and why_not_jsonb(value) is None else token(value)


def odd_value(stream: str, key: str | None, value: Any, *, token_text: str, around: Circumstances) -> Finding:
    """Something that is no list, or no JSON, where a list should be."""
    return Finding(quarantine_class(token_text, around), stream, key, value)


def classify(stream: BoundStream, sides: ListSides, around: Circumstances, *, in_order: bool) -> list[Finding]:
    """Every difference of one list."""
    rows = [
        Finding(result.AFTER_JSON, stream.name, sides.key, element, row=row)
        for row, element in zip(sides.rows, sides.row_elements, strict=True)
        if not row.stands
    ]
    oldest = oldest_paired(sides.pairing)
    missing = [
        Finding(
            missing_class(stream, sides.elements[number], around, history=number > oldest or not in_order),
            stream.name,
            sides.key,
            sides.elements[number],
            number,
        )
        for number in once(stream, sides, sides.pairing.missing)
    ]
    surplus = surplus_rows(stream, sides)
    found = [*rows, *values_that_differ(sides, missing, surplus), *(disorder(stream, sides) if in_order else [])]
    return [stale(each, around) for each in found]


def stale(found: Finding, around: Circumstances) -> Finding:
    """Where JSON rules, a row that it has lost or moved is no loss of JSON's: it was left behind."""
    lost = found.kind == result.MISSING_IN_JSON and around.json_rules
    moved = found.kind == result.ORDER_DIFFERS and around.early
    return replace(found, kind=result.STALE) if lost or moved else found


def once(stream: BoundStream, sides: ListSides, numbers: list[int]) -> list[int]:
    """In a distinct list, equal elements are one: the newest."""
    if not stream.distinct:
        return numbers
    kept: dict[str, int] = {}
    for number in numbers:
        kept.setdefault(token(sides.elements[number]), number)
    return list(kept.values())


def oldest_paired(pairing: Pairing) -> int:
    """The oldest element that has a row of its own; -1 where none has."""
    return max((element for element in pairing.element_of if element is not None), default=-1)


def missing_class(stream: BoundStream, element: Any, around: Circumstances, *, history: bool) -> str:
    """An element without a row waits for the backfill if a foreign write brought it, or if it is `history`: older than
    every element with a row, which dual write has brought. Where order says nothing, all of an unvisited parent is."""
    text = token(element)
    if around.quarantined[text] or around.waived[text] or not decodes(stream, element):
        return quarantine_class(text, around)
    if around.early or around.dirty or (not around.visited and history):
        return result.PENDING
    return result.MISSING_IN_TABLE


def quarantine_class(text: str, around: Circumstances) -> str:
    for counter, kind in ((around.quarantined, result.UNDECODABLE), (around.waived, result.WAIVED)):
        if counter[text]:
            counter[text] -= 1
            return kind
    return result.PENDING if around.awaited else result.UNDECODABLE


def decodes(stream: BoundStream, element: Any) -> bool:
    try:
        stream.codec.decode(element)
    except Undecodable:
        return False
    return True


def surplus_rows(stream: BoundStream, sides: ListSides) -> list[Finding]:
    """Rows that stand and have no element: beyond the cap of the list, or lost from it."""
    shown = standing_view(stream, sides)
    found: list[Finding] = []
    seen: set[str] = set()
    for number in sides.pairing.surplus:
        text, row = token(sides.row_elements[number]), sides.rows[number]
        if not row.stands:
            continue
        beyond = text not in shown[1] if stream.distinct else ("row", number) not in shown[0]
        if beyond or not stream.distinct or text not in seen:
            kind = result.BEYOND_CAP if beyond else result.MISSING_IN_JSON
            found.append(Finding(kind, stream.name, sides.key, sides.row_elements[number], row=row))
        seen.add(text)
    return found


def standing_view(stream: BoundStream, sides: ListSides) -> tuple[set[tuple[str, int]], set[str]]:
    """What the list would show of JSON and of the rows that stand for it: by side and number, and as tokens."""
    merged = view(stream, sides, alone=False)
    return set(merged), {text_of(sides, each) for each in merged}


def view(stream: BoundStream, sides: ListSides, *, alone: bool = True) -> list[tuple[str, int]]:
    """The list as its readers see it, newest first: both sides united, distinct, cut at the cap.

    Where `alone` is False, rows that stand for no JSON element are left out.
    """
    merged = [each for each in union(sides.pairing) if each[0] == "element" or alone or sides.rows[each[1]].stands]
    if stream.distinct:
        texts = [text_of(sides, each) for each in merged]
        merged = [merged[number] for number in distinct_view(texts, cap=stream.cap)]
    return merged[: stream.cap]


def text_of(sides: ListSides, each: tuple[str, int]) -> str:
    side, number = each
    return token(sides.elements[number] if side == "element" else sides.row_elements[number])


def values_that_differ(sides: ListSides, missing: list[Finding], surplus: list[Finding]) -> list[Finding]:
    """As many elements without a row as rows without an element, between the same neighbours, differ in their value."""
    rows_at, elements_at = gaps(sides, missing, surplus)
    changed: list[Finding] = []
    gone: set[int] = set()
    for anchor, elements in elements_at.items():
        rows = rows_at.get(anchor, [])
        if len(rows) == len(elements):
            gone.update(id(each) for each in (*rows, *elements))
            changed += [
                replace(element, kind=result.VALUE_DIFFERS, row=row.row)
                for element, row in zip(elements, rows, strict=True)
            ]
    return [each for each in (*missing, *surplus) if id(each) not in gone] + changed


def gaps(
    sides: ListSides, missing: list[Finding], surplus: list[Finding]
) -> tuple[dict[int, list[Finding]], dict[int, list[Finding]]]:
    """Rows that JSON lost and elements that the table lost, by the nearest newer element that has a row."""
    rows_at: dict[int, list[Finding]] = defaultdict(list)
    elements_at: dict[int, list[Finding]] = defaultdict(list)
    numbers = {row.pk: number for number, row in enumerate(sides.rows)}
    row_anchors = anchors(sides.pairing.element_of)
    own = [None if row is None else number for number, row in enumerate(sides.pairing.row_of)]
    element_anchors = anchors(own)
    for each in surplus:
        if each.kind == result.MISSING_IN_JSON and each.row is not None:
            rows_at[row_anchors[numbers[each.row.pk]]].append(each)
    for each in missing:
        if each.kind == result.MISSING_IN_TABLE and each.number is not None:
            elements_at[element_anchors[each.number]].append(each)
    return rows_at, elements_at


def anchors(paired: Sequence[int | None]) -> list[int]:
    """For each place the element of the nearest newer pair, -1 where there is none."""
    found, anchor = [], -1
    for element in paired:
        anchor = anchor if element is None else element
        found.append(anchor)
    return found


def disorder(stream: BoundStream, sides: ListSides) -> list[Finding]:
    """Elements whose row is newer than that of a newer element. In a distinct list only values that both sides have once."""
    pairs = unambiguous(sides) if stream.distinct else numbered(sides.pairing)
    found, oldest = [], -1
    for number, row in pairs:
        if row < oldest:
            found.append(
                Finding(
                    result.ORDER_DIFFERS, stream.name, sides.key, sides.elements[number], number, row=sides.rows[row]
                )
            )
        oldest = max(oldest, row)
    return found


def numbered(pairing: Pairing) -> list[tuple[int, int]]:
    return [(number, row) for number, row in enumerate(pairing.row_of) if row is not None]


def unambiguous(sides: ListSides) -> list[tuple[int, int]]:
    elements = Counter(map(token, sides.elements))
    rows = Counter(token(e) for e, row in zip(sides.row_elements, sides.rows, strict=True) if row.stands)
    return [
        (number, row)
        for number, row in numbered(sides.pairing)
        if elements[token(sides.elements[number])] == 1 and rows[token(sides.elements[number])] == 1
    ]
