"""`cutover check` as it is run: exit codes, formats, the baseline, revisions, and the same ids as Django's checks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from checks.corpus.projects import Files, at, code, constrained, flags, write
from checks.test_corpus import commit
from cutover.cli.check import check
from cutover.errors import DeclarationError

ROOT = Path(__file__).parents[2]
READS = 'def export():\n    return Job.objects.values("logs")\n'
WRITES = "\n\ndef forget():\n    Job.objects.update(logs=None)\n"
SETTINGS = ("--settings", "config.settings")


def static(root: Path, *args: str) -> Result:
    """The command in this process, reading the source alone."""
    return CliRunner().invoke(check, ["--static", "--root", str(root), *SETTINGS, *args])


def whole(root: Path, *args: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The command as a process, in the project."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CUTOVER_"))}
    paths = os.pathsep.join([str(root), str(ROOT)])
    return subprocess.run(
        [sys.executable, *(args or ("-m", "cutover", "check"))], cwd=root, capture_output=True, text=True, check=False,
        timeout=60, env={**ours, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", **variables},
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write({**at(4), **code(READS)}, tmp_path)
    return tmp_path


def rewrite(root: Path, files: Files) -> None:
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf8")


def test_an_error_exits_3_with_the_place_the_fact_and_the_hint(project: Path) -> None:
    done = static(project)
    assert done.exit_code == 3
    assert done.stdout == (
        "jobs/code.py:5: cutover.S045  values() asks for 'logs': broken since STOP_JSON_WRITES, where the column is no "
        "longer written, so that the answer is old.\n"
        "    Read the attribute of the instances, or query the child table.\n"
    )
    assert done.stderr == "Checked job_logs in 13 files: 1 error.\n"


def test_nothing_found_exits_0(tmp_path: Path) -> None:
    write(at(4), tmp_path)
    done = static(tmp_path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "Checked job_logs in 12 files: nothing was found.\n"


def test_warnings_and_notes_exit_0_unless_strict(project: Path) -> None:
    rewrite(project, flags(3))
    assert static(project).exit_code == 0
    assert static(project, "--strict").exit_code == 3
    rewrite(project, flags(2))
    done = static(project, "--strict")
    assert done.exit_code == 0
    assert (
        "cutover.S045  values() asks for 'logs': harmless at DUAL_WRITE, it breaks in STOP_JSON_WRITES" in done.stdout
    )


def test_json_has_every_part_of_a_finding(project: Path) -> None:
    done = static(project, "--json")
    assert json.loads(done.stdout) == [
        {
            "id": "cutover.S045", "severity": "error", "serious": True, "path": "jobs/code.py", "line": 5, "cutover": "job_logs",
            "phase": "STOP_JSON_WRITES",
            "fact": "values() asks for 'logs': broken since STOP_JSON_WRITES, where the column is no longer written, so that "
            "the answer is old.",
            "hint": "Read the attribute of the instances, or query the child table.",
        }
    ]  # fmt: skip


def test_annotations_are_escaped_and_begin_at_the_repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.parent))
    done = static(project, "--format", "github")
    assert done.stdout.startswith(
        f"::error file={project.name}/jobs/code.py,line=5,title=cutover.S045::values() asks for"
    )
    assert done.stdout.count("\n") == 1
    from cutover.render.findings import escaped

    assert escaped("50% a:b,\r\n") == "50%25 a:b,%0D%0A"
    assert escaped("50% a:b,", ":,") == "50%25 a%3Ab%2C"


def test_sarif_has_what_code_scanning_demands(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.sarif"
    done = static(project, "--format", "sarif", "--output", str(out))
    assert (done.exit_code, done.stdout) == (3, "")
    said = json.loads(out.read_text())
    (run,) = said["runs"]
    (result,) = run["results"]
    assert said["version"] == "2.1.0"
    assert run["tool"]["driver"]["name"] == "cutover"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "cutover.S045"
    assert result["level"] == "error"
    assert result["message"]["text"].startswith("values() asks for 'logs'")
    assert result["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "jobs/code.py"}, "region": {"startLine": 5}}}
    ]
    assert len(result["partialFingerprints"]["cutover/v1"]) == 32


def test_baseline_accepts_what_is_there_and_nothing_new(project: Path, tmp_path: Path) -> None:
    accepted = ("--baseline", str(tmp_path / "accepted.json"))
    assert static(project, *accepted, "--write-baseline").exit_code == 0
    done = static(project, *accepted)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "1 more are accepted by the baseline." in done.stderr
    rewrite(project, code(f"# the line moves\n{READS}{WRITES}"))
    done = static(project, *accepted)
    assert done.exit_code == 3
    assert "S045" not in done.stdout
    assert "jobs/code.py:10: cutover.S044" in done.stdout


def test_baseline_shows_a_finding_again_that_has_become_worse(project: Path, tmp_path: Path) -> None:
    accepted = ("--baseline", str(tmp_path / "accepted.json"))
    rewrite(project, flags(2))
    static(project, *accepted, "--write-baseline")
    assert static(project, *accepted).stdout == ""
    rewrite(project, flags(4))
    assert static(project, *accepted).exit_code == 3


def test_baseline_says_what_is_gone_and_suppresses_in_sarif(project: Path, tmp_path: Path) -> None:
    accepted = ("--baseline", str(tmp_path / "accepted.json"))
    static(project, *accepted, "--write-baseline")
    (result,) = json.loads(static(project, *accepted, "--format", "sarif").stdout)["runs"][0]["results"]
    assert result["suppressions"][0]["kind"] == "external"
    rewrite(project, code("NOTHING = None\n"))
    assert "1 of the baseline are no longer there" in static(project, *accepted).stderr


@pytest.mark.parametrize("text", [None, "{}", "[1]", "no json"])
def test_baseline_that_is_none_is_refused(project: Path, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "accepted.json"
    if text is not None:
        file.write_text(text)
    done = static(project, "--baseline", str(file))
    assert isinstance(done.exception, DeclarationError)
    assert "--write-baseline" in done.exception.hint


def test_a_revision_that_is_not_there_is_named(project: Path) -> None:
    commit(project)
    done = static(project, "--since", "nowhere")
    assert isinstance(done.exception, DeclarationError)
    assert "nowhere" in str(done.exception)
    assert static(project, "--since", "HEAD").exit_code == 3


def test_environment_files_are_compared_in_their_order(tmp_path: Path) -> None:
    write(at(0), tmp_path)
    (tmp_path / "staging.env").write_text("export CUTOVER_JOB_LOGS_ADD_TABLE=1 # on\nCUTOVER_JOB_LOGS_DUAL_WRITE='1'\n")
    (tmp_path / "production.env").write_text("CUTOVER_JOB_LOGS_ADD_TABLE=0\n")
    first, second = (["--env", str(tmp_path / f"{name}.env")] for name in ("staging", "production"))
    done = static(tmp_path, *first, *second)
    assert done.exit_code == 3
    assert f"{tmp_path}/staging.env:2: cutover.E004  job_logs: staging.env is at DUAL_WRITE" in done.stdout
    assert "cutover.E005" not in done.stdout
    (tmp_path / "production.env").write_text("CUTOVER_JOB_LOGS_ADD_TABLE=yes\nCUTOVER_JOB_LOGS_DUAL_WRITE=maybe\n")
    done = static(tmp_path, *first, *second)
    assert f"{tmp_path}/production.env:2: cutover.E003  CUTOVER_JOB_LOGS_DUAL_WRITE is 'maybe'." in done.stdout
    assert "cutover.E005" in static(tmp_path, *second, *first).stdout


def test_tests_are_left_out_and_so_is_what_is_excluded(project: Path) -> None:
    rewrite(project, code("NOTHING = None\n"))
    (project / "jobs/tests").mkdir()
    rewrite(
        project,
        {
            "jobs/tests/test_a.py": "from jobs.models import Job\n" + READS,
            "jobs/old.py": "from jobs.models import Job\n" + READS,
        },
    )
    assert static(project).exit_code == 3
    assert static(project, "--exclude", "jobs/old.py").exit_code == 0


def test_the_whole_command_has_the_checks_of_the_loaded_project_too(project: Path) -> None:
    models = project / "jobs/models.py"
    models.write_text(models.read_text().replace(", db_constraint=False", ""))
    done = whole(project)
    assert done.returncode == 3, done.stderr
    assert "jobs/cutovers.py:6: cutover.W011" in done.stdout
    assert "jobs/code.py:5: cutover.S045" in done.stdout
    assert whole(project, "-m", "cutover", "check", "job_logs").returncode == 3
    done = whole(project, "-m", "cutover", "check", "other")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No cutover is named 'other'." in done.stderr


def test_the_lock_and_the_key_that_make_writers_wait_are_told_as_one(tmp_path: Path) -> None:
    write(
        {**constrained(2), **code("def step(pk):\n    return Job.objects.select_for_update().get(pk=pk)\n")}, tmp_path
    )
    done = static(tmp_path)
    assert done.exit_code == 3
    assert (
        "jobs/code.py:5: cutover.S052  select_for_update() on Job locks the key too: broken since DUAL_WRITE, where JobLog.job "
        "has a constraint in the database (jobs/models.py:18): each append waits for this lock." in done.stdout
    )


def test_a_project_that_cannot_be_loaded_is_told_and_can_be_read(project: Path) -> None:
    settings = project / "config/settings.py"
    settings.write_text("import nothing_of_this_name\n" + settings.read_text())
    done = whole(project)
    assert done.returncode == 2
    assert "No module named 'nothing_of_this_name'" in done.stderr
    assert "--static" in done.stderr
    assert whole(project, "-m", "cutover", "check", "--static").returncode == 3


def test_a_variable_that_overrides_is_named(project: Path) -> None:
    done = whole(project, CUTOVER_JOB_LOGS_STOP_JSON_WRITES="0")
    assert done.returncode == 0, done.stderr
    assert (
        "cutover.W006  CUTOVER_JOB_LOGS_STOP_JSON_WRITES=0 overrides STOP_JSON_WRITES, on in config.settings."
        in done.stdout
    )


def test_flags_that_are_computed_come_from_the_loaded_project(project: Path) -> None:
    settings = project / "config/settings.py"
    settings.write_text(settings.read_text() + 'CUTOVER["job_logs"]["STOP_JSON_WRITES"] = bool(len([]))\n')
    assert "cutover.W007" in whole(project, "-m", "cutover", "check", "--static").stdout
    done = whole(project)
    assert "cutover.W007" not in done.stdout
    assert "S045  values() asks for 'logs': harmless at PROPERTY_SHIM" in done.stdout


def test_djangos_checks_have_the_same_ids_and_stop_nothing(project: Path) -> None:
    done = whole(project, "manage.py", "check")
    assert done.returncode == 0
    assert "jobs/code.py:5: (cutover.S045) values() asks for 'logs'" in done.stderr
    assert "HINT: Read the attribute of the instances" in done.stderr
    rewrite(project, flags(2))
    assert "S045" not in whole(project, "manage.py", "check").stderr  # harmless for now: every command would print it
    rewrite(project, flags(4))
    settings = project / "config/settings.py"
    settings.write_text(settings.read_text() + 'CUTOVER["job_logs"]["ADD_TABLE"] = False\n')
    done = whole(project, "manage.py", "check")
    assert done.returncode == 1
    assert "(cutover.E001)" in done.stderr
    assert "cutover.E001" in whole(project).stdout


def test_manage_py_has_the_command_as_well(project: Path) -> None:
    done = whole(project, "manage.py", "cutover", "check", "--json")
    assert done.returncode == 3
    assert {each["id"] for each in json.loads(done.stdout)} == {"cutover.S045"}


def test_several_environments_of_one_project(project: Path) -> None:
    rewrite(
        project,
        {"config/staging.py": flags(4)["config/settings.py"], "config/production.py": flags(2)["config/settings.py"]},
    )
    both = ("--settings", "config.staging", "--settings", "config.production")
    done = whole(project, "-m", "cutover", "check", *both)
    assert done.returncode == 3
    assert "config/staging.py:24: cutover.E004" in done.stdout, done.stdout


def test_the_furthest_environment_decides_what_is_an_error(project: Path) -> None:
    rewrite(project, flags(3))
    rewrite(project, {"config/staging.py": flags(4)["config/settings.py"]})
    run = CliRunner().invoke
    only = ["--static", "--root", str(project), "--settings"]
    assert run(check, [*only, "config.settings"]).exit_code == 0
    assert run(check, [*only, "config.staging", "--settings", "config.settings"]).exit_code == 3


def test_static_cannot_ask_a_database(project: Path) -> None:
    assert static(project, "--database", "default").exit_code == 2


@pytest.fixture
def reached(database: Any) -> str:
    uri: str = database.uri
    return uri


def test_the_database_is_asked_when_it_is_named(project: Path, reached: str) -> None:
    parts = 'from project.settings import database\nDATABASES = {"default": database(os.environ["DATABASE_URL"])}\n'
    settings = project / "config/settings.py"
    settings.write_text(settings.read_text() + parts)
    rewrite(project, code("NOTHING = None\n"))
    import psycopg

    with psycopg.connect(reached, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO cutover_ledger (name, phase, epoch, came_from, moved_at, settled_at, paused, driver)"
            " VALUES ('job_logs', 5, 5, 4, now(), now(), false, '')"
        )
    path = os.pathsep.join([str(project), str(ROOT), str(ROOT / "tests")])
    assert whole(project, PYTHONPATH=path, DATABASE_URL=reached).returncode == 0
    done = whole(project, "-m", "cutover", "check", "--database", "default", PYTHONPATH=path, DATABASE_URL=reached)
    assert done.returncode == 3, done.stderr
    assert (
        "jobs/cutovers.py:6: cutover.E030  job_logs is at BACKFILL_AND_DROP and the flags reach STOP_JSON_WRITES."
        in done.stdout
    )
