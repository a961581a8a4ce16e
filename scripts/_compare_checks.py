"""Runs other tools over the corpus of `cutover check`, each as its documents say, and prints who finds what.

A tool finds a case where it complains of a migration that is marked in it; the table says of what. What is wrong in flags or in
source none of them looks at. A complaint of a right project, or of a file of a wrong one that is not marked, is a false
alarm.

What it does not tell: the corpus was written for `cutover check`, which therefore finds all of it, and the others were made for
other questions (is this statement safe on a busy table, does this migration run before or after the deploy).
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from checks.corpus import independent, wrong
from checks.corpus.projects import Case, Files, write
from checks.corpus.right import RIGHT
from cutover import scan
from cutover.demo.server import Server

TOOLS = ("cutover", "migration-linter", "squawk", "safemigrate", "syzygy")
GROUPS = {"source": wrong.SOURCE, "flags": wrong.FLAGS, "migrations": wrong.MIGRATING, "changes": wrong.CHANGES,
          "other source": independent.WRONG}  # fmt: skip
INSIDE = """
import io, json, os, sys
import django
sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader
from django_migration_linter import MigrationLinter
from django_migration_linter.sql_analyser import analyse_sql_statements
from syzygy.checks import check_migrations
from django.apps import apps

found = {"migration-linter": {}, "sql": {}, "syzygy": {}, "not shown": {}}
linter = MigrationLinter(None, no_cache=True, no_output=True)
for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
    if app != "jobs":
        continue
    try:
        out = io.StringIO()
        call_command("sqlmigrate", app, name, stdout=out, skip_checks=True)
        found["sql"][name] = out.getvalue()
        errors, _, warnings = analyse_sql_statements(linter.sql_analyser_class, linter.get_sql(app, name), [])
        more, _, data = linter.analyse_data_migration(migration)
        codes = [each.code for each in (*errors, *warnings, *more, *data)]
        if codes:
            found["migration-linter"][name] = sorted(set(codes))
    except Exception as error:
        found["not shown"][name] = type(error).__name__
for each in check_migrations([apps.get_app_config("jobs")]):
    found["syzygy"][each.obj[1]] = ["ambiguous stage"]
print(json.dumps(found))
"""
STYLE = "prefer-robust-stmts,prefer-text-field,prefer-identity,prefer-bigint-over-int,require-timeout-settings"
MORE_APPS = "django.contrib.contenttypes django_migration_linter django_safemigrate syzygy"
Complaints = dict[str, list[str]]  # file of a migration to what is said of it


class NotRun(Exception):
    """The project of a case cannot be loaded, so that no tool can look at it."""


@dataclass
class Verdict:
    """What each tool says of one case: the complaints of marked files, and of others."""

    name: str
    group: str
    found: dict[str, str] = field(default_factory=dict)
    false_alarms: dict[str, str] = field(default_factory=dict)
    not_run: str = ""


def judged(case: Case, group: str, server: Server) -> Verdict:
    verdict = Verdict(case.name, group)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        ours(case, root, verdict)
        write(with_safe(case.files), root)
        marked = {path for _, path, _ in case.expected}
        try:
            said = others(root, server)
        except NotRun as error:
            if group == "right":
                raise  # a comparison in which nothing runs would say that nothing is found
            verdict.not_run, said = str(error), {tool: {} for tool in TOOLS[1:]}
        for tool, complaints in said.items():
            hits = [reason for path, reasons in complaints.items() if path in marked for reason in reasons]
            misses = [reason for path, reasons in complaints.items() if path not in marked for reason in reasons]
            verdict.found[tool] = ", ".join(sorted(set(hits)))
            verdict.false_alarms[tool] = ", ".join(sorted(set(misses)))
    return verdict


def ours(case: Case, root: Path, verdict: Verdict) -> None:
    """The same question as in the tests: each mark, and nothing else."""
    if case.before is not None:
        write(case.before, root)
        for command in (
            ("init", "-q"),
            ("add", "-A"),
            ("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "x"),
        ):
            subprocess.run(["git", "-C", str(root), *command], check=True)
    write(case.files, root)
    order = scan.Order(
        root, case.settings, since="HEAD" if case.before is not None else "", environment=case.environment
    )
    found = [each for each in scan.examine(order).findings if each.severity is not scan.Severity.NOTE]
    places = {(each.id, each.path, each.line) for each in found}
    verdict.found["cutover"] = ", ".join(sorted({id.rpartition(".")[2] for id, _, _ in places & case.expected}))
    verdict.false_alarms["cutover"] = ", ".join(sorted({id.rpartition(".")[2] for id, _, _ in places - case.expected}))


def with_safe(files: Files) -> Files:
    """Every migration declares when it may run, as django-safemigrate and django-syzygy want it: the least they need."""
    head = "from django_safemigrate import Safe\nfrom syzygy.constants import Stage\n"
    body = "class Migration(migrations.Migration):"
    added = "\n    safe = Safe.before_deploy()\n    stage = Stage.PRE_DEPLOY"
    return {
        path: head + text.replace(body, f"{body}{added}", 1) if "/migrations/0" in path else text
        for path, text in files.items()
    }


def others(root: Path, server: Server) -> dict[str, Complaints]:
    address = {"PGHOST": str(server.socket_directory), "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": "postgres"}
    ours_only = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CUTOVER_"))}
    environment = {**ours_only, **address, "MORE_APPS": MORE_APPS}
    done = subprocess.run(
        [sys.executable, "-c", INSIDE], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotRun(done.stderr.strip().splitlines()[-1])
    said = json.loads(done.stdout)
    return {
        "migration-linter": {file(name): codes for name, codes in said["migration-linter"].items() if codes},
        "squawk": {file(name): rules for name, text in said["sql"].items() if (rules := list(squawk(text)))},
        "safemigrate": safemigrate(root),
        "syzygy": {file(name): said_of for name, said_of in said["syzygy"].items()},
    }


def file(name: str) -> str:
    return f"jobs/migrations/{name}.py"


def squawk(text: str) -> Iterator[str]:
    """The rules that the SQL of a migration breaks; those about style are left out, for Django wrote it."""
    if not any(line.strip() and not line.startswith("--") for line in text.splitlines()):
        return
    done = subprocess.run(
        ["squawk", "--reporter", "json", "--exclude", STYLE], input=text, capture_output=True, text=True, check=False
    )
    for each in json.loads(done.stdout or "[]"):
        yield each["rule_name"]


def safemigrate(root: Path) -> Complaints:
    found: Complaints = {}
    for path in sorted((root / "jobs/migrations").glob("0*.py")):
        done = subprocess.run(["safemigrate-check", str(path)], capture_output=True, text=True, check=False)
        if done.returncode:
            found[path.relative_to(root).as_posix()] = ["no safe attribute"]
    return found


def row(cells: list[str], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def table(header: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(each[number]) for each in (header, *rows)) for number in range(len(header))]
    print(row(header, widths))
    print(row(["-" * width for width in widths], widths))
    for each in rows:
        print(row(each, widths))
    print()


def print_cases(verdicts: list[Verdict], everything: bool) -> None:
    groups = GROUPS if everything else ("migrations", "changes")
    wrong_ones = [each for each in verdicts if each.group in GROUPS]
    shown = [each for each in wrong_ones if each.group in groups or any(each.found[tool] for tool in TOOLS[1:])]
    table(["wrong", *TOOLS], [[each.name, *(each.found[tool] or "-" for tool in TOOLS)] for each in shown])
    for each in verdicts:
        if each.not_run:
            print(f"{each.name} cannot be loaded, so no other tool looked at it: {each.not_run}")


def print_sums(verdicts: list[Verdict]) -> None:
    rows = []
    for group in GROUPS:
        of_group = [each for each in verdicts if each.group == group]
        rows.append(
            [f"{group}, of {len(of_group)}", *(str(sum(bool(each.found[tool]) for each in of_group)) for tool in TOOLS)]
        )
    for label, groups in (("right ones accused", ["right"]), ("other files accused, in wrong ones", list(GROUPS))):
        of_group = [each for each in verdicts if each.group in groups]
        counts = [sum(bool(each.false_alarms[tool]) for each in of_group) for tool in TOOLS]
        rows.append([f"{label}, of {len(of_group)}", *map(str, counts)])
    table(["found", *TOOLS], rows)
    for tool in TOOLS:
        reasons = {reason for each in verdicts for reason in each.false_alarms[tool].split(", ") if reason}
        if reasons:
            print(f"{tool} accuses what is right of: {', '.join(sorted(reasons))}")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Every case, also those that no other tool looks at.")
def main(everything: bool) -> None:
    """Print who finds what."""
    verdicts: list[Verdict] = []
    with Server.temporary() as server:
        for group, cases in {"right": RIGHT + independent.RIGHT, **GROUPS}.items():
            for case in cases:
                verdicts.append(judged(case, group, server))
                print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print_cases(verdicts, everything)
    print_sums(verdicts)


if __name__ == "__main__":
    main()
