"""A document taken apart: the lists that streams claim, and the residue that none claims. In Python; no SQL, no queries."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cutover.mapping import path
from cutover.mapping.binding import Binding

Place = tuple[str, str | None]
DIGEST_BYTES = 16
WHOLE = None  # the residue of a document that is no object has no keys


@dataclass(frozen=True)
class Parts:
    """Hashes of what a document held at some moment.

    Attributes:
        lists: by stream and dynamic key; an empty list is as good as none.
        residue: by top-level key, each with its claimed lists emptied; under None where the document is no object.
    """

    lists: Mapping[Place, str]
    residue: Mapping[str | None, str]


@dataclass(frozen=True)
class Change:
    """Where two documents differ; `whole` if it is not known what was there before."""

    lists: frozenset[Place]
    residue: frozenset[str | None]
    whole: bool = False

    def __bool__(self) -> bool:
        return bool(self.lists or self.residue or self.whole)


def claimed(binding: Binding, document: Any) -> dict[Place, list[Any]]:
    """The lists in the document that streams claim; what is no list at their place is residue."""
    return {
        (stream.name, key): value
        for stream in binding.streams
        for key, value in path.lists(stream, document)
        if isinstance(value, list)
    }


def put_all(binding: Binding, document: Any, lists: Mapping[Place, list[Any]]) -> Any:
    """A copy of the document with these lists put in."""
    for (name, key), values in lists.items():
        document = path.put(binding.stream(name), document, key, values)
    return document


def emptied(binding: Binding, document: Any) -> Any:
    """A copy of the document with every claimed list empty."""
    return put_all(binding, document, {place: [] for place in claimed(binding, document)})


def empty(binding: Binding) -> Any:
    """The document of a parent without rows, once there is no column: every list of a fixed path, empty."""
    document: Any = None
    for stream in binding.streams:
        if stream.key_field is None:
            document = path.put(stream, document, None, [])
    return {} if document is None else document


def apart(binding: Binding, document: Any, dump: Callable[[Any], str]) -> Parts:
    """The hashes of a document; `dump` gives a value's JSON text, the same for equal values."""
    lists = {place: digest(dump(values)) for place, values in claimed(binding, document).items() if values}
    residue = emptied(binding, document)
    by_key = residue if isinstance(residue, dict) else {WHOLE: residue}
    return Parts(lists, {key: digest(dump(value)) for key, value in by_key.items()})


def difference(before: Parts | None, after: Parts) -> Change:
    """What changed; everything, where it is not known what was before."""
    if before is None:
        return Change(frozenset(after.lists), frozenset({WHOLE}), whole=True)
    return Change(frozenset(differing(before.lists, after.lists)), frozenset(differing(before.residue, after.residue)))


def differing(before: Mapping[Any, str], after: Mapping[Any, str]) -> set[Any]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def with_residue(binding: Binding, current: Any, mine: Any, changed: frozenset[str | None]) -> Any:
    """The current document with the changed residue of mine; its claimed lists stay as they are."""
    lists = claimed(binding, current)
    residue, wanted = emptied(binding, current), emptied(binding, mine)
    if WHOLE in changed or not isinstance(residue, dict) or not isinstance(wanted, dict):
        return put_all(binding, wanted, lists)
    merged = {key: value for key, value in residue.items() if key not in changed or key in wanted}
    merged |= {key: wanted[key] for key in wanted if key in changed}
    return put_all(binding, merged, lists)


def digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
