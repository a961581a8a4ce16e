"""The phases themselves, and that there is one name for each everywhere."""

from pathlib import Path

import pytest

from cutover import phases
from cutover.errors import DeclarationError
from cutover.phase import FLAGGED, Phase, parse

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("phase", "json", "rows", "shim"),
    [
        (Phase.NOT_STARTED, True, False, False),
        (Phase.ADD_TABLE, True, False, False),
        (Phase.DUAL_WRITE, True, True, False),
        (Phase.PROPERTY_SHIM, True, True, True),
        (Phase.STOP_JSON_WRITES, False, True, True),
        (Phase.BACKFILL_AND_DROP, False, True, True),
    ],
)
def test_what_a_phase_means(phase: Phase, json: bool, rows: bool, shim: bool) -> None:
    assert (phase.writes_json, phase.writes_rows, phase.reads_rows) == (json, rows, shim)


@pytest.mark.parametrize("text", ["DUAL_WRITE", "dual-write", "dual write", " 2 "])
def test_phase_is_read_by_name_and_number(text: str) -> None:
    assert parse(text) is Phase.DUAL_WRITE


def test_unknown_phase_is_told_the_names() -> None:
    with pytest.raises(DeclarationError) as caught:
        parse("DUAL")
    assert str(caught.value) == "'DUAL' names no phase."
    assert "STOP_JSON_WRITES" in caught.value.hint


def test_every_phase_has_its_step_file_template_and_section() -> None:
    runbook = (ROOT / "runbook.md").read_text(encoding="utf8")
    assert list(phases.STORY) == list(FLAGGED)
    for phase in FLAGGED:
        file = f"p{int(phase)}_{phase.name.lower()}"
        assert (ROOT / "cutover" / "phases" / f"{file}.py").is_file()
        assert (ROOT / "migrations_templates" / f"{file}.py-tpl").is_file()
        assert f"## Phase {int(phase)}: {phase.title}\n" in runbook


def test_every_phase_says_how_it_is_entered_and_left() -> None:
    for phase in FLAGGED:
        text = (ROOT / "cutover" / "phases" / f"p{int(phase)}_{phase.name.lower()}.py").read_text(encoding="utf8")
        assert [line.split(":")[0] for line in text.splitlines()[2:5]] == ["Enter", "After", "Back"]
