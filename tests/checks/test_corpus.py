"""Every wrong project is found, at the line; no right one is accused."""

import re
import subprocess
from pathlib import Path

import pytest

from checks.corpus import independent
from checks.corpus.projects import Case, write
from checks.corpus.right import RIGHT
from checks.corpus.wrong import WRONG
from cutover import scan
from cutover.scan import Finding, Severity


def git(root: Path, *args: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *identity, *args], check=True, capture_output=True)


def commit(root: Path) -> None:
    if not (root / ".git").exists():
        git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "a release")


def found(case: Case, root: Path) -> list[Finding]:
    """What is found in a case, without what is harmless for now."""
    if case.before is not None:
        write(case.before, root)
        commit(root)
    write(case.files, root)
    order = scan.Order(
        root, case.settings, since="HEAD" if case.before is not None else "", environment=case.environment
    )
    return [each for each in scan.examine(order).findings if each.severity is not Severity.NOTE]


@pytest.mark.parametrize("case", WRONG + independent.WRONG, ids=lambda case: case.name)
def test_what_is_wrong_is_found_at_its_line_and_nothing_else_is(case: Case, tmp_path: Path) -> None:
    accused = {(each.id, each.path, each.line) for each in found(case, tmp_path)}
    assert case.expected
    assert accused == case.expected


@pytest.mark.parametrize("case", RIGHT + independent.RIGHT, ids=lambda case: case.name)
def test_what_is_right_is_not_accused(case: Case, tmp_path: Path) -> None:
    assert [(each.id, each.place, each.fact) for each in found(case, tmp_path)] == []


def test_there_are_enough_and_every_id_that_needs_no_database_is_among_them() -> None:
    assert len(WRONG) >= 30
    assert len(RIGHT) >= 15
    expected = {id for case in WRONG for id, _, _ in case.expected}
    static = {id for id in scan.TITLES if not re.search("[EW]0[13]", id)}
    assert static - expected == set()
