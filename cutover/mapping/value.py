"""Between the document in the column and the value that the model attribute has: by the field's own methods.

A field class of a third party so gives what it would have given, and takes what it would have taken. No queries.
"""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections, models

from cutover.mapping import parts, path
from cutover.mapping.binding import Binding
from cutover.mapping.parts import Parts

# What a field's own code, or the encoder, raises about a value that it does not take.
UNFIT = (TypeError, ValueError, AttributeError, RecursionError, ValidationError)


def from_text(binding: Binding, text: str | None) -> Any:
    """The attribute's value for a column that holds this text; plain JSON values where the field is gone."""
    field = binding.field
    if field is None:
        return None if text is None else json.loads(text)
    connection = connections[binding.alias]
    value: Any = text
    for convert in [
        *connection.ops.get_db_converters(field.cached_col),
        *field.get_db_converters(connection),
    ]:
        value = convert(value, field.cached_col, connection)
    return value


def plain(binding: Binding, value: Any) -> Any:
    """What the field would store, as JSON values that its encoder takes."""
    field = binding.field
    prepared = value if field is None else field.get_prep_value(value)
    prepared = getattr(prepared, "obj", prepared)  # psycopg's Jsonb
    if isinstance(field, models.JSONField) or not isinstance(prepared, str):
        return prepared
    try:
        return path.parse(prepared)
    except ValueError:
        return prepared


def to_document(binding: Binding, value: Any) -> Any:
    """The document that the field would store, parsed without loss; None for SQL NULL."""
    found = plain(binding, value)
    return None if found is None else path.parse(dump(binding, found))


def dump(binding: Binding, value: Any) -> str:
    encoder = getattr(binding.field, "encoder", None)
    if encoder is not None:
        return json.dumps(value, cls=encoder, sort_keys=True)
    return json.dumps(value, default=str, sort_keys=True)  # str: the Decimals of `path.parse`


def taken_apart(binding: Binding, value: Any) -> Parts | None:
    """The hashes of what the field would store; None where it would store nothing of the kind (an expression)."""
    if hasattr(value, "resolve_expression"):
        return None
    try:
        return parts.apart(binding, plain(binding, value), lambda part: dump(binding, part))
    except UNFIT:
        return None
