"""What the checks found."""

from collections.abc import Sequence

from django.core.checks import CheckMessage
from rich.text import Text

from cutover.render.console import document, out, say


def findings(found: Sequence[CheckMessage], *, checked: Sequence[str], as_json: bool) -> None:
    """One line per finding with its id, then its hint; or one JSON document."""
    if as_json:
        document([{"id": each.id, "serious": each.is_serious(), "fact": each.msg, "hint": each.hint} for each in found])
        return
    console = out()
    for each in found:
        console.print(Text.assemble((f"{each.id}", "bold red" if each.is_serious() else "yellow"), f"  {each.msg}"))
        if each.hint:
            console.print(Text(f"    {each.hint}", style="dim"))
    if not found:
        say(f"Checked {', '.join(checked) or 'nothing: no cutover is declared'}. Nothing was found.")
