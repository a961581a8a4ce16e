"""A history with every operation, squashed by Django itself: each operation is still there, and the schema is the same."""

import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import override_settings

import catalogue
import databases
import servers
from cutover.errors import DeclarationError

HISTORY = {
    "0001_initial": """
        migrations.CreateModel("Job", [
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(default="", max_length=100)),
            ("progress", models.IntegerField(default=0)),
            ("logs", models.JSONField(default=project.jobs.models.empty_logs, null=True)),
        ]),
    """,
    "0002_rows": """
        EnsureTable("JobLog", [
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("position", cutover.fields.PositionField()),
            ("created_at", models.DateTimeField(null=True)),
            ("level", models.CharField(max_length=10)),
            ("message", models.TextField()),
            ("job", models.ForeignKey("jobs.Job", models.CASCADE, related_name="log_entries", db_constraint=False)),
        ]),
        InstallWatch("job_logs"),
    """,
    "0003_index": """EnsureIndex("job_logs"), RefreshWatch("job_logs"),""",
    "0004_relax": """RelaxColumn("job_logs"),""",
    "0005_forget": """ForgetField("job_logs", model="jobs.Job", field_name="logs"),""",
    "0006_drop": """
        ArchiveColumn("job_logs", model="jobs.Job", column="logs"),
        EnsureConstraint("job_logs"),
        DropColumn("job_logs", model="jobs.Job", field_name="logs", field=models.JSONField(null=True)),
    """,
}
FILE = """
import cutover.fields
import project.jobs.models
from cutover.operations import *
from django.db import migrations, models

class Migration(migrations.Migration):
    atomic = False
    dependencies = [{before}]
    operations = [{operations}]
"""
KEPT = [
    "CreateModel", "EnsureTable", "InstallWatch", "EnsureIndex", "RefreshWatch", "RelaxColumn", "ForgetField", "ArchiveColumn",
    "EnsureConstraint", "DropColumn",
]  # fmt: skip


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Migrations of the app jobs, in a package of the test."""
    package = tmp_path / "history_of_jobs"
    package.mkdir()
    (package / "__init__.py").touch()
    before = '("cutover", "0001_initial")'
    for name, operations in HISTORY.items():
        (package / f"{name}.py").write_text(FILE.format(before=before, operations=operations))
        before = f'("jobs", "{name}")'
    monkeypatch.syspath_prepend(tmp_path)
    with override_settings(MIGRATION_MODULES={"jobs": "history_of_jobs", "shapes": None}):
        yield package
    for name in [name for name in sys.modules if name.startswith("history_of_jobs")]:
        del sys.modules[name]


@pytest.fixture
def empty(_postgres: servers.Postgres, django_db_blocker: object) -> Iterator[databases.Database]:
    """A database without any table."""
    made = databases.create(_postgres, databases.fresh_name("squash"))
    with django_db_blocker.unblock(), databases.django_at(_postgres, made.name):
        yield made
    databases.drop(_postgres, made.name)


def schema(made: databases.Database) -> list[str]:
    with psycopg.connect(made.uri) as look:
        return catalogue.schema(look)


def squashed(history: Path) -> Path:
    call_command("squashmigrations", "jobs", "0006", interactive=False, verbosity=0)
    (path,) = history.glob("0001_*squashed*.py")
    return path


def test_squashed_history_keeps_every_operation_and_makes_the_same_schema(
    history: Path, empty: databases.Database
) -> None:
    call_command("migrate", "jobs", verbosity=0)
    one_by_one = schema(empty)
    assert not any(" logs " in line for line in one_by_one)
    call_command("migrate", "jobs", "zero", verbosity=0)
    path = squashed(history)
    with pytest.raises(DeclarationError, match=r"(?m)^EnsureIndex\('job_logs'\) is inside a transaction\.$"):
        call_command("migrate", "jobs", verbosity=0)
    path.write_text(path.read_text().replace("    replaces", "    atomic = False\n\n    replaces"))
    del sys.modules[f"history_of_jobs.{path.stem}"]
    loader = MigrationLoader(connection)
    assert [type(each).__name__ for each in loader.get_migration("jobs", path.stem).operations] == KEPT
    call_command("migrate", "jobs", verbosity=0)
    assert schema(empty) == one_by_one


def test_sqlmigrate_shows_the_guard_and_nothing_is_left_to_make(history: Path, empty: databases.Database) -> None:
    call_command("migrate", "jobs", "0004", verbosity=0)
    said = StringIO()
    call_command("sqlmigrate", "jobs", "0006", stdout=said)
    assert "ACCESS EXCLUSIVE on the parents, for an instant." in said.getvalue()
    assert "RAISE EXCEPTION USING ERRCODE = 'restrict_violation'" in said.getvalue()
    for name in ("0006_drop", "0005_forget"):
        (history / f"{name}.py").unlink()
    call_command("makemigrations", "jobs", "--check", "--dry-run", verbosity=0)
