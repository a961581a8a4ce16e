"""What shadow reads have found: both sides beside each other."""

from collections.abc import Sequence

from rich.text import Text

from cutover.read.shadows import Stored, Summary
from cutover.render.console import out, table

ENDED = "-"


def shadow(name: str, summary: Summary, found: Sequence[Stored]) -> None:
    """Print the differences on standard output, the latest first."""
    word, style = (
        (f"{summary.differences} DIFFER", "bold red") if summary.differences else ("none differs", "bold green")
    )
    since = "" if summary.since is None else f" since {summary.since:%Y-%m-%d %H:%M:%S}"
    out().print(Text.assemble(f"Shadow reads of {name}: {summary.compared} compared{since}, ", (word, style), "."))
    if found:
        table(
            "The first difference of each list",
            ("parent", "list", "place", "JSON", "rows", "times", "last"),
            lines(found),
        )


def lines(found: Sequence[Stored]) -> list[tuple[str, ...]]:
    return [
        (
            each.parent,
            each.stream if each.key is None else f"{each.stream}: {each.key}",
            str(each.number),
            ENDED if each.json is None else each.json,
            ENDED if each.row is None else each.row,
            str(each.times),
            f"{each.last_at:%Y-%m-%d %H:%M:%S}",
        )
        for each in found
    ]
