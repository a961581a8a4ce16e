"""The hook and the action, by running what they say; and the documents that go with the ids."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.corpus.projects import at, code, flags, write
from checks.test_corpus import commit, git
from cutover.scan import TITLES

ROOT = Path(__file__).parents[2]
READS = 'def export():\n    return Job.objects.values("logs")\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    write({**at(4), **code(READS)}, root)
    (root / ".gitignore").write_text("__pycache__\n")
    commit(root)
    return root


def environment(**more: str) -> dict[str, str]:
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DJANGO_", "CUTOVER_", "GITHUB_", "GIT_"))
    }
    return {
        **ours,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def test_the_hook_runs_and_stops_a_commit(project: Path, tmp_path: Path) -> None:
    """pre-commit itself, with the hook as it is declared; of the environment it would make, ours takes the place."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    del hook["additional_dependencies"]
    config = {"repos": [{"repo": "local", "hooks": [{**hook, "language": "system"}]}]}
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(project, "add", "-A")

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", "run", "--all-files", "--color=never"], cwd=project, capture_output=True,
            text=True, check=False, env=environment(PRE_COMMIT_HOME=str(tmp_path / "cache")), timeout=60,
        )  # fmt: skip

    done = run()
    assert done.returncode == 1, done.stderr
    assert "- exit code: 3" in done.stdout
    assert "jobs/code.py:5: cutover.S045" in done.stdout
    (project / "jobs/code.py").write_text("NOTHING = None\n")
    git(project, "add", "-A")
    done = run()
    assert done.returncode == 0, done.stdout
    assert "cutover check" in done.stdout
    assert "Passed" in done.stdout


class Runner:
    """Runs the steps of a composite action as GitHub's runner does: expressions are put in, each step is a shell."""

    def __init__(self, workspace: Path, inputs: dict[str, str]) -> None:
        self.action = yaml.safe_load((ROOT / "action.yml").read_text())
        declared = {name: str(each["default"]) for name, each in self.action["inputs"].items()}
        assert set(inputs) <= set(declared)
        self.workspace = workspace
        self.values = {f"inputs.{name}": value for name, value in {**declared, **inputs}.items()}
        self.values["github.action_path"] = str(ROOT)

    def put_in(self, text: str) -> str:
        return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", lambda found: self.values[found[1]], text)

    def step(self, name: str, **more: str) -> "subprocess.CompletedProcess[str]":
        (step,) = [each for each in self.action["runs"]["steps"] if each["name"] == name]
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input that is put into a script can bring a script along"
        given = {key: self.put_in(value) for key, value in step.get("env", {}).items()}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], capture_output=True, text=True, check=False,
            cwd=self.workspace / self.put_in(step.get("working-directory", ".")), timeout=60,
            env=environment(GITHUB_WORKSPACE=str(self.workspace), **given, **more),
        )  # fmt: skip


def test_the_action_annotates_and_fails_and_writes_sarif(project: Path) -> None:
    runner = Runner(project.parent, {"working-directory": "project", "sarif": "out.sarif"})
    done = runner.step("Check")
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("::error file=project/jobs/code.py,line=5,title=cutover.S045::")
    assert yaml.safe_load((project / "out.sarif").read_text())["version"] == "2.1.0"


def test_the_action_passes_every_input_on(project: Path) -> None:
    (project / "jobs/code.py").write_text("NOTHING = None\n")
    commit(project)
    (project / "config/production.py").write_text(flags(2)["config/settings.py"])
    inputs = {
        "working-directory": "project",
        "settings": "config.settings config.production",
        "since": "HEAD",
        "arguments": "--strict --json",
    }
    done = Runner(project.parent, inputs).step("Check")
    assert done.returncode == 3, done.stderr
    assert "cutover.E004" in done.stdout
    assert "cutover.E060" in done.stdout  # production is new, and at 2
    (project / "accepted.json").write_text('{"version": 1, "accepted": []}')
    done = Runner(project.parent, {"working-directory": "project", "baseline": "accepted.json"}).step("Check")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_action_loads_the_project_when_told_to(project: Path) -> None:
    models = project / "jobs/models.py"
    models.write_text(models.read_text().replace(", db_constraint=False", ""))
    inputs = {"working-directory": "project"}
    assert "cutover.W011" not in Runner(project.parent, inputs).step("Check").stdout
    assert "cutover.W011" in Runner(project.parent, {**inputs, "static": "false"}).step("Check").stdout


def test_an_input_is_never_run_as_shell(project: Path) -> None:
    inputs = {"working-directory": "project", "since": "$(touch evil)", "baseline": "; touch evil"}
    assert Runner(project.parent, inputs).step("Check").returncode == 2
    assert list(project.parent.rglob("evil")) == []


def test_the_action_installs_itself(project: Path, tmp_path: Path) -> None:
    """With a pip that writes down what it is asked for: the real one needs a network."""
    programs = tmp_path / "programs"
    programs.mkdir()
    said = tmp_path / "said"
    fake = programs / "python"
    fake.write_text(f'#!/bin/sh\necho "$*" >>{said}\n[ "$1" != -c ]\n')
    fake.chmod(0o755)
    done = Runner(project, {}).step("Install", PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert said.read_text().splitlines() == [
        f"-m pip install --quiet {ROOT}",
        "-c import psycopg",
        "-m pip install --quiet psycopg[binary]",
    ]


def sections(name: str, pattern: str) -> list[str]:
    return re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE)


def test_every_id_has_its_section_in_the_runbook_and_its_row_in_the_readme() -> None:
    assert sections("runbook.md", r"^### (cutover\.[EWS]\d{3})$") == list(TITLES)
    rows = sections("README.md", r"^\| \[([EWS]\d{3})\]\(runbook\.md#cutover\w+\)")
    assert [f"cutover.{id}" for id in rows] == list(TITLES)


def test_every_id_in_the_code_has_a_title() -> None:
    text = "".join(path.read_text() for where in ("scan", "checks") for path in (ROOT / "cutover" / where).glob("*.py"))
    used: set[Any] = set(re.findall(r'"(?:cutover\.)?([EWS]\d{3})"', text))
    assert {f"cutover.{id}" for id in used} == set(TITLES)


def test_the_pipeline_of_the_readme_uses_inputs_that_the_action_has() -> None:
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"### The check in a pipeline.*?```yaml\n(.*?)```", text, re.DOTALL)
    steps = [step for job in yaml.safe_load(block)["jobs"].values() for step in job["steps"]]
    (ours,) = [step for step in steps if "with" in step and "django-cutover" in step["uses"]]
    assert set(ours["with"]) <= set(yaml.safe_load((ROOT / "action.yml").read_text())["inputs"])
    assert len(block.splitlines()) <= 14
