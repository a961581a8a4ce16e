"""What the checks found: as text, as JSON, as annotations of GitHub, as SARIF."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.text import Text

from cutover.render.console import line, out, say
from cutover.render.sarif import sarif
from cutover.scan import Finding, Severity

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
Reporter = Callable[[Sequence[Finding], Sequence[Finding], str], str]


def findings(
    found: Sequence[Finding], accepted: Sequence[Finding], *, form: str, prefix: str = "", file: Path | None = None
) -> None:
    """Print them, or write them to a file.

    Args:
        accepted: those of the baseline; SARIF has them as suppressed ones, the others leave them out.
        form: a key of REPORTERS.
        prefix: of paths in annotations and SARIF, which begin at the root of the repository.
    """
    if file is not None:
        file.write_text(f"{REPORTERS[form](found, accepted, prefix)}\n".lstrip("\n"), encoding="utf8")
    elif form == "text":
        for each in lines(found):
            out().print(each, soft_wrap=True)
    else:
        text = REPORTERS[form](found, accepted, prefix)
        if text:
            line(text)


def lines(found: Sequence[Finding]) -> Iterator[Text]:
    """`path:line: E001 fact`, below it the hint."""
    for each in found:
        yield Text.assemble(f"{each.place}: ", (each.id, STYLES[each.severity]), f"  {each.fact}")
        if each.hint:
            yield Text(f"    {each.hint}", style="dim")


def text(found: Sequence[Finding], accepted: Sequence[Finding], prefix: str) -> str:  # noqa: ARG001 - a Reporter
    return "\n".join(each.plain for each in lines(found))


def as_json(found: Sequence[Finding], accepted: Sequence[Finding], prefix: str) -> str:  # noqa: ARG001 - a Reporter
    return json.dumps([each.as_dict() for each in found], indent=2)


def annotations(found: Sequence[Finding], accepted: Sequence[Finding], prefix: str) -> str:  # noqa: ARG001 - a Reporter
    """Workflow commands, one line each: GitHub shows them beside the line of the file."""
    return "\n".join(annotation(each, prefix) for each in found)


def annotation(each: Finding, prefix: str) -> str:
    values = {"title": each.id}
    if each.path:
        values = {"file": prefix + each.path, "line": str(max(1, each.line)), **values}
    parts = ",".join(f"{name}={escaped(value, ':,')}" for name, value in values.items())
    return f"::{COMMANDS[each.severity]} {parts}::{escaped(f'{each.fact} {each.hint}'.strip())}"


def escaped(text: str, more: str = "") -> str:
    """As the runner reads it: the percent sign first, then line ends, in properties the separators as well."""
    for character in ("%", "\r", "\n", *more):
        text = text.replace(character, f"%{ord(character):02X}")
    return text


REPORTERS: dict[str, Reporter] = {"text": text, "json": as_json, "github": annotations, "sarif": sarif}


def summary(
    found: Sequence[Finding], accepted: Sequence[Finding], *, checked: Sequence[str], files: int, gone: int
) -> None:
    """How many there are, on standard error."""
    counted = Counter(each.severity for each in found)
    parts = [f"{counted[each]} {each.value}{'' if counted[each] == 1 else 's'}" for each in Severity if counted[each]]
    told = ", ".join(parts) or "nothing was found"
    say(f"Checked {', '.join(checked) or 'nothing: no cutover is declared'} in {files} files: {told}.")
    if accepted:
        say(f"{len(accepted)} more are accepted by the baseline.")
    if gone:
        say(f"{gone} of the baseline are no longer there: write it again with --write-baseline.")
