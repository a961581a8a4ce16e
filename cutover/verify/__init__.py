"""Verification: both sides compared in one snapshot, differences named down to the element, and mended where possible."""

from cutover.verify.comparison import Line, compared
from cutover.verify.course import run
from cutover.verify.rebuild import rebuilt
from cutover.verify.rehydration import Rehydrated, rehydrate, rehydrated
from cutover.verify.repairs import Action, repair
from cutover.verify.result import MISSING_IN_JSON, Example, Progress, Result
from cutover.verify.store import latest

__all__ = [
    "MISSING_IN_JSON",
    "Action",
    "Example",
    "Line",
    "Progress",
    "Rehydrated",
    "Result",
    "compared",
    "latest",
    "rebuilt",
    "rehydrate",
    "rehydrated",
    "repair",
    "run",
]
