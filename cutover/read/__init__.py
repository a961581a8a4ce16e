"""Reading: the model attribute and its successor, many parents at once, one parent by its key. Nothing here writes."""

from collections.abc import Sequence
from typing import Any

from cutover.mapping import Binding, value
from cutover.read import document
from cutover.read.attribute import Attribute, install
from cutover.read.lists import Lists
from cutover.read.prefetch import prefetch
from cutover.read.shim import Shim

__all__ = ["Attribute", "Lists", "Shim", "install", "prefetch", "read"]


def read(binding: Binding, key: Any, streams: Sequence[str] | None = None) -> Any:
    """The document of the parent with this key, as the model attribute has it.

    With `streams`, plain JSON values: an object (or list) of these streams' lists alone, and only their rows are read.

    Raises:
        Model.DoesNotExist: there is no such parent.
    """
    if streams is not None:
        return document.lists(binding, key, [binding.stream(name) for name in streams])
    found = document.texts(binding, [key])
    if key not in found:
        raise binding.parent.model.DoesNotExist(  # type: ignore[attr-defined]
            f"{binding.parent.model.__name__} {key} is not there."
        )
    return value.from_text(binding, found[key])
