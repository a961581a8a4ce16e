"""A record as a line: which parent it belongs to, and the fields of the row. It runs no query."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db import models
from django.utils.module_loading import import_string

from cutover.errors import DeclarationError

Find = Callable[[logging.LogRecord], Any]
Fields = Callable[[logging.LogRecord], Mapping[str, Any]]
UNFORMATTED = (TypeError, ValueError, KeyError, AttributeError, IndexError, LookupError, ImportError)


def parent_of(record: logging.LogRecord, parent: Any, find: str | Find | None) -> Any:
    """The parent of a record as its key, or as an instance that has none yet; None where it has no parent."""
    found = parent if find is None else finder(find)(record)
    return found.pk if isinstance(found, models.Model) and found.pk is not None else found


@lru_cache(maxsize=128)
def finder(find: str | Find) -> Find:
    """A function of the record: itself, the one at a dotted path, or the attribute that `extra` gave the record."""
    if callable(find):
        return find
    if "." in find:
        return import_string(find)  # type: ignore[no-any-return]
    return lambda record: getattr(record, find, None)


@lru_cache(maxsize=128)
def fields_function(fields: str | Fields) -> Fields:
    return fields if callable(fields) else import_string(fields)


def check(parent: Any, find: str | Find | None) -> None:
    """One of both says whose the lines are.

    Raises:
        DeclarationError: neither does, or both.
    """
    if (parent is None) == (find is None):
        raise DeclarationError(
            f"A LogHandler has {'neither parent nor find' if find is None else 'both parent and find'}.",
            hint='Give parent=job for one parent, or find="job" where each record says its own with extra={"job": job}.',
        )


def default_fields(record: logging.LogRecord, message: str) -> dict[str, Any]:
    """Level, message and time; what the child does not have is left out when the line is written."""
    return {
        "level": record.levelname,
        "message": storable(message),
        "created_at": datetime.fromtimestamp(record.created, UTC),
    }


def storable(text: str) -> str:
    """The text with what PostgreSQL cannot store replaced: NUL, and halves of characters."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def says_when(fields: Mapping[str, Any]) -> bool:
    """Whether a line carries a time by which it can be told from every other."""
    return any(isinstance(value, datetime) and value.microsecond for value in fields.values())
