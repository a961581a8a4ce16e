"""Every template there and back and there again: the schema is that of a fresh database; and what the linters say of them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import scaffolding
from cutover.demo.server import Server
from scaffolding import FLAGS, SETTINGS, Project

pytestmark = pytest.mark.slow
STEPS = [f"{number:04}" for number in range(1, 8)]
# Of style (what Django and the toolkit write is not for reading), or about a table that nobody uses yet.
# robust-stmts: our statements are run again by the operation, which asks the catalogue first.
# require-*-timeout: Django creates the table, which nobody can lock; our own locks carry lock_timeout as a parameter.
LEFT_OUT = "prefer-robust-stmts,prefer-text-field,prefer-identity,require-lock-timeout,require-statement-timeout"
Dumps = dict[str, list[str]]
SQUAWK = Path(sys.executable).with_name("squawk")


@pytest.fixture
def project(server: Server, tmp_path: Path) -> Iterator[Project]:
    """With all templates rendered, nothing of them applied."""
    with scaffolding.shop(server, tmp_path) as made:
        scaffolding.whole_way(made)
        yield made


def schema(server: Server, project: Project) -> list[str]:
    """The dump of the schema; sorted, for a column that comes back stands at the end of its table."""
    text = server.run("pg_dump", "--schema-only", project.uri)
    lines = (line.rstrip(",") for line in text.splitlines())
    return sorted(line for line in lines if line and not line.startswith(("--", "\\restrict", "\\unrestrict")))


def test_schema_is_that_of_a_fresh_database_after_every_template_forwards_and_back(
    server: Server, project: Project
) -> None:
    with scaffolding.walk(project) as to:
        fresh: Dumps = {}
        back: Dumps = {}
        again: Dumps = {}
        for seen, steps in ((fresh, STEPS), (back, STEPS[::-1]), (again, STEPS)):
            for step in steps:
                to(step)
                seen[step] = schema(server, project)
    assert len({tuple(each) for each in fresh.values()}) == 5, "a current watch is left, and the state is no schema"
    assert back == fresh
    assert again == fresh


def judged(statements: list[str], *options: str) -> list[str]:
    text = ";\n".join(each.strip().rstrip(";") for each in statements) + ";\n"
    done = subprocess.run(
        [SQUAWK, "--reporter", "json", "--pg-version", "14", "--exclude", LEFT_OUT, *options],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return sorted({each["rule_name"] for each in json.loads(done.stdout or "[]")})


def test_squawk_finds_in_what_the_templates_execute_only_what_they_answer_for(project: Project) -> None:
    with scaffolding.walk(project) as to:
        said = {step: judged(to(step)) for step in STEPS[1:]}
    assert said == {step: ANSWERED.get(step, []) for step in STEPS[1:]}


# What squawk cannot know; the templates say why.
ANSWERED = {
    "0002": ["require-concurrent-index-creation"],  # of a table that this transaction makes
    "0007": [
        "ban-drop-column",
        "ban-drop-function",
    ],  # the point of it, under a short lock; refused while it could lose anything
}


def test_squawk_would_find_what_is_wrong() -> None:
    wrong = ['CREATE INDEX "x" ON "jobs_job" ("name")', 'ALTER TABLE "jobs_job" ADD COLUMN "a" bigint NOT NULL']
    assert judged(wrong) == ["adding-required-field", "require-concurrent-index-creation"]


def lint(project: Project, *, code: int) -> str:
    return project.manage(
        "lintmigrations", "shop", "--no-cache", "--sql-analyser", "postgresql", "--warnings-as-errors", code=code
    )


def test_migration_linter_finds_the_drop_alone_which_the_template_answers_for(project: Project) -> None:
    project.write("settings.py", f'{SETTINGS}{FLAGS}\nINSTALLED_APPS += ["django_migration_linter"]\n')
    said = lint(project, code=1)
    assert "(shop, 0007_notes_drop)... ERR\n\tDROPPING columns (table: shop_order, column: notes)\n" in said
    assert "Erroneous migrations: 1/7" in said
    drop = project.home / "shop/migrations/0007_notes_drop.py"
    text = drop.read_text().replace("    operations = [\n", "    operations = [\n        IgnoreMigration(),\n")
    drop.write_text(
        text.replace("from django.db", "from django_migration_linter import IgnoreMigration\nfrom django.db", 1)
    )
    assert "Erroneous migrations: 0/7" in lint(project, code=0)
