"""Rules about the source that no linter of imports can see."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cutover"
MODULES = sorted(PACKAGE.rglob("*.py"))
LEFTOVERS = {"utils", "helpers", "core", "base", "manager", "common"}


def relative(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def test_cursors_are_opened_in_db_alone() -> None:
    opens = re.compile(r"\.(cursor|chunked_cursor)\(")
    assert {relative(module) for module in MODULES if opens.search(module.read_text())} <= {"db.py"}


@pytest.mark.parametrize("module", MODULES, ids=relative)
def test_module_says_what_it_is_for_and_fits_in_300_lines(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= 300
    assert not text.strip() or text.lstrip().startswith(('"""', 'r"""'))


def test_no_module_is_named_for_leftovers() -> None:
    assert [relative(module) for module in MODULES if module.stem in LEFTOVERS] == []


def test_a_process_of_the_application_loads_no_check() -> None:
    """They take half a second, and only a command asks them."""
    code = "import django, sys; django.setup(); print([m for m in sys.modules if m.startswith('cutover.')])"
    path = os.pathsep.join([str(PACKAGE.parent), str(PACKAGE.parent / "tests")])
    environment = {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "project.settings"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    loaded = set(json.loads(said.stdout.replace("'", '"')))
    assert "cutover.mapping" in loaded
    assert (
        loaded & {"cutover.scan", "cutover.operations", "cutover.checks.source", "cutover.cli", "cutover.render"}
        == set()
    )
