"""The story as a picture that changes in place: the stretches, the fleet, the last commands."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cutover.cli.demo.words import words
from cutover.demo.events import Began, Event, Member, Ticked
from cutover.demo.meter import Reading
from cutover.phase import FLAGGED, Phase
from cutover.render import console

TITLES = ("legacy", Phase.NOT_STARTED.title, *(phase.title for phase in FLAGGED), "column dropped")
COLOURS = {"legacy": "red", "converted": "yellow", "field_removed": "green"}
LAST_WORDS = 7


@dataclass
class Picture:
    """What is known so far, and how it is drawn."""

    seconds: float
    now: float = 0.0
    began: float = 0.0
    title: str = ""
    fleet: tuple[Member, ...] = ()
    stretches: dict[str, Reading] = field(default_factory=dict)
    lasted: dict[str, float] = field(default_factory=dict)
    total: Reading = field(default_factory=Reading)
    said: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))

    def take(self, event: Event) -> None:
        if isinstance(event, Began):
            self.title, self.began = event.title, self.now
            self.stretches[self.title] = Reading()
        elif isinstance(event, Ticked):
            self.tick(event)
        else:
            self.said.extend(words(event))

    def tick(self, event: Ticked) -> None:
        self.now, self.fleet = event.seconds, event.fleet
        self.total.add(event.reading)
        if self.title:
            self.stretches[self.title].add(event.reading)
            self.lasted[self.title] = self.now - self.began

    def drawn(self) -> RenderableType:
        head = f"{self.now:.0f} of about {self.seconds:.0f} s"
        parts = (
            self.story(),
            self.processes(),
            self.readers(),
            Text("\n".join(self.said), style="dim", overflow="fold"),
        )
        return Panel(Group(*parts), title="cutover demo", subtitle=head, box=box.ROUNDED)

    def story(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for header in ("", "stretch", "seconds", "appends", "per second", "longest wait"):
            table.add_column(header, justify="left" if header in ("", "stretch") else "right")
        for title in TITLES:
            table.add_row(*self.stretch(title), style="bold" if title == self.title else "")
        return table

    def stretch(self, title: str) -> tuple[str, ...]:
        reading = self.stretches.get(title)
        if reading is None:
            return "·", title, "", "", "", ""
        lasted = self.lasted.get(title, 0.0)
        rate = reading.lines / lasted if lasted else 0.0
        mark = "▸" if title == self.title else "✓"
        return mark, title, f"{lasted:.1f}", f"{reading.lines:,}", f"{rate:,.0f}", f"{reading.waited * 1000:,.0f} ms"

    def processes(self) -> Text:
        text = Text("\n")
        for member in self.fleet:
            colour = COLOURS.get(member.deployment.split()[0], "white")
            text.append(f"{member.name} ").append(f"{member.deployment}", style=colour).append("   ")
        return text

    def readers(self) -> Text:
        good = not self.total.short and not self.total.doubled
        told = f"\n{self.total.reads:,} reads, {self.total.short} short, {self.total.doubled} doubled\n"
        return Text(told, style="green" if good else "bold red")


def live(story: Iterator[Event], seconds: float) -> Iterator[Event]:
    """Draw each event as it comes, and pass it on."""
    picture = Picture(seconds)
    with Live(console=console.talk(), auto_refresh=False, transient=True) as shown:
        for event in story:
            picture.take(event)
            shown.update(picture.drawn(), refresh=True)
            yield event
