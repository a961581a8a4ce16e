"""Query caches are told what was written past the ORM: django-cachalot by its own call, all others by our signal.

Where there is no cache and nobody listens, it costs two look-ups. A cache that fails is logged by Django; the write stands.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.apps import apps
from django.db import transaction

from cutover import db, signals
from cutover.mapping import Binding


def changed(binding: Binding, keys: Collection[Any] | None, *, lists: bool, rows: bool) -> None:
    """Tell of a write when it has been committed: at once, or at the end of the caller's transaction."""
    if not listening():
        return
    models = [binding.child.model] * rows + [binding.parent.model] * lists

    def told() -> None:  # a function with a name: Django's message about one that fails asks for it
        tell(binding, models, keys)

    if db.manual(binding.alias):
        told()  # when the application will commit, nobody can be told
    else:
        transaction.on_commit(told, using=binding.alias, robust=True)


def listening() -> bool:
    return bool(signals.changed.receivers) or cachalot()


def tell(binding: Binding, models: list[Any], keys: Collection[Any] | None) -> None:
    if cachalot():
        from cachalot.api import invalidate  # type: ignore[import-untyped]

        invalidate(*models, db_alias=binding.alias)
    tables = tuple(str(model._meta.db_table) for model in models)
    signals.changed.send_robust(
        sender=binding.parent.model, name=binding.name, tables=tables, keys=keys, using=binding.alias
    )


def cachalot() -> bool:
    """Whether django-cachalot is an installed app of this project."""
    return apps.is_installed("cachalot")
