"""The templates, in a project of their own: scaffolded, migrated forwards and backwards by `manage.py`, and nothing left over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import scaffolding
import servers
from scaffolding import CHILD, DECLARATION, FIELD, FLAGS, PARENT, SETTINGS, Project, whole_way, without_field


@pytest.fixture
def project(_postgres: servers.Postgres, tmp_path: Path) -> Iterator[Project]:
    with scaffolding.shop(_postgres, tmp_path) as made:
        yield made


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
    (name,) = project.scaffold("1")
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


@pytest.mark.slow
def test_without_a_phase_comes_the_next_and_linear_migrations_keep_their_last_one(project: Project) -> None:
    project.write("shop/migrations/max_migration.txt", "0001_initial\n")
    assert project.scaffold("next", "next", "next", "next", "next") == [
        "0002_notes_add_table.py",
        "0003_notes_dual_write.py",
        "0004_notes_property_shim.py",
        "0005_notes_stop_json_writes.py",
        "0006_notes_remove_field.py",
    ]
    without_field(project)
    assert project.scaffold("next") == ["0007_notes_drop.py"]
    assert (project.home / "shop/migrations/max_migration.txt").read_text() == "0007_notes_drop\n"
    assert "Every migration of notes is there." in project.run("scaffold.py", "next", code=1)


OTHER_APP = """
from django.apps import AppConfig

class Lines(AppConfig):
    name = "lines"
    label = "ledger_lines"
"""
OTHER_CHILD = """
from django.conf import settings
from django.db import models
from cutover.fields import PositionField

class Note(models.Model):
    order = models.ForeignKey("shop.Order", on_delete=models.CASCADE, db_constraint=False, db_column="of")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    place = PositionField(db_column="pos")
    text = models.TextField(db_column="body")

    class Meta:
        db_table = "order notes"
"""
OTHER_SETTINGS = """
INSTALLED_APPS += ["django.contrib.auth", "lines"]
MIGRATION_MODULES = {"ledger_lines": "lines.history"}
"""


def elsewhere(project: Project) -> None:
    """The child in an app of another label, whose migrations are in another module; names of its own in the database."""
    project.write("shop/models.py", PARENT.format(field=FIELD))
    project.write("lines/apps.py", OTHER_APP)
    project.write("lines/models.py", OTHER_CHILD)
    project.write("settings.py", SETTINGS + FLAGS + OTHER_SETTINGS)
    for name in ("lines/__init__.py", "lines/history/__init__.py"):
        project.write(name, "")
    declared = DECLARATION.replace('"shop.Note"', '"ledger_lines.Note"\n    ordering = "place"')
    project.write("shop/cutovers.py", declared)


@pytest.mark.slow
def test_child_of_another_app_with_names_of_its_own_and_a_user(project: Project) -> None:
    elsewhere(project)
    assert project.scaffold("next", "next") == ["0001_notes_add_table.py", "0002_notes_dual_write.py"]
    text = (project.home / "lines/history/0001_notes_add_table.py").read_text()
    assert '("shop", "0001_initial"),\n        migrations.swappable_dependency(settings.AUTH_USER_MODEL),\n' in text
    assert "to=settings.AUTH_USER_MODEL" in text
    assert (
        '("ledger_lines", "0001_notes_add_table")'
        in (project.home / "shop/migrations/0002_notes_dual_write.py").read_text()
    )
    project.manage("migrate")
    project.manage("makemigrations", "--check", "--dry-run")
    found = project.query("SELECT indexname FROM pg_indexes WHERE tablename = 'order notes'")
    assert ("cutover_notes_order_v1",) in found


@pytest.mark.slow
def test_two_last_migrations_are_told_and_a_squashed_history_goes_on(project: Project) -> None:
    empty = "from django.db import migrations\n\nclass Migration(migrations.Migration):\n    dependencies = [('shop', '{}')]\n"
    project.write("shop/migrations/0002_a.py", empty.format("0001_initial"))
    project.write("shop/migrations/0002_b.py", empty.format("0001_initial"))
    said = project.run("scaffold.py", "next", code=1)
    assert "shop has several last migrations: 0002_a, 0002_b." in said
    (project.home / "shop/migrations/0002_b.py").unlink()
    project.manage("squashmigrations", "shop", "0002", "--noinput", "--skip-checks")
    assert project.scaffold("next") == ["0003_notes_add_table.py"]
    assert '("shop", "0001_squashed_0002_a")' in (project.home / "shop/migrations/0003_notes_add_table.py").read_text()
    project.manage("migrate")


@pytest.mark.slow
def test_table_that_a_migration_makes_already_is_left_to_it(project: Project) -> None:
    project.manage("makemigrations", "shop", "--skip-checks")
    (name,) = project.scaffold("next")
    text = (project.home / "shop/migrations" / name).read_text()
    assert (name, "EnsureTable" in text, 'InstallWatch("notes")' in text) == ("0003_notes_add_table.py", False, True)
