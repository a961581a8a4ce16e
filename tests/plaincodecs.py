"""Codecs as a project writes them: Python alone. They live here, where another process can import them from."""

import os
from collections.abc import Mapping
from dataclasses import replace

from cutover.codecs import Codec, Undecodable
from cutover.mapping import Binding
from stages import at_phase


class Plain(Codec):
    """What another codec means, without its SQL."""

    def __init__(self, inner: Codec) -> None:
        self.inner, self.columns = inner, inner.columns

    def decode(self, element: object) -> dict[str, object]:
        return self.inner.decode(element)

    def encode(self, row: Mapping[str, object]) -> object:
        return self.inner.encode(row)


def without_sql(name: str, codec: type[Plain] = Plain) -> Binding:
    """A cutover at its phase 2 as if all of its codecs were of the project's own."""
    binding = at_phase(name, 2)
    return replace(binding, streams=tuple(replace(stream, codec=codec(stream.codec)) for stream in binding.streams))


class Message(Codec):
    """A text is a message, if it is not one of those that are `none`, or that raise what nobody expects."""

    columns = ("message",)

    def decode(self, element: object) -> dict[str, object]:
        if element == "error":
            raise ZeroDivisionError(os.getpid())
        if element == "none":
            raise Undecodable("It is no message", element)
        return {"message": element}

    def encode(self, row: Mapping[str, object]) -> object:
        return row["message"]
