"""What a check found: an id, where, the fact, and what to do. The same for every rule, every format and Django's checks."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cutover.phase import Phase


class Severity(StrEnum):
    """ERROR breaks at the phase that the flags reach; WARNING at the next one; NOTE is harmless for now."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def weight(self) -> int:
        return (Severity.NOTE, Severity.WARNING, Severity.ERROR).index(self)


@dataclass(frozen=True)
class Finding:
    """One thing that does not fit.

    Attributes:
        id: `cutover.E001`; each has its section in the runbook.
        path: of the file, from the root of the project, with slashes; empty where the finding is not about a file.
        line: the first line, from 1; 0 where there is no file.
        phase: the phase in which it breaks; None where that does not depend on the phase.
        cutover: the name of the cutover; empty where it is about none.
        text: the source line, for the baseline: it moves less than its number.
    """

    id: str
    severity: Severity
    path: str
    line: int
    fact: str
    hint: str
    phase: Phase | None = None
    cutover: str = ""
    text: str = ""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}" if self.path else self.cutover or "project"

    @property
    def serious(self) -> bool:
        return self.severity is Severity.ERROR

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "severity": self.severity.value,
            "serious": self.serious,
            "path": self.path,
            "line": self.line,
            "cutover": self.cutover,
            "phase": None if self.phase is None else self.phase.name,
            "fact": self.fact,
            "hint": self.hint,
        }


def by_phase(breaks: Phase, reached: Phase) -> Severity:
    """How bad it is, at the phase that the flags reach, what breaks in another one."""
    if reached >= breaks:
        return Severity.ERROR
    return Severity.WARNING if breaks - reached == 1 else Severity.NOTE


def in_order(found: list[Finding]) -> list[Finding]:
    """By file and line, what is about no file first; each once."""
    return sorted(dict.fromkeys(found), key=lambda each: (each.path, each.line, each.id, each.fact))
