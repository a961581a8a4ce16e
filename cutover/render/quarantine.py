"""What is in quarantine: as a table, or one element whole with the JSON around it."""

from collections.abc import Sequence

from rich.text import Text

from cutover.backfill.around import Around
from cutover.backfill.quarantine import Held
from cutover.render.console import out, table

CUT = 128  # the length of a value in a table, as Vitess's VDiff has it


def quarantine(found: Sequence[Held]) -> None:
    """A line for each element."""
    lines = [
        (str(each.id), each.parent_key, each.path or "", each.reason, shortened(each), each.waived_by) for each in found
    ]
    table("Quarantine", ("id", "parent", "path", "reason", "element", "waived by"), lines)


def shortened(held: Held) -> str:
    if held.characters <= CUT:
        return held.element
    return f"{held.element[: CUT - 1]}… ({held.characters} characters)"


def quarantined(held: Held, around: Around) -> None:
    """One element: what is known of it, its text, what is around it now."""
    console = out()
    for label, text in lines(held, around):
        console.print(Text.assemble((f"{label:<11}", "dim"), text))
    console.print(Text("element", "dim"))
    console.print(Text(held.element), soft_wrap=True)
    if around.neighbors:
        console.print(Text("around it", "dim"))
        for each in around.neighbors:
            mark, style = ("> ", "bold red") if each.itself else ("  ", "")
            console.print(Text(f"{mark}[{each.index}] {each.text}", style), soft_wrap=True)
    elif around.excerpt and around.excerpt != held.element:
        console.print(Text("around it", "dim"))
        console.print(Text(around.excerpt), soft_wrap=True)


def lines(held: Held, around: Around) -> list[tuple[str, str]]:
    """What there is to say, each with its label."""
    waived = f"{held.waived_by} at {held.waived_at:%Y-%m-%d %H:%M:%S}" if held.waived_at else ""
    said = [
        ("id", str(held.id)),
        ("parent", held.parent_key),
        ("stream", held.stream or "the whole document"),
        ("path", held.path or "not known"),
        ("index", "" if held.index is None else f"{held.index} when it was found"),
        ("now at", "" if around.path in (None, held.path) else str(around.path)),
        ("found at", f"{held.at:%Y-%m-%d %H:%M:%S}"),
        ("reason", held.reason),
        ("note", around.note),
        ("waived by", waived),
        ("because", held.waived_why),
    ]
    return [(label, text) for label, text in said if text]
