"""Knows when an instance is being refreshed: Django then sets the attribute, and nobody has assigned anything.

`refresh_from_db` reads a second instance and copies its values over; that second one is left as the column has it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from django.db import models

_running: ContextVar[tuple[models.Model, ...]] = ContextVar("cutover_refreshing", default=())
WATCHED = "_cutover_watched"


def watch(model: type[models.Model]) -> None:
    """Let `refresh_from_db` of the model say when it runs; once for a class."""
    original = model.refresh_from_db
    if hasattr(original, WATCHED):
        return

    @wraps(original)
    def refresh_from_db(self: models.Model, *args: Any, **kwargs: Any) -> Any:
        with running(self):
            return original(self, *args, **kwargs)

    setattr(refresh_from_db, WATCHED, True)
    model.refresh_from_db = refresh_from_db  # type: ignore[method-assign]


def watch_name(model: type[models.Model], name: str, forget: Callable[[models.Model], None]) -> None:
    """Let `refresh_from_db` of the model take this name too, though it is no field: what was read is forgotten."""
    original = model.refresh_from_db

    @wraps(original)
    def refresh_from_db(self: models.Model, using: Any = None, fields: Any = None, **kwargs: Any) -> Any:
        if fields is None or name in fields:
            forget(self)
        rest = None if fields is None else [each for each in fields if each != name]
        return original(self, using=using, fields=rest, **kwargs) if rest or fields is None or not fields else None

    model.refresh_from_db = refresh_from_db  # type: ignore[assignment]


@contextmanager
def running(instance: models.Model) -> Iterator[None]:
    token = _running.set((*_running.get(), instance))
    try:
        yield
    finally:
        _running.reset(token)


def now(instance: models.Model) -> bool:
    """Whether this row is being refreshed, by this instance or as the second one."""
    return any(each is instance or each == instance for each in _running.get())
