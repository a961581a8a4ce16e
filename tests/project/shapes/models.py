"""Other shapes of the same problem: UUID, string and integer parents; jsonb, json and text columns; root, nested, dynamic."""

import json
import uuid
from typing import Any

from django.db import models

from cutover.fields import PositionField


class PlainJSONField(models.JSONField):
    """A `json` column: the text is kept as it was written."""

    def db_type(self, connection: object) -> str:
        return "json"

    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        return f"{sql}::text", params  # the driver would parse it, and the field expects text


class TextJSONField(models.TextField):  # type: ignore[type-arg] # no parameters at run time
    """JSON in a text column, as projects older than Django's own field have it."""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> object:
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: object) -> str | None:
        return None if value is None else json.dumps(value)


class Device(models.Model):
    """A UUID parent with a list of objects at the root of a jsonb column."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    events = models.JSONField(default=list)


class Event(models.Model):
    device = models.ForeignKey(Device, on_delete=models.CASCADE, db_constraint=False)
    position = PositionField()
    kind = models.CharField(max_length=20)
    count = models.IntegerField(null=True)
    at = models.DateTimeField(null=True)
    extra = models.JSONField(default=dict)


class Account(models.Model):
    """A string parent with dynamic keys in a json column: `{"tags": {"<kind>": [...]}, "theme": ...}`."""

    code = models.CharField(max_length=40, primary_key=True)
    profile = PlainJSONField(null=True)


class Tag(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_constraint=False)
    position = PositionField()
    kind = models.TextField()
    value = models.TextField()


class Ticket(models.Model):
    """An integer parent with tuples at a nested path in a text column; the list is replaced as well as appended to."""

    history = TextJSONField(null=True)


class Change(models.Model):
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, db_constraint=False)
    position = PositionField()
    field = models.CharField(max_length=30)
    amount = models.IntegerField(null=True)
