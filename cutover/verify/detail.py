"""Some parents looked at closely: both sides in one snapshot, and every difference down to the element. It changes nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cutover import db, ledger, snapshot
from cutover.mapping import Binding, BoundStream, path
from cutover.pairing import token
from cutover.phase import Phase
from cutover.snapshot import Row, Sides
from cutover.spec import Key
from cutover.sql import query
from cutover.verify import compare
from cutover.verify.findings import Circumstances, Finding, classify, odd_value


@dataclass(frozen=True)
class Misplaced:
    """A value where a list should be, or the way to one; `stream` is empty where it is the whole document."""

    stream: str
    key: str | None
    value: Any


@dataclass
class Look:
    """One parent, looked at.

    Attributes:
        sides: both sides without the rows that make no element; those are in `broken`, by the number of the stream.
        document: parsed; None where it is SQL NULL, or `unreadable`: no JSON.
        quarantined: per stream the elements in quarantine as tokens, open and waived.
    """

    sides: Sides
    document: Any
    unreadable: bool
    early: bool
    json_rules: bool
    visited: bool
    dirty: bool
    broken: dict[int, list[Row]] = field(default_factory=dict)
    quarantined: dict[str, tuple[Counter[str], Counter[str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What the database says of some parents, not yet parsed: that can wait until no lock is held."""

    sides: list[Sides]
    visits: dict[Any, tuple[bool, bool]]
    quarantine: dict[str, dict[str, tuple[Counter[str], Counter[str]]]]
    phase: Phase


def look(binding: Binding, keys: Sequence[Any]) -> list[Look]:
    """Look at parents in one snapshot of their own."""
    with db.one_snapshot(binding.alias):
        reading = read(binding, keys)
    return made(binding, reading)


def take(binding: Binding, keys: Sequence[Any]) -> list[Look]:
    """Look at parents inside the caller's transaction; those that are gone are left out."""
    return made(binding, read(binding, keys))


def read(binding: Binding, keys: Sequence[Any]) -> Reading:
    """Ask inside the caller's transaction.

    What the backfill has done is asked first: what it does from then on only makes the sides agree.
    """
    places = compare.places(binding)
    visits_sql = query("verify", "visits", type=places["type"], **compare.visits(binding))
    visits = {
        key: (visited, dirty)
        for key, visited, dirty in db.rows(binding.alias, visits_sql, {"name": binding.name, "keys": list(keys)})
    }
    phase = ledger.read(binding.alias, binding.name).phase
    quarantine = quarantined(binding, keys)
    found = [sides for sides in snapshot.take(binding, keys).values() if sides.found]
    return Reading(found, visits, quarantine, phase)


def made(binding: Binding, reading: Reading) -> list[Look]:
    """The looks of a reading."""
    early = reading.phase <= Phase.ADD_TABLE
    json_rules = early or (binding.cutover.rewrites and not reading.phase.reads_rows)
    return [
        parsed(binding, sides, (early, json_rules, *reading.visits[sides.key]), reading.quarantine[str(sides.key)])
        for sides in reading.sides
    ]


def parsed(
    binding: Binding,
    sides: Sides,
    stage: tuple[bool, bool, bool, bool],
    quarantine: dict[str, tuple[Counter[str], Counter[str]]],
) -> Look:
    try:
        document, unreadable = sides.document(), False
    except (ValueError, RecursionError):
        document, unreadable = None, True
    sides, broken = encodable(binding, sides)
    return Look(sides, document, unreadable, *stage, broken, quarantine)


def encodable(binding: Binding, sides: Sides) -> tuple[Sides, dict[int, list[Row]]]:
    """The sides without rows that make no element of a stream which shows them, and those rows."""
    broken: dict[int, list[Row]] = defaultdict(list)
    kept = []
    for row in sides.rows:
        shown = list(row.shown)
        for stream in binding.streams:
            if row.shown[stream.number] and not encodes(stream, row):
                broken[stream.number].append(row)
                shown[stream.number] = False
        kept.append(replace(row, shown=tuple(shown)))
    return replace(sides, rows=kept), dict(broken)


def encodes(stream: BoundStream, row: Row) -> bool:
    try:
        stream.codec.encode(row.values)
    except ValueError:
        return False
    return True


def quarantined(binding: Binding, keys: Sequence[Any]) -> dict[str, dict[str, tuple[Counter[str], Counter[str]]]]:
    """By parent and stream, the elements in quarantine: open, and waived."""
    found: dict[str, dict[str, tuple[Counter[str], Counter[str]]]] = defaultdict(
        lambda: defaultdict(lambda: (Counter(), Counter()))
    )
    values = {"name": binding.name, "keys": [str(key) for key in keys]}
    for parent, stream, element, waived in db.rows(binding.alias, query("verify", "quarantined"), values):
        found[parent][stream][1 if waived else 0][as_token(element)] += 1
    return found


def as_token(text: str) -> str:
    """A stored element as `pairing.token` has it; what is no JSON stays as it is."""
    try:
        return token(path.parse(text))
    except (ValueError, RecursionError):
        return text


def misplaced(stream: BoundStream, document: Any) -> list[Misplaced]:
    """What is neither a list nor on the way to one; null is no value. A whole document counts for the first stream alone."""
    steps = stream.steps
    if document is not None and not isinstance(document, dict if steps else list):
        return [Misplaced("", None, document)] if stream.number == 0 else []
    return [Misplaced(stream.name, key, value) for key, value in on_the_way(document, steps, None)]


def on_the_way(value: Any, steps: tuple[str | Key, ...], key: str | None) -> Iterator[tuple[str | None, Any]]:
    if value is None:
        return
    if not steps:
        if not isinstance(value, list):
            yield key, value
    elif not isinstance(value, dict):
        yield key, value
    elif isinstance(steps[0], Key):
        for each, inner in value.items():
            yield from on_the_way(inner, steps[1:], each)
    else:
        yield from on_the_way(value.get(steps[0]), steps[1:], key)


def findings(binding: Binding, found: Look) -> list[Finding]:
    """Every difference of one parent."""
    differences: list[Finding] = []
    if found.unreadable:
        around = circumstances(found, "")
        differences.append(
            odd_value("", None, found.sides.text, token_text=as_token(found.sides.text or ""), around=around)
        )
    for stream in binding.streams:
        differences += stream_findings(binding, stream, found)
    return differences


def stream_findings(binding: Binding, stream: BoundStream, found: Look) -> list[Finding]:
    around = circumstances(found, stream.name)
    differences = [
        Finding("unencodable", stream.name, None, row.pk, row=row) for row in found.broken.get(stream.number, [])
    ]
    for each in misplaced(stream, found.document):
        explained = around if each.stream else circumstances(found, "", stream.name)
        differences.append(odd_value(each.stream, each.key, each.value, token_text=token(each.value), around=explained))
    for sides in snapshot.lists(stream, found.sides, found.document).values():
        if stream.key_field is not None and sides.key is None:
            continue  # a list where its keys should be: misplaced, and told above
        differences += classify(stream, sides, around, in_order=compare.in_order(binding, stream))
    return differences


def circumstances(found: Look, *streams: str) -> Circumstances:
    """What is known of the parent; the quarantine of these streams."""
    open_, waived = Counter[str](), Counter[str]()
    for stream in streams:
        more_open, more_waived = found.quarantined.get(stream, (Counter(), Counter()))
        open_, waived = open_ + more_open, waived + more_waived
    return Circumstances(found.early, found.json_rules, found.visited, found.dirty, open_, waived)
