"""The templates, in a project of their own: scaffolded, migrated forwards and backwards by `manage.py`, and nothing left over."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

import databases
import servers

ROOT = Path(__file__).parents[2]
SETTINGS = """
import os
from project.settings import database
SECRET_KEY = "only for tests"
DATABASES = {"default": database(os.environ["DATABASE_URL"])}
INSTALLED_APPS = ["django.contrib.contenttypes", "cutover", "shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
CUTOVER_LEASE_SECONDS = 0.1
"""
FLAGS = """
PHASES = ("ADD_TABLE", "DUAL_WRITE", "PROPERTY_SHIM", "STOP_JSON_WRITES", "BACKFILL_AND_DROP")
CUTOVER = {"notes": dict.fromkeys(PHASES, True)}
"""
MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SCAFFOLD = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django
django.setup()
from pathlib import Path
from cutover.phase import parse
from cutover.schema.scaffold import scaffold
print(scaffold("notes", parse(sys.argv[1])).name)
"""
PARENT = """
from django.db import models
from cutover.fields import PositionField

class Order(models.Model):
    name = models.TextField(default="")
{field}
"""
CHILD = """
class Note(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, db_constraint={constraint})
    position = PositionField()
    text = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["text"], name="note_text")]
"""
FIELD = "    notes = models.JSONField(default=list)"
DECLARATION = """
from cutover import Cutover, Scalar, Stream, register

@register
class Notes(Cutover):
    source = "shop.Order.notes"
    target = "shop.Note"
    parent = "order"
    streams = (Stream("notes", Scalar("text"), path=()),)
"""


@dataclass
class Project:
    """A project in a directory, with a database of its own."""

    home: Path
    uri: str

    def write(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *args: str, code: int = 0) -> str:
        paths = os.pathsep.join(map(str, (self.home, ROOT, ROOT / "tests")))
        environment = {**os.environ, "DATABASE_URL": self.uri, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, *args],
            cwd=self.home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def manage(self, *args: str, code: int = 0) -> str:
        return self.run("manage.py", *args, code=code)

    def scaffold(self, phase: str, code: int = 0) -> str:
        return self.run("scaffold.py", phase, code=code).strip().splitlines()[-1]

    def query(self, text: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def columns(self) -> set[object]:
        return {
            row[0]
            for row in self.query("SELECT column_name FROM information_schema.columns WHERE table_name = 'shop_order'")
        }


@pytest.fixture
def project(_postgres: servers.Postgres, tmp_path: Path) -> Iterator[Project]:
    made = databases.create(_postgres, databases.fresh_name("scaffold"))
    project = Project(tmp_path, made.uri)
    project.write("settings.py", SETTINGS)
    project.write("manage.py", MANAGE)
    project.write("scaffold.py", SCAFFOLD)
    project.write("shop/__init__.py", "")
    project.write("shop/migrations/__init__.py", "")
    project.write("shop/models.py", PARENT.format(field=FIELD))
    project.manage("makemigrations", "shop")
    project.manage("migrate")
    project.write("shop/models.py", PARENT.format(field=FIELD) + CHILD.format(constraint="False"))
    project.write("shop/cutovers.py", DECLARATION)
    project.write("settings.py", SETTINGS + FLAGS)
    yield project
    databases.drop(_postgres, made.name)


def without_field(project: Project) -> None:
    project.write("shop/models.py", PARENT.format(field="") + CHILD.format(constraint="False"))


def whole_way(project: Project) -> list[str]:
    """All migrations, as an operator scaffolds them in one release after the other."""
    made = [project.scaffold(phase) for phase in ("ADD_TABLE", "2", "3", "STOP_JSON_WRITES", "5")]
    without_field(project)
    return [*made, project.scaffold("BACKFILL_AND_DROP")]


@pytest.mark.slow
def test_all_templates_migrate_forwards_and_backwards_and_forwards(project: Project) -> None:
    assert whole_way(project) == [
        "0002_notes_add_table.py",
        "0003_notes_dual_write.py",
        "0004_notes_property_shim.py",
        "0005_notes_stop_json_writes.py",
        "0006_notes_remove_field.py",
        "0007_notes_drop.py",
    ]
    project.manage("makemigrations", "--check", "--dry-run")
    project.manage("migrate")
    assert "notes" not in project.columns()
    assert project.query("SELECT phase, dropped_at IS NOT NULL FROM cutover_ledger") == [(5, True)]
    assert project.query("SELECT convalidated FROM pg_constraint WHERE conname = 'cutover_notes_parent_v1'") == [
        (True,)
    ]
    project.manage("migrate", "shop", "0001")
    assert "notes" in project.columns()
    left = "SELECT proname FROM pg_proc WHERE proname LIKE 'cutover_watch%'"
    assert project.query(left) == []
    project.manage("migrate")
    assert "notes" not in project.columns()


@pytest.mark.slow
def test_drop_that_is_reached_too_early_stops_migrate_with_the_fact_and_the_hint(project: Project) -> None:
    whole_way(project)
    project.manage("migrate", "shop", "0006")
    project.query("""INSERT INTO shop_order (name, notes) VALUES ('a', '["x"]')""")
    project.query("INSERT INTO shop_order (name) VALUES ('by code without the field')")
    said = project.manage("migrate", code=1)
    assert "shop_order.notes stays as it is: notes is at NOT_STARTED." in said
    assert "move on with `cutover advance notes BACKFILL_AND_DROP`; then run the same again." in said
    assert "notes" in project.columns()
    assert project.query("SELECT notes::text FROM shop_order ORDER BY id") == [('["x"]',), ("[]",)]
    assert project.query("SELECT count(*) FROM pg_constraint WHERE conname = 'cutover_notes_parent_v1'") == [(0,)]


@pytest.mark.slow
def test_scaffold_makes_the_child_that_the_models_describe_and_never_overwrites(project: Project) -> None:
    name = project.scaffold("1")
    text = (project.home / "shop/migrations" / name).read_text()
    assert "db_constraint=False" in text
    assert 'InstallWatch("notes")' in text
    assert '("cutover", "0001_initial"),\n        ("shop", "0001_initial"),\n' in text
    assert project.run(
        "-m", "ruff", "check", "--isolated", "--select=E,F", "--line-length=130", f"shop/migrations/{name}"
    )
    said = project.run("scaffold.py", "1", code=1)
    assert f"{name} is there already." in said
    project.manage("makemigrations", "--check", "--dry-run")


@pytest.mark.slow
def test_scaffold_refuses_a_child_with_a_constraint_and_an_app_without_migrations(project: Project) -> None:
    project.write("shop/models.py", PARENT.format(field=FIELD) + CHILD.format(constraint="True"))
    said = project.run("scaffold.py", "1", code=1)
    assert "shop.Note.order has a constraint in the database, which waits for every locked parent." in said
    for path in (project.home / "shop/migrations").glob("*.py"):
        path.unlink()
    (project.home / "shop/migrations").rmdir()
    project.write("shop/models.py", PARENT.format(field=FIELD) + CHILD.format(constraint="False"))
    assert "shop has no migrations package." in project.run("scaffold.py", "1", code=1)


@pytest.mark.slow
def test_declaration_may_leave_once_it_is_over_and_a_fresh_database_still_migrates(project: Project) -> None:
    whole_way(project)
    (project.home / "shop/cutovers.py").unlink()
    project.write("settings.py", SETTINGS)
    project.manage("migrate")
    assert "notes" not in project.columns()
