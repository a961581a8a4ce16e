"""The summary at the end of the story, for a person or as JSON."""

from rich.table import Table
from rich.text import Text

from cutover.demo.events import Kept
from cutover.demo.summary import Buffered, Stretch, Summary
from cutover.render import console


def ending(summary: Summary, kept: Kept | None, *, as_json: bool) -> None:
    """Print the summary on standard output; how to explore what was kept goes with it."""
    if as_json:
        exploring = None if kept is None else {"directory": kept.directory, **dict(kept.commands)}
        console.document({**summary.as_dict(), "kept": exploring})
        return
    console.table(
        "The stretches of the story",
        ("", "seconds", "appends", "appends/s", "longest wait"),
        [line(stretch) for stretch in summary.stretches],
    )
    facts(summary)
    verdict(summary)
    if kept is not None:
        explore(kept)


def line(stretch: Stretch) -> tuple[str, ...]:
    reading = stretch.reading
    wait = f"{reading.waited * 1000:,.0f} ms"
    return stretch.name, f"{stretch.seconds:.1f}", f"{reading.lines:,}", f"{stretch.per_second:,.0f}", wait


def facts(summary: Summary) -> None:
    told = Table.grid(padding=(0, 2))
    for label, text in (
        ("lines written", f"{summary.written:,}, and {summary.history:,} elements of history from before"),
        ("lost by the legacy handler", f"{summary.lost_by_legacy:,} of {summary.written_before:,}, before phase 1"),
        ("lost since", f"{summary.lost:,} of {summary.expected:,} elements that must have a row"),
        ("doubled since", f"{summary.doubled:,} of {summary.rows:,} rows"),
        ("order", f"{summary.swapped:,} of {summary.followed:,} rows before one that the same process wrote first"),
        ("cut by the cap", f"{summary.cut:,}, before dual write, as the legacy handler would have"),
        ("readers", f"{summary.reads:,} reads and {summary.audits} audits, {summary.short:,} elements short"),
        ("checksum of JSON", summary.json_checksum),
        ("checksum of the table", summary.table_checksum),
        *([] if summary.buffer is None else [("through the buffer", buffered(summary.buffer))]),
        ("the column", "dropped" if summary.column_dropped else "still there"),
    ):
        told.add_row(Text(label, style="dim"), Text(text))
    console.out().print(told)
    console.out().print(
        Text(
            '"Since" counts from the moment at which the last legacy process had ended, just before phase 1: while one was '
            "left, it overwrote the lines of the others, the converted ones' too.",
            style="dim",
        )
    )


def buffered(buffer: Buffered) -> str:
    killed = f"the flusher was killed {buffer.flushers_killed} times, Redis {buffer.redis_killed} times"
    return (
        f"{buffer.lines:,} lines, and {buffer.past:,} past it while Redis was gone; {buffer.left:,} are left; {killed}"
    )


def verdict(summary: Summary) -> None:
    screen = console.out()
    if not summary.faults:
        screen.print(
            Text("Nothing was lost, nothing was doubled, no reader saw less than it should.", style="bold green")
        )
    for fault in summary.faults:
        screen.print(Text(fault, style="bold red"))
    for example in summary.examples if summary.faults else ():
        screen.print(Text(f"  {example}", style="red"))


def explore(kept: Kept) -> None:
    screen = console.out()
    screen.print(Text(f"\nServer and project stay in {kept.directory}:"))
    for label, command in kept.commands:
        screen.print(Text.assemble((f"  # {label}\n", "dim"), f"  {command}"), soft_wrap=True)
