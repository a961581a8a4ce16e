"""Small Django projects, written from compact descriptions: the case of a job with logs, at a phase, and what a case changes.

What is wrong is marked in the text of a case: the line that a check has to name ends in `# ! S045`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

MARK = re.compile(r"#\s*!\s*((?:[EWS]\d{3}\s*)+)$")
PHASES = ("ADD_TABLE", "DUAL_WRITE", "PROPERTY_SHIM", "STOP_JSON_WRITES", "BACKFILL_AND_DROP")
SETTINGS = "config/settings.py"
MODELS = "jobs/models.py"
CODE = "jobs/code.py"
HEAD = "from jobs.models import Job\n\n\n"
MIGRATIONS = "jobs/migrations"

MANAGE = """
import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
execute_from_command_line(sys.argv)
"""
COMMON = """
import os

SECRET_KEY = "only for tests"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("PGHOST", "localhost"),
        "PORT": os.environ.get("PGPORT", "5432"),
        "USER": os.environ.get("PGUSER", "postgres"),
        "NAME": os.environ.get("PGDATABASE", "postgres"),
    }
}
INSTALLED_APPS = ["cutover", "jobs", *os.environ.get("MORE_APPS", "").split()]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
MIGRATION_LINTER_OPTIONS = {"no_cache": True}
"""
JOB = """
from django.db import models

from cutover.fields import PositionField


def empty_logs():
    return {{"stdout": []}}


class Job(models.Model):
    name = models.CharField(max_length=100, default="")
    progress = models.IntegerField(default=0)
    {field}
"""
JOB_LOG = """

class JobLog(models.Model):
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_entries", db_constraint=False)
    position = PositionField()
    message = models.TextField()
"""
FIELD = "logs = models.JSONField(default=empty_logs)"
DECLARATION = """
from cutover import Cutover, Scalar, Stream, register


@register
class JobLogs(Cutover):
    source = "jobs.Job.logs"
    target = "jobs.JobLog"
    parent = "job"
    streams = (Stream("stdout", Scalar("message"), newest_first=True),)
"""
MIGRATION = """
import cutover.fields
import django.db.models.deletion
import jobs.models
from cutover.operations import ArchiveColumn, DropColumn, EnsureConstraint, EnsureIndex, InstallWatch, RefreshWatch, RelaxColumn
from django.db import migrations, models


class Migration(migrations.Migration):
    {atomic}
    dependencies = {dependencies}

    operations = [
{operations}
    ]
"""
INITIAL = """
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(default="", max_length=100)),
                ("progress", models.IntegerField(default=0)),
                ("logs", models.JSONField(default=jobs.models.empty_logs)),
            ],
        ),
"""
TABLE = """
        migrations.CreateModel(
            name="JobLog",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", cutover.fields.PositionField()),
                ("message", models.TextField()),
                (
                    "job",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="log_entries",
                        to="jobs.job",
                    ),
                ),
            ],
        ),
"""
WATCH = '        InstallWatch("job_logs"),'
STEPS = (
    ("0002_job_logs_add_table", f"{TABLE}{WATCH}"),
    ("0003_job_logs_dual_write", '        EnsureIndex("job_logs"),\n        RefreshWatch("job_logs"),'),
    ("0004_job_logs_property_shim", '        RefreshWatch("job_logs"),'),
    ("0005_job_logs_stop_json_writes", '        RelaxColumn("job_logs"),\n        RefreshWatch("job_logs"),'),
)
REMOVE = """
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("job", "logs")],
        ),
"""
DROP = """
        ArchiveColumn("job_logs", model="jobs.Job", column="logs"),
        EnsureConstraint("job_logs"),
        DropColumn("job_logs", model="jobs.Job", field_name="logs", field=models.JSONField(default=jobs.models.empty_logs)),
"""
REMOVAL = ("0006_job_logs_remove_field", REMOVE)
LAST = ("0007_job_logs_drop", DROP)

Files = dict[str, str]


def flags(reached: int, **others: object) -> Files:
    """The settings module with the flags of a phase; further keys of the entry as they are given."""
    entries = [f'        "{name}": {number <= reached},' for number, name in enumerate(PHASES, start=1)]
    entries += [f'        "{name}": {value!r},' for name, value in others.items()]
    text = "\n".join(entries)
    return {SETTINGS: f'{COMMON}\nCUTOVER = {{\n    "job_logs": {{\n{text}\n    }},\n}}\n'}


def migration(name: str, operations: str, *, after: str, atomic: bool = False, more: str = "") -> Files:
    """A file of the app's migrations."""
    dependencies = '[("cutover", "0001_initial"), ("jobs", "' + after + '")]' if after else "[]"
    head = "initial = True\n" if not after else "" if atomic else "atomic = False\n"
    text = MIGRATION.format(atomic=head, dependencies=dependencies, operations=operations.strip("\n"))
    return {
        f"{MIGRATIONS}/{name}.py": text.replace(
            "class Migration", f"{more.strip()}\n\n\nclass Migration" if more else "class Migration"
        )
    }


def chain(steps: tuple[tuple[str, str], ...], after: str = "0001_initial") -> Files:
    """Migrations, each after the one before."""
    found: Files = {}
    for name, operations in steps:
        found |= migration(name, operations, after=after)
        after = name
    return found


def at(phase: int, *, field: str = FIELD) -> Files:
    """The whole project as it is right, at a phase."""
    steps = STEPS[: max(1, min(phase, 4))] if phase else ()
    return {
        "manage.py": MANAGE,
        "config/__init__.py": "",
        "jobs/__init__.py": "",
        f"{MIGRATIONS}/__init__.py": "",
        MODELS: JOB.format(field=field) + JOB_LOG,
        "jobs/cutovers.py": DECLARATION,
        **flags(phase),
        **migration("0001_initial", INITIAL, after=""),
        **chain(steps),
    }


def constrained(phase: int) -> Files:
    """The project with a foreign key in the database."""
    found = at(phase)
    return {**found, MODELS: found[MODELS].replace(", db_constraint=False", "")}


def without_field(shim: bool = True) -> Files:
    """The models of the release without the field."""
    field = 'logs = Shim("job_logs")' if shim else 'note = ""'
    text = JOB.format(field=field) + JOB_LOG
    return {MODELS: text.replace("from cutover.fields", "from cutover import Shim\nfrom cutover.fields")}


def code(text: str) -> Files:
    """A module of the app that imports the model."""
    return {CODE: HEAD + text.strip("\n") + "\n"}


@dataclass(frozen=True)
class Case:
    """A project, or a change of one, and how it is asked.

    Attributes:
        before: the project at the revision that a change is compared with; None where there is none.
        settings: the settings modules, as `--settings`.
        environment: variables that are set.
        unmarked: ids of findings that are about no line.
    """

    name: str
    files: Files
    before: Files | None = None
    settings: tuple[str, ...] = ("config.settings",)
    environment: dict[str, str] = field(default_factory=dict)
    unmarked: tuple[str, ...] = ()

    @property
    def expected(self) -> set[tuple[str, str, int]]:
        """Id, path and line of every mark."""
        found = {(f"cutover.{id}", "", 0) for id in self.unmarked}
        for path, text in self.files.items():
            for number, line in enumerate(text.splitlines(), start=1):
                marked = MARK.search(line)
                found |= {(f"cutover.{id}", path, number) for id in (marked[1].split() if marked else ())}
        return found


def write(files: Files, root: Path) -> None:
    """Write the files of a project; those of another one that were there before are gone."""
    for path in root.rglob("*.py"):
        path.unlink()
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")
