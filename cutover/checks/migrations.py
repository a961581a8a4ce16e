"""Do the migrations on disk fit the phase that the flags reach? Needs no database."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from cutover import conf, flags, spec
from cutover.errors import DeclarationError
from cutover.mapping import Binding, bind
from cutover.operations import DropColumn
from cutover.phase import Phase


def check_migrations(**_: Any) -> list[CheckMessage]:
    """E020: the child table has no migration and ADD_TABLE is on. E021: the drop is on disk before BACKFILL_AND_DROP is on."""
    found: list[CheckMessage] = []
    loader = MigrationLoader(None, ignore_no_migrations=True) if spec.names() else None
    for name in spec.names():
        try:
            binding, reached = bind(name), flags.furthest(conf.flags(name))
        except DeclarationError:
            continue  # E003 and E010 say so
        if loader is not None:
            found += [*no_table(loader, binding, reached), *early_drop(loader, name, reached)]
    return found


def no_table(loader: MigrationLoader, binding: Binding, reached: Phase) -> list[CheckMessage]:
    meta = binding.child.model._meta
    models = {(app, model) for app, model in loader.project_state().models}
    if reached < Phase.ADD_TABLE or (meta.app_label, meta.model_name) in models:
        return []
    return [
        Error(
            f"{binding.name}: ADD_TABLE is on and no migration makes {meta.label}.",
            hint=f"Run `cutover scaffold {binding.name} ADD_TABLE`.",
            obj=binding.name,
            id="cutover.E020",
        )
    ]


def early_drop(loader: MigrationLoader, name: str, reached: Phase) -> list[CheckMessage]:
    if reached >= Phase.BACKFILL_AND_DROP:
        return []
    return [
        Error(
            f"{name}: the migration {label} drops the column while the flags reach {reached.name}.",
            hint="Ship it in the release after BACKFILL_AND_DROP is on; it would refuse by itself, and stop the deploy.",
            obj=name,
            id="cutover.E021",
        )
        for label, operation in operations(loader)
        if isinstance(operation, DropColumn) and operation.name == name
    ]


def operations(loader: MigrationLoader) -> Iterator[tuple[str, Operation]]:
    """Every operation on disk with the label of its migration, those inside SeparateDatabaseAndState too."""
    for (app, migration_name), migration in sorted(loader.disk_migrations.items()):
        for operation in migration.operations:
            for each in (operation, *getattr(operation, "database_operations", ())):
                yield f"{app}.{migration_name}", each
