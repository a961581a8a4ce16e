"""README and runbook against the code: command lines parse, ids have their sections, examples run, links lead somewhere."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from django.db import models
from django.test.utils import isolate_apps

import documents
from cutover import gates, phases, spec
from cutover.cli import main
from cutover.errors import CutoverError
from cutover.mapping import bind
from cutover.phase import FLAGGED
from cutover.spec import registry
from cutover.verify import result

DOCUMENTS = [documents.README, documents.RUNBOOK]


def parse(line: str, directory: Path) -> None:
    """Parse a command line as click would, and run nothing. Files that it names are made in the directory."""
    words = documents.words(line)
    for word in words:
        if documents.FILE.fullmatch(word):
            (directory / word).parent.mkdir(parents=True, exist_ok=True)
            (directory / word).touch()
    command = main.cutover.get_command(None, words[0])
    assert command is not None, f"{line}: there is no command {words[0]}"
    try:
        command.make_context(words[0], words[1:])
    except click.ClickException as error:
        pytest.fail(f"{line}: {error.format_message()}")


@pytest.mark.parametrize(("where", "line"), documents.commands(DOCUMENTS))
def test_every_command_line_of_the_documents_parses(
    where: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parse(line, tmp_path)


@pytest.mark.parametrize(("where", "line"), documents.hinted_commands())
def test_every_command_line_of_a_hint_parses(where: str, line: str, tmp_path: Path) -> None:
    parse(line, tmp_path)


def test_the_documents_show_every_command() -> None:
    shown = {documents.words(line)[0] for _, line in documents.commands(DOCUMENTS)}
    assert shown == set(main.COMMANDS)


def gate_ids() -> set[str]:
    """The ids that verdicts carry, and the names of the gates that `cutover.gates` offers."""
    offered = {name for name in gates.__all__ if name.islower() and name != "evaluate"}
    return offered | documents.found_in_source(r'Verdict\(\s*"(\w+)"')


def test_every_gate_of_a_phase_is_looked_for() -> None:
    asked = {gate.__name__ for step in phases.STEPS for gate in (*step.GATES, *step.BACK)}
    assert len(gate_ids() & asked) > 10


def test_every_gate_has_its_section_and_no_section_is_left_over() -> None:
    assert documents.headings(documents.RUNBOOK, level=3, under="Gates") == sorted(gate_ids())


def test_every_check_has_its_section_and_no_section_is_left_over() -> None:
    ids = documents.found_in_source(r"\b(cutover\.[EWS]\d{3})\b")
    assert documents.headings(documents.RUNBOOK, level=3, under="Checks") == sorted(ids)


def test_every_check_is_in_the_table_of_the_readme() -> None:
    listed = re.findall(r"^\| \[([EWS]\d{3})\]", documents.section(documents.README, "Checks"), re.MULTILINE)
    assert {f"cutover.{each}" for each in listed} == documents.found_in_source(r"\b(cutover\.[EWS]\d{3})\b")


@pytest.mark.parametrize("phase", FLAGGED, ids=lambda phase: phase.name)
def test_the_section_of_a_phase_has_its_four_parts(phase: int) -> None:
    text = documents.section(documents.RUNBOOK, f"Phase {int(phase)}: {FLAGGED[phase - 1].title}")
    parts = re.findall(r"^\*\*([^*]+)\*\*", text, re.MULTILINE)
    assert parts == ["Before", "Command", "You should see", "How to get back"]


def test_every_class_of_a_verification_is_explained_with_what_it_blocks() -> None:
    classes = [value for name, value in vars(result).items() if name.isupper() and value == name.lower()]
    blocks = {kind: [int(phase) for phase, kinds in result.BLOCKS.items() if kind in kinds] for kind in classes}
    text = documents.section(documents.RUNBOOK, "Verify")
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([\d, ]*)\|", text, re.MULTILINE)
    assert {kind: [int(each) for each in re.findall(r"\d", phases)] for kind, phases in rows} == blocks


def test_the_table_of_phases_has_every_flag() -> None:
    rows = re.findall(r"^\| (\d) \| `?(\w+)`? \|", documents.section(documents.README, "The five phases"), re.MULTILINE)
    assert [(int(number), name) for number, name in rows] == [(int(phase), phase.name) for phase in FLAGGED]


def every_error() -> Iterator[type[CutoverError]]:
    waiting = [CutoverError]
    while waiting:
        yield (error := waiting.pop())
        waiting += error.__subclasses__()


def test_every_exit_code_is_listed() -> None:
    listed = re.findall(r"^\| (\d) \|", documents.section(documents.README, "Exit codes"), re.MULTILINE)
    assert [int(code) for code in listed] == sorted({0} | {error.exit_code for error in every_error()})


def test_every_setting_is_named() -> None:
    settings = documents.found_in_source(r'getattr\(\s*settings, "(CUTOVER\w*)"')
    text = documents.README.read_text(encoding="utf8")
    assert len(settings) > 2
    assert not [name for name in settings if not re.search(rf"\b{name}\b", text)]


def test_every_attribute_of_a_declaration_is_named() -> None:
    text = documents.README.read_text(encoding="utf8")
    attributes = [name for owner in (spec.Cutover, spec.Stream) for name in vars(owner)["__annotations__"]]
    assert not [
        name for name in attributes if f"`{name}" not in text and f"{name} = " not in text and f"{name}=" not in text
    ]


@pytest.fixture
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The declarations of the README do not replace those of the test project."""
    monkeypatch.setattr(registry, "_declared", {})


@pytest.mark.usefixtures("_own_registry")
def test_the_declaration_of_the_readme_binds_to_the_models_of_the_issue() -> None:
    exec(documents.block(documents.README, "class JobLogs(Cutover)"), {})  # noqa: S102 - the document is ours
    binding = bind("job_logs")
    assert (spec.names(), binding.compiles, binding.position) == (["job_logs"], True, "position")
    line = documents.block(documents.README, "[2026-", language="json")
    (element, *_) = ast.literal_eval(line)["stdout"]
    row = binding.stream("stdout").codec.decode_exactly(element)
    assert binding.stream("stdout").codec.encode(row) == element


@isolate_apps("project.jobs")
def test_the_child_model_of_the_readme_is_that_of_the_test_project() -> None:
    from project.jobs.models import JobLog

    names: dict[str, object] = {"__name__": "project.jobs.models"}
    exec(documents.block(documents.README, "class JobLog("), names)  # noqa: S102 - the document is ours
    shown = names["JobLog"]
    assert isinstance(shown, type)
    assert issubclass(shown, models.Model)
    assert columns(shown) == columns(JobLog)


def columns(model: type[models.Model]) -> list[tuple[str, str, bool]]:
    return [(field.name, type(field).__name__, field.null) for field in model._meta.concrete_fields]


@pytest.mark.parametrize(("where", "code"), documents.blocks(DOCUMENTS, "python"))
def test_every_python_block_compiles_and_imports_what_is_there(where: str, code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("cutover", "django"):
            module = importlib.import_module(node.module)
            assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


@pytest.mark.parametrize(("where", "target"), documents.links([*DOCUMENTS, documents.CHANGELOG]))
def test_every_link_leads_somewhere(where: str, target: str) -> None:
    file, _, anchor = target.partition("#")
    path = documents.ROOT / (file or where.split(":", maxsplit=1)[0])
    assert path.exists()
    assert not anchor or anchor in documents.anchors(path)
