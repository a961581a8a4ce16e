"""Write the next migration of a cutover from the template of its phase. It needs no database, and never overwrites."""

from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from string import Template

from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader

import cutover
from cutover.errors import DeclarationError, Refused
from cutover.mapping import Binding, bind
from cutover.phase import FLAGGED, Phase
from cutover.schema import rendering

SLUGS = {
    Phase.ADD_TABLE: ("p1_add_table", "add_table"),
    Phase.DUAL_WRITE: ("p2_dual_write", "dual_write"),
    Phase.PROPERTY_SHIM: ("p3_property_shim", "property_shim"),
    Phase.STOP_JSON_WRITES: ("p4_stop_json_writes", "stop_json_writes"),
}
REMOVE_FIELD = ("p5_remove_field", "remove_field")
DROP = ("p5_backfill_and_drop", "drop")
# An operation that says that a migration by another name has done the phase.
DOES = {"add_table": ("InstallWatch",), "dual_write": ("EnsureIndex",), "stop_json_writes": ("RelaxColumn",),
        "drop": ("DropColumn", "StripClaimed")}  # fmt: skip
MAX = "max_migration.txt"  # of django-linear-migrations: the last migration, so that two of them conflict in git


@dataclass(frozen=True)
class Plan:
    """One migration to be written: its template, the end of its name, the app that it belongs to."""

    template: str
    slug: str
    app: str


def scaffold(name: str, phase: Phase | None = None, *, directory: Path | None = None) -> Path:
    """Write the migration of a phase; the path of the file. Phase 5 has two: the field first, in the next release the drop.

    Args:
        phase: the first that has no migration yet, where it is None.
        directory: where to write, instead of the migrations package of the app.

    Raises:
        DeclarationError: the cutover, its phase or its app has no place for a migration.
        Refused: the migration is there already, or all of them are.
    """
    binding = bind(name)
    loader = MigrationLoader(None)
    plan = following(binding, loader) if phase is None else planned(binding, phase, loader)
    leaf = leaf_of(loader, plan.app)
    number = 1 if leaf is None else (MigrationAutodetector.parse_number(leaf) or 0) + 1
    where = directory or package(plan.app)
    present = sorted(where.glob(f"*_{name}_{plan.slug}.py"))
    if present:
        raise Refused(
            f"{present[0]} is there already.",
            hint="Apply it with `manage.py migrate`, or remove it and run this again.",
        )
    path = where / f"{number:04d}_{name}_{plan.slug}.py"
    path.write_text(rendered(binding, plan, loader), encoding="utf8")
    if (where / MAX).is_file():
        (where / MAX).write_text(f"{path.stem}\n", encoding="utf8")
    return path


def following(binding: Binding, loader: MigrationLoader) -> Plan:
    """The first migration of the way that no file has yet.

    Raises:
        Refused: all are there.
    """
    for phase in FLAGGED:
        plan = planned(binding, phase, loader)
        if not written(binding.name, plan, loader):
            return plan
    raise Refused(
        f"Every migration of {binding.name} is there.",
        hint=f"Apply them with `manage.py migrate`; `cutover status {binding.name}` says how far it is.",
    )


def written(name: str, plan: Plan, loader: MigrationLoader) -> bool:
    """Whether the app has the migration, by its name or by what it does."""
    for (app, stem), migration in (loader.disk_migrations or {}).items():
        if app == plan.app and stem.endswith(f"_{name}_{plan.slug}"):
            return True
        for operation in migration.operations:
            if type(operation).__name__ in DOES.get(plan.slug, ()) and getattr(operation, "name", None) == name:
                return True
    return False


def planned(binding: Binding, phase: Phase, loader: MigrationLoader) -> Plan:
    """Which migration comes for this phase."""
    parent, child = binding.parent.model._meta, binding.child.model._meta
    if phase is Phase.NOT_STARTED:
        raise DeclarationError(
            "NOT_STARTED has no migration.", hint="Name a phase from ADD_TABLE to BACKFILL_AND_DROP."
        )
    if phase is Phase.ADD_TABLE:
        return Plan(*SLUGS[phase], child.app_label)
    if phase is not Phase.BACKFILL_AND_DROP:
        return Plan(*SLUGS[phase], parent.app_label)
    model = loader.project_state().models.get((parent.app_label, str(parent.model_name)))
    left = model is None or binding.field_name not in model.fields
    return Plan(*(DROP if left else REMOVE_FIELD), parent.app_label)


def rendered(binding: Binding, plan: Plan, loader: MigrationLoader) -> str:
    """The text of the migration."""
    values = rendering.values(binding, plan.template, loader)
    apps_involved = [plan.app, binding.parent.model._meta.app_label, binding.child.model._meta.app_label]
    known = [(app, leaf_of(loader, app)) for app in dict.fromkeys((*apps_involved, *values.apps))]
    dependencies = [("cutover", "0001_initial"), *((app, leaf) for app, leaf in known if leaf is not None)]
    lines = "".join(f'        ("{app}", "{leaf}"),\n' for app, leaf in dict.fromkeys(dependencies))
    lines += "".join(f"        migrations.swappable_dependency(settings.{each}),\n" for each in values.swappable)
    return Template(template(plan.template)).substitute(values.parts, dependencies=f"[\n{lines}    ]")


def template(name: str) -> str:
    """The text of a template: beside the package in a checkout, inside it when installed."""
    inside = resources.files("cutover").joinpath("migrations_templates")
    place = inside if inside.is_dir() else Path(str(cutover.__file__)).parents[1] / "migrations_templates"
    return place.joinpath(f"{name}.py-tpl").read_text(encoding="utf8")


def leaf_of(loader: MigrationLoader, app: str) -> str | None:
    """The last migration of an app; None where it has none.

    Raises:
        DeclarationError: there are several.
    """
    leaves = loader.graph.leaf_nodes(app)
    if len(leaves) > 1:
        found = ", ".join(name for _, name in leaves)
        raise DeclarationError(
            f"{app} has several last migrations: {found}.", hint="Run `manage.py makemigrations --merge`."
        )
    return leaves[0][1] if leaves else None


def package(app: str) -> Path:
    """The directory of an app's migrations.

    Raises:
        DeclarationError: it has none, or none that files can be written to.
    """
    name, _ = MigrationLoader.migrations_module(app)
    try:
        found = import_module(name) if name else None
    except ModuleNotFoundError:
        found = None
    places = list(getattr(found, "__path__", []))
    if not places:
        label = apps.get_app_config(app).name
        raise DeclarationError(
            f"{label} has no migrations package.",
            hint=f"Make the directory {name or f'{label}.migrations'} with an __init__.py, or give --directory.",
        )
    return Path(places[0])
