"""Django REST framework: the rows of a parent in the old shape, as a read-only field, and a list of parents in few queries."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from rest_framework import serializers

from cutover.facade import use


class DocumentField(serializers.Field):  # type: ignore[misc] # the package has no types
    """The document of a cutover, whole or in part; it is never written.

    Args:
        cutover: the name of the cutover.
        streams: only these lists, as an object by the names of their streams; they are read alone.
        newest: of each list only so many of the newest elements, in the order of the list; goes with `streams`.
    """

    def __init__(self, cutover: str, *, streams: Sequence[str] = (), newest: int | None = None, **options: Any) -> None:
        if newest is not None and not streams:
            raise TypeError("newest goes with streams.")
        self.cutover, self.streams, self.newest = cutover, tuple(streams), newest
        super().__init__(**{**options, "read_only": True, "source": "*"})

    def to_representation(self, instance: models.Model) -> Any:
        """JSON values, whatever the class of the field makes of them."""
        facade = use(self.cutover)
        if not self.streams:
            return facade.plain(instance)
        lists = facade.lists(instance)
        return {name: newest_of(lists[name], self.newest) for name in self.streams}


def newest_of(elements: Any, number: int | None) -> Any:
    if number is None:
        return elements[:]
    return elements.newest(number)


class DocumentListSerializer(serializers.ListSerializer):  # type: ignore[misc] # the package has no types
    """`list_serializer_class` of a serializer with whole documents: those of all parents are read together."""

    def to_representation(self, data: Any) -> Any:
        parents = list(data.all() if isinstance(data, models.Manager) else data)
        for field in self.child.fields.values():
            if isinstance(field, DocumentField) and not field.streams:
                use(field.cutover).prefetch(parents)
        return super().to_representation(parents)
