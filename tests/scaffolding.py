"""A Django project of its own, in a directory, with a database of its own: what the tests of the templates are played on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

import databases
import servers

ROOT = Path(__file__).parents[1]
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
made = [scaffold("notes", parse(each) if each != "next" else None).name for each in sys.argv[1:]]
print(" ".join(made))
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

    @property
    def environment(self) -> dict[str, str]:
        paths = os.pathsep.join(map(str, (self.home, ROOT, ROOT / "tests")))
        return {**os.environ, "DATABASE_URL": self.uri, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *args: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, *args],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def manage(self, *args: str, code: int = 0) -> str:
        return self.run("manage.py", *args, code=code)

    def scaffold(self, *phases: str) -> list[str]:
        """The names of the migrations of some phases, written in one process; "next" is the first that is not there."""
        return self.run("scaffold.py", *phases).strip().splitlines()[-1].split()

    def query(self, text: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def columns(self) -> set[object]:
        return {
            row[0]
            for row in self.query("SELECT column_name FROM information_schema.columns WHERE table_name = 'shop_order'")
        }


@contextmanager
def shop(server: servers.Postgres, home: Path) -> Iterator[Project]:
    """Orders with notes, migrated; the child and the declaration are written, and all flags are on."""
    made = databases.create(server, databases.fresh_name("scaffold"))
    project = Project(home, made.uri)
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
    databases.drop(server, made.name)


def without_field(project: Project) -> None:
    project.write("shop/models.py", PARENT.format(field="") + CHILD.format(constraint="False"))


def whole_way(project: Project) -> list[str]:
    """All migrations, as an operator scaffolds them in one release after the other."""
    made = project.scaffold("ADD_TABLE", "2", "3", "STOP_JSON_WRITES", "5")
    without_field(project)
    return made + project.scaffold("BACKFILL_AND_DROP")


# Migrates to one name after the other, as it reads them; says "done", and which statements were executed meanwhile.
WALK = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django
django.setup()
from django.core.management import call_command
from django.db import connection

heard = []

def hear(execute, sql, params, many, context):
    text = sql if isinstance(sql, str) else sql.as_string(None)
    if not params and text.split(None, 1)[0].upper() in ("CREATE", "ALTER", "DROP", "COMMENT", "LOCK", "REVOKE", "SET"):
        heard.append(text)
    return execute(sql, params, many, context)

for name in map(str.strip, sys.stdin):
    heard.clear()
    with connection.execute_wrapper(hear):
        call_command("migrate", "shop", name, verbosity=0)
    print(json.dumps(heard), flush=True)
"""


@contextmanager
def walk(project: Project) -> Iterator[Callable[[str], list[str]]]:
    """A function that migrates to a name, all in one process, and gives the statements that change the schema."""
    project.write("walk.py", WALK)
    process = subprocess.Popen(
        [sys.executable, "walk.py"],
        cwd=project.home,
        env=project.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def to(name: str) -> list[str]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        said: list[str] = json.loads(process.stdout.readline() or "null")
        assert said is not None, f"migrating to {name} failed; see stderr"
        return said

    with process:
        yield to
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=60) == 0
