"""The result of a verification: both sides, what was found, and examples down to the element."""

from rich.text import Text

from cutover.render.console import out, table
from cutover.verify import Result

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
