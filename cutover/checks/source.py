"""What the source says, as Django's own checks: the same ids. A reading of text can be wrong, so nothing here stops a command."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as Caution

from cutover import scan, spec
from cutover.scan import Finding, Severity

ELSEWHERE = {"cutover.E001", "cutover.E002", "cutover.E003", "cutover.E020", "cutover.E021"}  # of the loaded project


def check_source(**_: Any) -> list[CheckMessage]:
    """E022 to E029, E061 and S040 to S054, below BASE_DIR or else the current directory.

    What breaks now or in the next phase is a warning here. What is harmless for now is left to `cutover check`: every command of
    Django that checks would print it.
    """
    from cutover.checks.gather import known_flags

    if not spec.names():
        return []
    root = Path(getattr(settings, "BASE_DIR", None) or Path.cwd())
    found = scan.examine(scan.Order(root, known=known_flags())).findings
    return [message(each) for each in found if each.id not in ELSEWHERE and each.severity is not Severity.NOTE]


def message(each: Finding) -> CheckMessage:
    return Caution(each.fact, hint=each.hint, obj=each.place, id=each.id)
