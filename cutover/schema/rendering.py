"""What goes into a template of a migration: names, the child's CreateModel, the field for the way back. No files."""

from dataclasses import dataclass, field
from typing import Any

from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState
from django.db.migrations.writer import MigrationWriter, OperationWriter

from cutover.errors import DeclarationError
from cutover.mapping import Binding

CREATE = "EnsureTable"  # cutover.operations.EnsureTable: Django's CreateModel, all of it or nothing
OPERATIONS = {
    "p1_add_table": ("InstallWatch",),
    "p2_dual_write": ("EnsureIndex", "RefreshWatch"),
    "p3_property_shim": ("RefreshWatch",),
    "p4_stop_json_writes": ("RefreshWatch", "RelaxColumn"),
    "p5_remove_field": (),
    "p5_backfill_and_drop": ("ArchiveColumn", "DropColumn", "EnsureConstraint"),
}


@dataclass
class Values:
    """The parts of a template, and what else its migration depends on: apps, and models that a setting names."""

    parts: dict[str, str]
    apps: list[str] = field(default_factory=list)
    swappable: list[str] = field(default_factory=list)


def values(binding: Binding, template: str, loader: MigrationLoader) -> Values:
    """The parts for one template."""
    meta = binding.parent.model._meta
    found = Values(
        {
            "cutover": binding.name,
            "label": f"{meta.app_label}.{meta.object_name}",
            "model": str(meta.model_name),
            "field_name": binding.field_name,
            "column": binding.column,
            "create": "",
            "field": "",
        }
    )
    imports: set[str] = set()
    if template == "p1_add_table":
        found.parts["create"], imports = create(binding, loader)
        if found.parts["create"]:
            found.apps, found.swappable = referred(binding)
    if template == "p5_backfill_and_drop":
        found.parts["field"], imports = MigrationWriter.serialize(old_field(binding, loader))
    made = (CREATE,) if found.parts["create"] else ()
    found.parts["imports"] = import_lines(imports, (*made, *OPERATIONS[template]))
    return found


def referred(binding: Binding) -> tuple[list[str], list[str]]:
    """What the child refers to: the apps, and the settings that name a model, such as AUTH_USER_MODEL."""
    related: list[Any] = [each for each in binding.child.model._meta.concrete_fields if each.is_relation]
    named = {each: each.swappable_setting for each in related}
    apps = [each.related_model._meta.app_label for each in related if not named[each]]
    return apps, sorted({setting for setting in named.values() if setting})


def create(binding: Binding, loader: MigrationLoader) -> tuple[str, set[str]]:
    """The operation that makes the child's table, and its imports; empty where a migration makes it already.

    Raises:
        DeclarationError: its foreign key has a constraint in the database.
    """
    meta = binding.child.model._meta
    if (meta.app_label, str(meta.model_name)) in loader.project_state().models:
        return "", set()
    key: Any = meta.get_field(binding.fk_field)
    if key.db_constraint:
        raise DeclarationError(
            f"{meta.label}.{key.name} has a constraint in the database, which waits for every locked parent.",
            hint="Write db_constraint=False on it; the migration of phase 5 adds the constraint.",
        )
    state = ModelState.from_model(binding.child.model)
    operation = migrations.CreateModel(
        state.name, list(state.fields.items()), options=state.options, bases=state.bases, managers=state.managers
    )
    text, imports = OperationWriter(operation, indentation=2).serialize()
    text = text.replace("migrations.CreateModel(", f"{CREATE}(", 1)
    return f"{text}\n", imports


def old_field(binding: Binding, loader: MigrationLoader) -> "models.Field[Any, Any]":
    """The JSON field as it was before a migration removed it.

    Raises:
        DeclarationError: no migration ever had it.
    """
    meta = binding.parent.model._meta
    leaves = loader.graph.leaf_nodes(meta.app_label)
    for node in reversed(loader.graph.forwards_plan(leaves[0]) if leaves else []):
        if node[0] != meta.app_label:
            continue
        model = loader.project_state(node).models.get((meta.app_label, str(meta.model_name)))
        if model is not None and binding.field_name in model.fields:
            found: models.Field[Any, Any] = model.fields[binding.field_name].clone()
            return found
    raise DeclarationError(
        f"No migration of {meta.app_label} has the field {binding.field_name}.", hint="Check `source` of the cutover."
    )


def import_lines(imports: set[str], operations: tuple[str, ...]) -> str:
    """The import statements, those of Django joined as it writes them itself."""
    names = {"migrations"} | ({"models"} if "from django.db import models" in imports else set())
    plain = sorted(line for line in imports if line.startswith("import "))
    rest = sorted(line for line in imports if line.startswith("from ") and not line.startswith("from django.db import"))
    lines = [*plain, *rest, f"from django.db import {', '.join(sorted(names))}"]
    if operations:
        lines += ["", f"from cutover.operations import {', '.join(sorted(operations))}"]
    return "\n".join(lines)
