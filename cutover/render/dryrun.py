"""What a backfill would have to do."""

from cutover.backfill.dryrun import Amount, Estimate
from cutover.render.console import document, line, say

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
SOURCES = {"chunks": "from the chunks so far", "trial": "from a trial on a few parents, rolled back"}


def dry_run(found: Estimate, *, as_json: bool) -> None:
    """A few lines, or one JSON document."""
    if as_json:
        document(found.as_dict())
        return
    how = "counted" if found.share == 1.0 else f"estimated from {found.share:.1%} of the table"
    line(f"{found.name}: {amount(found.total)} ({how})")
    if found.ahead != found.total:
        line(f"  to do    {amount(found.ahead)}")
    line(f"  takes    {takes(found)}")
    say("Nothing was changed: this was a dry run.")


def amount(of: Amount) -> str:
    return f"{of.parents:,} parents, {of.elements:,} elements, {of.size_bytes / 2**20:,.1f} MiB"


def takes(found: Estimate) -> str:
    """The time of one worker, and where it comes from."""
    if found.elements_per_second is None or found.takes is None:
        return "unknown: there was no parent to try, or no table to try it on"
    rests = f", resting {found.rest:.0%} of the time" if found.rest else ""
    speed = f"{found.elements_per_second:,.0f} elements/s {SOURCES[found.source]}"
    return f"about {spoken(found.takes.total_seconds())} with one worker, without the last look ({speed}{rests})"


def spoken(seconds: float) -> str:
    """Two units at most: "3 h 20 min", "45 s"."""
    left, words = max(1, round(seconds)), list[str]()
    for size, unit in UNITS:
        if left >= size and len(words) < 2:
            words.append(f"{left // size} {unit}")
            left %= size
    return " ".join(words)
