"""Elements that a caller gives for a list: as JSON has them, and as the rows that they become. No queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutover.codecs import Undecodable
from cutover.codecs.element import why_not_jsonb
from cutover.errors import DeclarationError, NotEncodable
from cutover.mapping import Binding, BoundStream, path
from cutover.pairing import token
from cutover.write import columns, items
from cutover.write.items import Item


def find(binding: Binding, name: str) -> BoundStream:
    """The stream of that name.

    Raises:
        DeclarationError: there is none.
    """
    for stream in binding.streams:
        if stream.name == name:
            return stream
    known = ", ".join(stream.name for stream in binding.streams)
    raise DeclarationError(f"{binding.name} has no stream {name!r}.", hint=f"It has {known}.")


def key_for(binding: Binding, stream: BoundStream, key: Any) -> str | None:
    """The dynamic key as text, given exactly where the path has one.

    Raises:
        DeclarationError: it is missing, or one is given where the path is fixed.
    """
    if (key is None) != (stream.key_field is None):
        wanted = "needs a key" if key is None else "has a fixed path and takes no key"
        raise DeclarationError(f"{binding.name}.{stream.name} {wanted}.", hint="Say key= for a list under a Key only.")
    return None if key is None else str(key)


def listed(binding: Binding, stream: BoundStream, elements: Sequence[Any]) -> list[Any]:
    """The elements as JSON gives them back.

    Raises:
        NotEncodable: one of them is nothing that JSON can hold.
    """
    try:
        found = path.parse(path.dump(list(elements)))
    except (TypeError, ValueError) as error:
        raise items.refusal(binding, stream, str(error)) from error
    reason = why_not_jsonb(found)
    if reason is not None:
        raise items.refusal(binding, stream, reason)
    return list(found)


def item(binding: Binding, stream: BoundStream, key: str | None, element: Any) -> Item:
    """The row that an element becomes, where no other row brings it.

    Raises:
        NotEncodable: it does not decode, or does not give all that a row needs.
    """
    try:
        fields = {**(stream.fill or {}), **stream.codec.decode_exactly(element)}
    except Undecodable as error:
        raise items.refusal(binding, stream, error.reason) from error
    if stream.key_field is not None:
        fields[stream.key_field] = key
    lacking = [each.name for each in columns.of(binding) if each.name not in fields and each.needed]
    if lacking:
        raise NotEncodable(
            f"{binding.name}.{stream.name}: an element gives no {', '.join(lacking)}; nothing was written.",
            hint=f"Declare `fill` on the stream, or give the line through {binding.streams[0].name}.",
        )
    return items.item(binding, fields)


def rows_for(
    binding: Binding, stream: BoundStream, key: str | None, elements: Sequence[Any], *, there: Sequence[Any]
) -> list[Item | None]:
    """The rows that elements become; None for what is no row and may stay in JSON, for it is `there` already.

    Raises:
        NotEncodable: one of them is no row.
    """
    known = {token(element) for element in there}
    found: list[Item | None] = []
    for element in elements:
        try:
            found.append(item(binding, stream, key, element))
        except NotEncodable:
            if token(element) not in known:
                raise
            found.append(None)
    return found


def decodes(stream: BoundStream, element: Any) -> bool:
    try:
        stream.codec.decode_exactly(element)
    except Undecodable:
        return False
    return True


def edit(binding: Binding, stream: BoundStream, element: Any) -> Item:
    """What a row is given that is edited to be this element: the columns of the stream, and no others.

    Raises:
        NotEncodable: a column does not take its value.
    """
    decoded = stream.codec.decode_exactly(element)
    values = {each.name: each.prepared(decoded[each.name]) for each in columns.of(binding) if each.name in decoded}
    return Item((), values)
