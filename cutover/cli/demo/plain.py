"""The story line by line, on standard error: for pipes, files and CI."""

from collections.abc import Iterator

from cutover.cli.demo.words import words
from cutover.demo.events import Event, Ticked
from cutover.demo.meter import Reading
from cutover.render import console

EVERY = 5.0  # seconds between two lines about the running system


def plain(story: Iterator[Event], seconds: float) -> Iterator[Event]:
    """Say each event as it comes, and pass it on."""
    console.say(f"about {seconds:.0f} s, more where the work needs it")
    now, told, since = 0.0, 0.0, Reading()
    for event in story:
        if isinstance(event, Ticked):
            now = event.seconds
            since.add(event.reading)
            if now - told >= EVERY:
                console.say(f"{now:6.1f} s    {running(since, now - told)}")
                told, since = now, Reading()
        else:
            for line in words(event):
                console.say(f"{now:6.1f} s  {line}")
        yield event


def running(reading: Reading, seconds: float) -> str:
    rate = reading.lines / max(seconds, 1e-3)
    said = f"{rate:,.0f} appends/s, longest wait {reading.waited * 1000:,.0f} ms, {reading.reads:,} reads, {reading.short} short"
    return f"{said}, {reading.errors} errors: {reading.examples[0]}" if reading.errors and reading.examples else said
