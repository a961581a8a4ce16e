"""Verification: both sides compared in one snapshot, differences named down to the element, and mended where possible."""

from cutover.verify.comparison import Line, compared
from cutover.verify.course import run
from cutover.verify.partial import run as run_some
from cutover.verify.rebuild import rebuilt
from cutover.verify.rehydration import Alone, Rehydrated, alone, rehydrate, rehydrated
from cutover.verify.repairs import Action, repair
from cutover.verify.result import MISSING_IN_JSON, Example, Progress, Result, cut
from cutover.verify.selection import Selection, named, sample, since
from cutover.verify.store import latest

__all__ = [
    "MISSING_IN_JSON",
    "Action",
    "Alone",
    "Example",
    "Line",
    "Progress",
    "Rehydrated",
    "Result",
    "Selection",
    "alone",
    "compared",
    "cut",
    "latest",
    "named",
    "rebuilt",
    "rehydrate",
    "rehydrated",
    "repair",
    "run",
    "run_some",
    "sample",
    "since",
]
