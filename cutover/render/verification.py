"""The result of a verification: both sides, what was found, and examples down to the element."""

from rich.text import Text

from cutover.render.console import out, table
from cutover.verify import Line, Result, cut

MEANING = {
    "missing_in_table": "an element without a row: the drop would lose it",
    "pending": "an element that the backfill has yet to take over",
    "undecodable": "in quarantine",
    "waived": "in quarantine, waived by name",
    "orphan": "a row whose parent is gone",
    "missing_in_json": "a row that JSON lost",
    "after_json": "a row that was written without JSON, as from STOP_JSON_WRITES on",
    "value_differs": "an element and its row differ",
    "order_differs": "a list whose rows are in another order",
    "beyond_cap": "older than the cap of the list, as expected",
    "stale": "a row of an earlier dual write",
    "unencodable": "a row that makes no element",
}


def verification(result: Result) -> None:
    """Print the result on standard output."""
    console = out()
    word, style = ("DIFFERS", "bold red") if result.differs else ("agrees", "bold green")
    console.print(Text.assemble(("The two sides: ", ""), (word, style), f", {result.parents} parents."))
    if result.scope:
        console.print(Text(f"Only {result.scope}; no gate takes this for a verification.", style="yellow"))
    table(
        "Both sides",
        ("side", "elements", "checksum"),
        [
            ("JSON", str(result.json_elements), result.json_checksum),
            ("table", str(result.table_elements), result.table_checksum),
        ],
    )
    if result.found:
        lines = [(kind, str(number), MEANING.get(kind, "")) for kind, number in sorted(result.found.items())]
        table("Found", ("class", "number", "meaning"), lines)
    if result.examples:
        shown = [(each.kind, each.parent, each.stream, each.key or "", each.element) for each in result.examples]
        table("Examples", ("class", "parent", "stream", "key", "element"), shown)


def sides(parent: str, lines: list[Line]) -> None:
    """Both sides of one parent beside each other, newest first, values cut."""
    shown = [
        (each.stream, each.key or "", short(each.element), short(each.row), each.verdict.replace("agrees", ""))
        for each in lines
    ]
    table(f"Parent {parent}", ("stream", "key", "element", "row", "verdict"), shown)


def short(text: str | None) -> str:
    return "-" if text is None else cut(text)
