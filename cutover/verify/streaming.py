"""The same measures as `compare`, taken in Python, for codecs that have no SQL. Memory is that of one chunk."""

from hashlib import blake2b
from typing import Any

from cutover import db, snapshot
from cutover.mapping import Binding, BoundStream
from cutover.pairing import distinct_view, token
from cutover.snapshot import ListSides
from cutover.sql import query
from cutover.verify import compare, detail
from cutover.verify.compare import Measure, Parent


def chunk(binding: Binding, after: Any, limit: int) -> list[Parent]:
    """The next parents after a key, as `compare.chunk` gives them, but each by itself."""
    places = compare.places(binding)
    keys_sql = query("verify", "keys", **{name: places[name] for name in ("parent", "parent_key", "type")})
    with db.one_snapshot(binding.alias):
        keys = [key for (key,) in db.rows(binding.alias, keys_sql, {"after": after, "limit": limit})]
        looks = detail.take(binding, keys)
    return [measured(binding, look) for look in looks]


def measured(binding: Binding, look: detail.Look) -> Parent:
    size_bytes = len(look.sides.text or "")
    parent = Parent(look.sides.key, size_bytes, look.unreadable, visited=look.visited, dirty=look.dirty)
    for stream in binding.streams:
        lists = snapshot.lists(stream, look.sides, look.document)
        broken = sum(row.shown[stream.number] for row in look.broken.get(stream.number, []))
        odd = bool(detail.misplaced(stream, look.document))
        parent.streams.append(total(stream, list(lists.values()), broken, odd))
    return parent


def total(stream: BoundStream, lists: list[ListSides], broken: int, odd: bool) -> Measure:
    sums = [0] * 6
    standing = after_json = kept = 0
    for sides in lists:
        elements = [token(element) for element in sides.elements]
        stands = [token(e) for e, row in zip(sides.row_elements, sides.rows, strict=True) if row.stands]
        if not same_list(stream, elements, stands):
            elements, table = shown(stream, elements), shown(stream, stands)[: stream.cap]
        else:
            table = stands
        for place, number in enumerate((*added(sides.key, elements), *added(sides.key, table))):
            sums[place] += number
        standing += len(stands)
        after_json += len(sides.rows) - len(stands)
        kept += sum(text in set(table) for text in stands) if stream.distinct else len(table)
    return compare.measure(stream.number, [*sums, standing, kept, after_json, broken], odd)


def same_list(stream: BoundStream, elements: list[str], stands: list[str]) -> bool:
    """Whether there is nothing to make of either side: see `quick`, Note [No false agreement]."""
    return elements == stands and (stream.cap is None or len(stands) <= stream.cap)


def shown(stream: BoundStream, values: list[str]) -> list[str]:
    return [values[number] for number in distinct_view(values, cap=stream.cap)] if stream.distinct else values


def added(key: str | None, values: list[str]) -> tuple[int, int, int]:
    """Their number, checksum and ordered checksum."""
    hashes = [hashed(key, value) for value in values]
    return len(hashes), sum(hashes), sum((each >> 32) * rank for rank, each in enumerate(hashes, start=1))


def hashed(key: str | None, value: str) -> int:
    seed = b"" if key is None else blake2b(key.encode("utf8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(blake2b(value.encode(), digest_size=8, key=seed).digest(), signed=True)
