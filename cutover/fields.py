"""The model field for the position of an element in its list. Nothing else belongs here."""

from typing import Any

from django.db import models
from django.db.models.expressions import RawSQL


class PositionField(models.BigIntegerField):  # type: ignore[type-arg]
    """The order of the elements of one parent, oldest first: negative for history, drawn from a sequence for live rows.

    A row that is created through the ORM (the admin, a script) draws its position in the INSERT itself; its lowest bit is 0,
    which says that the row stands for no JSON element.
    """

    db_returning = True

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if value is None:
            return RawSQL("nextval('cutover_position_v1') * 2", ())
        return value
