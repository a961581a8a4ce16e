"""The document of a parent as one list of elements per stream, from both sides. It reads and changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cutover import lease
from cutover.lease import Lease
from cutover.mapping import Binding, BoundStream, parts, path
from cutover.read import collect, view
from cutover.read.collect import Found

SLACK = 1.1  # a few equal rows are common, and reading again is dear
MORE = 4  # times as many rows, where too many of those read were equal

Shown = Mapping[str | None, list[Any]]


def texts(binding: Binding, keys: Iterable[Any]) -> dict[Any, str | None]:
    """The JSON text of each parent's document at this process's phase; a parent that is not there is left out.

    Where the column has nothing more to say it is not asked, and a parent that is not there has an empty document.
    """
    held = lease.current(binding)
    return {
        key: united_text(binding, found, held) if held.phase.reads_rows else found.text
        for key, found in take(binding, keys, held).items()
        if found.found or not has_column(binding, held)
    }


def lists(binding: Binding, key: Any, streams: Sequence[BoundStream]) -> Any:
    """A document of these streams' lists alone; an object without keys where there are none."""
    held = lease.current(binding)
    found = take(binding, [key], held, streams)[key]
    stored = found.document()
    if held.rows_alone:
        stored = parts.emptied(binding, stored)
    document: Any = None
    for stream in streams:
        values = dict(claimed(stream, stored))
        for each, elements in {**values, **shown(stream, found, stored)}.items():
            document = path.put(stream, document, each, elements)
    return {} if document is None else document


def has_column(binding: Binding, held: Lease) -> bool:
    """Whether the JSON column has anything to say: elements, or residue."""
    if not held.rows_alone:
        return True
    return binding.field is not None and held.entry.dropped_at is None


def take(
    binding: Binding, keys: Iterable[Any], held: Lease, streams: Sequence[BoundStream] | None = None
) -> dict[Any, Found]:
    """Both sides of some parents, with as many of the newest rows as the streams show."""
    asked = binding.streams if streams is None else tuple(streams)
    documents = has_column(binding, held)
    if not held.phase.reads_rows:
        return collect.take(binding, keys, (), newest={})
    newest = {stream.name: limit_of(stream) for stream in asked if stream.cap and stream.key_field is None}
    wanted, found = list(keys), {}
    while wanted:
        taken = collect.take(binding, wanted, asked, newest=newest, documents=documents, united=not held.rows_alone)
        found.update(taken)
        wanted = [key for key, each in taken.items() if any(short(s, each, newest.get(s.name)) for s in asked)]
        newest = {name: rows * MORE for name, rows in newest.items()}
    return found


def limit_of(stream: BoundStream) -> int:
    cap = stream.cap or 0
    return int(cap * SLACK) + 1 if stream.distinct else cap


def short(stream: BoundStream, found: Found, limit: int | None) -> bool:
    """Whether older rows could show as well: so many of those read are equal that they do not fill the list."""
    if limit is None or stream.cap is None or not stream.distinct:
        return False
    mine = found.lists.get((stream.number, None))
    return mine is not None and len(mine.elements) == limit and len(set(view.names(mine.elements))) < stream.cap


def united_text(binding: Binding, found: Found, held: Lease) -> str | None:
    """The stored document with the streams' lists put in. Where that changes nothing, it is the stored text itself."""
    if not has_column(binding, held):
        document = parts.empty(binding)
    else:
        try:
            document = found.document()
        except ValueError:
            return found.text
    if held.rows_alone:
        document = parts.emptied(binding, document)
    elif not found.lists:
        return found.text
    changed = held.rows_alone
    for stream in binding.streams:
        values = dict(claimed(stream, document))
        for key, elements in shown(stream, found, document).items():
            if elements is not values.get(key):
                document, changed = path.put(stream, document, key, elements), True
    return found.text if document is None or not changed else path.dump(document)


def claimed(stream: BoundStream, document: Any) -> Iterable[tuple[str | None, list[Any]]]:
    """The lists of a stream in the document, by their dynamic key; what is no list is none."""
    return ((key, value) for key, value in path.lists(stream, document) if isinstance(value, list))


def shown(stream: BoundStream, found: Found, document: Any) -> Shown:
    """The lists of a stream that rows say something about, as the legacy reader would have found them."""
    values = dict(claimed(stream, document))
    mine = {key: rows for (number, key), rows in found.lists.items() if number == stream.number}
    return {key: view.shown(stream, values.get(key, []), rows) for key, rows in mine.items()}
