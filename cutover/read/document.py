"""The document of a parent as one list of elements per stream, from both sides. It reads and changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cutover import lease, snapshot
from cutover.lease import Lease
from cutover.mapping import Binding, BoundStream, parts, path
from cutover.pairing import distinct_view, token
from cutover.snapshot import ListSides, Sides

SLACK = 1.1  # a few equal rows are common, and reading again is dear
MORE = 4  # times as many rows, where too many of those read were equal


def texts(binding: Binding, keys: Iterable[Any]) -> dict[Any, str | None]:
    """The JSON text of each parent's document at this process's phase; a parent that is not there is left out.

    Where the column has nothing more to say it is not asked, and a parent that is not there has an empty document.
    """
    held = lease.current(binding)
    return {
        key: united_text(binding, sides, held) if held.phase.reads_rows else sides.text
        for key, sides in take(binding, keys, held).items()
        if sides.found or not has_column(binding, held)
    }


def lists(binding: Binding, key: Any, streams: Sequence[BoundStream]) -> Any:
    """A document of these streams' lists alone; an object without keys where there are none."""
    held = lease.current(binding)
    sides = take(binding, [key], held, streams)[key]
    stored = sides.document()
    if held.rows_alone:
        stored = without_json(binding, stored)
    document: Any = None
    for stream in streams:
        values = {each: value for each, value in path.lists(stream, stored) if isinstance(value, list)}
        for each, elements in {**values, **shown(stream, sides, stored)}.items():
            document = path.put(stream, document, each, elements)
    return {} if document is None else document


def has_column(binding: Binding, held: Lease) -> bool:
    """Whether the JSON column has anything to say: elements, or residue."""
    if not held.rows_alone:
        return True
    return binding.field is not None and held.entry.dropped_at is None


def take(
    binding: Binding, keys: Iterable[Any], held: Lease, streams: Sequence[BoundStream] | None = None
) -> dict[Any, Sides]:
    """Both sides of some parents, with as many of the newest rows as the streams show."""
    asked = binding.streams if streams is None else tuple(streams)
    documents = has_column(binding, held)
    if not held.phase.reads_rows:
        return snapshot.take(binding, keys, streams=asked, newest=dict.fromkeys(names(asked), 0))
    newest = {stream.name: limit_of(stream) for stream in asked if stream.cap and stream.key_field is None}
    wanted, found = list(keys), {}
    while wanted:
        taken = snapshot.take(binding, wanted, streams=asked, newest=newest, documents=documents, encoded=True)
        found.update(taken)
        wanted = [key for key, sides in taken.items() if any(short(s, sides, newest.get(s.name)) for s in asked)]
        newest = {name: rows * MORE for name, rows in newest.items()}
    return found


def limit_of(stream: BoundStream) -> int:
    cap = stream.cap or 0
    return int(cap * SLACK) + 1 if stream.distinct else cap


def names(streams: Iterable[BoundStream]) -> list[str]:
    return [stream.name for stream in streams]


def short(stream: BoundStream, sides: Sides, limit: int | None) -> bool:
    """Whether older rows could show as well: so many of those read are equal that they do not fill the list."""
    if limit is None or stream.cap is None or not stream.distinct:
        return False
    mine = [row for row in sides.rows if row.shown[stream.number]]
    return len(mine) == limit and len({token(row.element(stream)) for row in mine}) < stream.cap


def united_text(binding: Binding, sides: Sides, held: Lease) -> str | None:
    """The stored document with the streams' lists put in. Where no row says anything, it is the stored text itself."""
    if not has_column(binding, held):
        document = parts.empty(binding)
    elif not sides.readable:
        return sides.text
    else:
        document = sides.document()
    if held.rows_alone:
        document = without_json(binding, document)
    elif not sides.rows:
        return sides.text
    for stream in binding.streams:
        for key, elements in shown(stream, sides, document).items():
            document = path.put(stream, document, key, elements)
    return sides.text if document is None else path.dump(document)


def without_json(binding: Binding, document: Any) -> Any:
    """The residue, every list that a stream claims being empty."""
    return parts.emptied(binding, document)


def shown(stream: BoundStream, sides: Sides, document: Any) -> Mapping[str | None, list[Any]]:
    """The lists of a stream that rows say something about, as the legacy reader would have found them."""
    found = snapshot.lists(stream, sides, document)
    return {key: view(stream, each) for key, each in found.items() if each.rows}


def view(stream: BoundStream, sides: ListSides) -> list[Any]:
    """Both sides as one list in the order of JSON: united, collapsed where `distinct`, cut at `cap`."""
    elements = sides.united()
    if stream.distinct:
        elements = [elements[number] for number in distinct_view([token(e) for e in elements], cap=stream.cap)]
    elements = elements[: stream.cap]
    return elements if stream.newest_first else elements[::-1]
