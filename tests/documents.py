"""Reads README and runbook for the tests: code blocks, command lines, headings, links. It judges nothing."""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
README, RUNBOOK, CHANGELOG = ROOT / "README.md", ROOT / "runbook.md", ROOT / "CHANGELOG.md"

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PROGRAM = r"(?:(?:python )?(?:manage\.py )?cutover (?=[a-z])|scripts/(?=demo))"
INLINE = re.compile(rf"`{PROGRAM}([^`]*)`")
COMMAND = re.compile(rf"^\s*(?:\S+=\S+ )*{PROGRAM}(.*)$")
FILE = re.compile(r"[\w/-]+\.(?:env|log|txt|json)")
STANDS_FOR = {"NAME": "job_logs", "PHASE": "DUAL_WRITE", "PID": "4711"}


def blocks(files: Iterable[Path], language: str) -> list[tuple[str, str]]:
    """Every fenced block of a language with the place where it stands."""
    found = []
    for file in files:
        text = file.read_text(encoding="utf8")
        for match in FENCED.finditer(text):
            if match[1] == language:
                found.append((place(file, text, match.start()), match[2]))
    return found


def block(file: Path, holding: str, language: str = "python") -> str:
    """The one block that holds a text."""
    (found,) = (code for _, code in blocks([file], language) if holding in code)
    return found


def commands(files: Iterable[Path]) -> list[tuple[str, str]]:
    """Every command line of the toolkit in the shell blocks, and in backquotes in the text around them.

    In the text a command's bare name is not a line but a mention; it is left out.
    """
    files = list(files)
    found = []
    for where, code in blocks(files, "sh"):
        lines = code.replace("\\\n", " ").splitlines()
        found += [(where, match[1]) for line in lines if (match := COMMAND.match(line))]
    for file in files:
        text = file.read_text(encoding="utf8")
        prose = FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)
        found += [(place(file, prose, match.start()), match[1]) for match in INLINE.finditer(prose) if " " in match[1]]
    return found


def hinted_commands() -> list[tuple[str, str]]:
    """Every command line in backquotes in the strings of the code, with something in the place of its values."""
    found = []
    for file in sorted((ROOT / "cutover").rglob("*.py")):
        text = file.read_text(encoding="utf8")
        text = re.sub(r'"\s*\n\s*f?"', "", text)  # strings that go on in the next line
        for match in INLINE.finditer(text):
            line = re.sub(r"\{[^{}]*(?:phase|Phase)[^{}]*\}", "DUAL_WRITE", match[1])
            line = re.sub(r"\{number\}", "2", line)
            if " " in line and "..." not in line:
                found.append((place(file, text, match.start()), re.sub(r"\{[^{}]*\}", "job_logs", line)))
    return found


def words(line: str) -> list[str]:
    """The words of a command line up to a pipe, with a value for each placeholder."""
    found = []
    for word in shlex.split(line, comments=True):
        if word in ("|", "&&", "||", ">", ";"):
            break
        found.append(STANDS_FOR.get(word, word))
    return found


def headings(file: Path, *, level: int, under: str) -> list[str]:
    """The headings of a level in the section of that title, sorted, without their backquotes."""
    pattern = rf"^{'#' * level} (.+)$"
    return sorted(re.sub("`", "", title) for title in re.findall(pattern, section(file, under), re.MULTILINE))


def section(file: Path, title: str) -> str:
    """The text under a heading of the second level."""
    text = file.read_text(encoding="utf8")
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{file.name} has no section {title!r}"
    return found[1]


def found_in_source(pattern: str) -> set[str]:
    """What a pattern captures in the package."""
    texts = (file.read_text(encoding="utf8") for file in (ROOT / "cutover").rglob("*.py"))
    return {found for text in texts for found in re.findall(pattern, text)}


def links(files: Iterable[Path]) -> list[tuple[str, str]]:
    """Every link that stays inside the repository."""
    found = []
    for file in files:
        text = file.read_text(encoding="utf8")
        prose = FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)
        for match in re.finditer(r"\]\(([^)\s]+)\)", prose):
            if "://" not in match[1]:
                found.append((place(file, prose, match.start()), match[1]))
    return found


def anchors(file: Path) -> set[str]:
    """The anchors of the headings of a document, as GitHub makes them."""
    text = FENCED.sub("", file.read_text(encoding="utf8"))
    return {*slugs(re.findall(r"^#+ (.+)$", text, re.MULTILINE)), *re.findall(r'<a id="([^"]+)">', text)}


def slugs(titles: Iterable[str]) -> Iterator[str]:
    for title in titles:
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def place(file: Path, text: str, at: int) -> str:
    return f"{file.relative_to(ROOT)}:{text.count(chr(10), 0, at) + 1}"
