"""Gates: which hold, which do not, and what to do about those."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from cutover.gates import Verdict


def verdicts(console: Console, found: Sequence[Verdict]) -> None:
    """One line per gate; under one that does not hold, its hint."""
    width = max((len(verdict.gate) for verdict in found), default=0)
    for verdict in found:
        mark, style = ("ok  ", "green") if verdict.holds else ("no  ", "bold red")
        console.print(Text.assemble((f"  {mark}", style), f"{verdict.gate:<{width}}  {verdict.fact}"))
        if not verdict.holds and verdict.hint:
            console.print(Text(f"      {'':<{width}}  {verdict.hint}", style="yellow"))
