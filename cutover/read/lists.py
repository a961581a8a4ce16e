"""Parts of a list without the rest of it: `use("job_logs").lists(job).stdout[:20]`, its length, its newest element.

Note [Why the attribute is no such list]
    What the attribute returns is a plain dict with plain lists, or what the field's own class makes of them. A subclass that
    loads at the first touch would look the same to Python alone: `json.dumps`, `pickle` and `copy` read the memory of a dict or
    a list in C, and would find it empty. So the attribute reads what it shows, and parts are asked for here.

Every answer is that of the attribute at this moment and phase. Where rows are united with JSON, and for a codec of the project's
own, that takes reading the one list whole; so does a slice that no end of the list tells.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import index as whole_number
from typing import Any, overload

from cutover import lease
from cutover.mapping import Binding, BoundStream, path
from cutover.read import document
from cutover.read.portion import End, Portion


@dataclass(frozen=True)
class Lists:
    """The lists of one parent by the name of their stream: `.stdout` or `["stdout"]`; of one with a Key, `.tags["color"]`."""

    binding: Binding
    key: Any

    def __getitem__(self, name: str) -> Any:
        stream = next((each for each in self.binding.streams if each.name == name), None)
        if stream is None:
            raise KeyError(name)
        return Elements(self.binding, self.key, stream) if stream.key_field is None else Keyed(self, stream)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True)
class Keyed:
    """The lists of a stream whose path has a Key."""

    lists: Lists
    stream: BoundStream

    def __getitem__(self, list_key: str) -> "Elements":
        return Elements(self.lists.binding, self.lists.key, self.stream, list_key)

    def __iter__(self) -> Iterator[str]:
        """The keys that have a list now; all of it is read."""
        found = document.lists(self.lists.binding, self.lists.key, [self.stream])
        return iter([str(key) for key, value in path.lists(self.stream, found) if isinstance(value, list)])


class Elements(Sequence[Any]):
    """One list of one parent, read where it is asked. A list without a parent is empty."""

    def __init__(self, binding: Binding, key: Any, stream: BoundStream, list_key: str | None = None) -> None:
        self.binding, self.key, self.stream, self.list_key = binding, key, stream, list_key
        self.portion = Portion(binding, key, stream, list_key)

    def __len__(self) -> int:
        source = self.source()
        if source == "json":
            return self.portion.json_length()
        return self.portion.length() if source == "rows" else len(self.whole())

    def __bool__(self) -> bool:
        return bool(self[:1] if self.stream.newest_first else self[-1:])

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            if index.step not in (None, 1):
                return self.whole()[index]
            return self.part(index.start or 0, index.stop)
        place = whole_number(index)
        found = self.part(place, None if place == -1 else place + 1)
        if not found:
            raise IndexError("list index out of range")
        return found[0]

    def newest(self, number: int) -> list[Any]:
        """The newest elements, in the order of the list."""
        if self.stream.newest_first:
            return self[:number]
        return self[-number:] if number else []

    def __iter__(self) -> Iterator[Any]:
        endless = self.stream.cap is None and not self.stream.distinct and self.binding.position is not None
        if endless and self.source() == "rows":
            return self.portion.batches(newest=self.stream.newest_first)
        return iter(self[:])

    def __reversed__(self) -> Iterator[Any]:
        return iter(self[::-1])

    def __eq__(self, other: object) -> bool:
        return self[:] == (other[:] if isinstance(other, Elements) else other)

    __hash__ = None  # type: ignore[assignment] # as a list

    def __repr__(self) -> str:
        return f"<{self.stream.name} of {self.binding.parent.model.__name__} {self.key}>"

    # Where it comes from

    def source(self) -> str:
        """`json` alone, `rows` alone, or the list has to be read `whole`."""
        held = lease.current(self.binding)
        if not held.phase.reads_rows:
            return "json"
        return "rows" if held.rows_alone and self.stream.codec.compiles else "whole"

    def whole(self) -> list[Any]:
        found = document.lists(self.binding, self.key, [self.stream])
        lists = {key: value for key, value in path.lists(self.stream, found) if isinstance(value, list)}
        return list(json.loads(path.dump(lists.get(self.list_key, []))))

    def part(self, start: int, stop: int | None) -> list[Any]:
        source = self.source()
        if source == "json":
            return self.portion.json_part(start, stop)
        end = self.end(start, stop) if source == "rows" else None
        if end is None:
            return self.whole()[start:stop]
        elements = self.portion.at_end(end)
        return elements if end.newest == self.stream.newest_first else elements[::-1]

    def end(self, start: int, stop: int | None) -> End | None:
        """The end of the list that tells the part; None where only the whole list does."""
        if start >= 0 and (stop is None or stop >= 0):
            newest, skip, limit = self.stream.newest_first, start, None if stop is None else max(0, stop - start)
        elif start < 0 and (stop is None or stop < 0):
            newest, skip = not self.stream.newest_first, -(stop or 0)
            limit = max(0, -start - skip)
        else:
            return None
        if self.stream.cap is None:
            return End(newest, skip, limit)
        left = max(0, self.stream.cap - skip)
        return End(newest, skip, left if limit is None else min(limit, left)) if newest else None
