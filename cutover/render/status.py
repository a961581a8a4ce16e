"""A cutover as it stands, for somebody with a pager: what happens now, what is next, how to get back."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from cutover import fleet
from cutover.phase import FLAGGED, Phase
from cutover.render.console import out
from cutover.render.flushing import buffer
from cutover.render.verdicts import verdicts
from cutover.report import Report

LOSSLESS: dict[bool | None, tuple[str, str]] = {
    True: ("lossless", "green"),
    False: ("NOT LOSSLESS", "yellow"),
    None: ("not known", "yellow"),
}
WRITES = {True: "JSON and rows", False: "JSON"}


def status(report: Report) -> None:
    """Print the whole report on standard output."""
    console = out()
    heading(console, report)
    for label, text in lines(report):
        console.print(Text.assemble((f"  {label:<11}", "dim"), text))
    processes(console, report)
    ahead(console, report)
    back(console, report)
    console.print()


def heading(console: Console, report: Report) -> None:
    entry = report.entry
    settled = "settled" if entry.settled else "NOT SETTLED"
    style = "bold green" if entry.settled else "bold yellow"
    console.print(
        Text.assemble(
            (entry.name, "bold"), "  phase ", (f"{int(entry.phase)} {entry.phase.name}", style), f", {settled}"
        )
    )


def lines(report: Report) -> list[tuple[str, str]]:
    """What there is to say, each with its label."""
    entry = report.entry
    on = [phase.name for phase in FLAGGED if report.flags[phase]]
    said = [
        ("now", f"writers write {writes(entry.phase)}; readers read {reads(report)}"),
        ("flags", ", ".join(on) if on else "none is on"),
        ("held back", held_back(report)),
        ("since", f"{entry.moved_at:%Y-%m-%d %H:%M:%S}, from {entry.came_from.name}" if entry.epoch else ""),
        ("driver", entry.driver),
        ("backfill", filling(report)),
        *crew(report),
        ("dirty", f"{report.dirty} marks of foreign writes wait for the backfill" if report.dirty else ""),
        ("quarantine", f"{report.quarantined} elements" if report.quarantined else ""),
        ("verified", verified(report)),
        *([] if report.buffer is None else buffer(report.buffer)),
        ("shadow", shadowed(report)),
        ("dropped", f"the column has been gone since {entry.dropped_at:%Y-%m-%d %H:%M:%S}" if entry.dropped_at else ""),
    ]
    return [(label, text) for label, text in said if text]


def held_back(report: Report) -> str:
    if report.effective is report.entry.phase:
        return ""
    return f"a flag that is off holds this process at {report.effective.name}"


def filling(report: Report) -> str:
    """How far the backfill is, and why it waits."""
    status = report.backfill
    if status is None:
        return ""
    now = status.progress
    if status.complete:
        return f"complete: {now.elements} elements of {now.parents} parents"
    if not status.planned:
        return "not begun"
    words = [f"{now.parents} of about {now.estimate} parents, {now.elements} elements"]
    return "; ".join(words)


def crew(report: Report) -> Iterator[tuple[str, str]]:
    """How gently the backfill goes, its workers and what they wait for, and what is worth knowing."""
    status = report.backfill
    if status is None or not (status.workers or (status.planned and not status.complete)):
        return
    yield "pace", str(status.controls)
    for each in status.workers:
        yield "worker", f"{each}, since {each.since:%H:%M:%S}" if each.waiting else str(each)
    for reason in status.waiting:
        yield "waits", reason
    for note in status.notes:
        yield "note", note


def verified(report: Report) -> str:
    """What the last verification found, and when."""
    result = report.verification
    if result is None:
        return ""
    if result.finished_at is None:
        return f"under way, {result.parents} parents so far"
    found = ", ".join(f"{number} {kind}" for kind, number in sorted(result.found.items()))
    word = "differs" if result.differs else "agrees"
    return f"{result.finished_at:%Y-%m-%d %H:%M:%S}: {word}" + (f" ({found})" if found else "")


def shadowed(report: Report) -> str:
    """How many reads were compared, and what came of it."""
    found = report.shadow
    if not found.compared and not found.differences:
        return ""
    told = (
        f"{found.differences} lists differ: `cutover shadow {report.entry.name}`"
        if found.differences
        else "none differs"
    )
    return f"{found.compared} reads compared, {told}"


def writes(phase: Phase) -> str:
    return "rows" if not phase.writes_json else WRITES[phase.writes_rows]


def reads(report: Report) -> str:
    if not report.entry.phase.reads_rows:
        return "JSON"
    rows_alone = report.entry.phase is Phase.BACKFILL_AND_DROP and report.entry.backfilled_at is not None
    return "rows" if rows_alone else "rows, united with what JSON still holds alone"


def processes(console: Console, report: Report) -> None:
    if not report.processes:
        return
    console.print(Text(f"  fleet      {len(report.processes)} live processes", style=""))
    for process in report.processes[:20]:
        behind = process.furthest < report.entry.phase and not report.entry.dropped_at
        note = "  HELD BACK by its flags" if behind else ""
        console.print(
            Text(
                f"    {process}  flags {fleet.packed(process.flags)}  seen {process.seen_at:%H:%M:%S}{note}",
                "red" if note else "",
            )
        )
    if len(report.processes) > 20:
        console.print(Text(f"    and {len(report.processes) - 20} more"))


def ahead(console: Console, report: Report) -> None:
    name = report.entry.name
    if not report.entry.settled:
        console.print(Text(f"  next       cutover advance {name} {report.entry.phase.name}   (goes on waiting)"))
    elif report.next is not None:
        console.print(Text(f"  next       cutover advance {name} {report.next.name}"))
        verdicts(console, report.ahead)
        if not report.ahead:
            console.print(Text("             --dry-run asks its gates", "dim"))


def back(console: Console, report: Report) -> None:
    """The step back, whether JSON then holds everything, and what makes it so."""
    found = report.back
    if found.to is not None:
        console.print(Text(f"  back       cutover rollback {report.entry.name} {found.to.name}"))
    elif not report.entry.dropped_at:
        return
    word, style = LOSSLESS[found.lossless]
    console.print(Text.assemble(("  to JSON    ", "dim"), (word, style), f": {found.fact}"))
    for command in found.commands:
        console.print(Text(f"             {command}"))
