"""A move as it happens: the gates, the new phase, who is waited for, the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cutover import runner
from cutover.errors import CutoverError
from cutover.render.console import document, out, say
from cutover.render.verdicts import verdicts


class Shown:
    """Shows each event of a move once; remembers enough for the JSON document."""

    def __init__(self, order: runner.Order, *, as_json: bool) -> None:
        self.order = order
        self.as_json = as_json
        self.holds = True
        self.waited_for: list[str] = []
        self.data: dict[str, Any] = {"name": order.binding.name, "to": order.to.name, "dry_run": order.dry_run}

    def __call__(self, event: Any) -> None:
        match event:
            case runner.Judged():
                self.judged(event)
            case runner.Moved():
                self.moved(event)
            case runner.Waiting():
                self.waiting(event)
            case runner.Settled():
                self.settled(event)

    def judged(self, event: runner.Judged) -> None:
        self.holds = event.holds
        self.data["from"] = event.move.entry.phase.name
        self.data["gates"] = [verdict.as_dict() for verdict in event.verdicts]
        if not self.as_json:
            console = out()
            console.print(f"{event.move.name}: {event.move.entry.phase.name} to {event.move.to.name}")
            verdicts(console, event.verdicts)
        if self.order.dry_run:
            say("Nothing was changed: this was a dry run.")

    def moved(self, event: runner.Moved) -> None:
        self.data["epoch"] = event.entry.epoch
        say(f"{event.entry.name} is at {event.entry.phase.name}; waiting for what began before.")

    def waiting(self, event: runner.Waiting) -> None:
        names = [str(holder) for holder in event.holders]
        for name in names:
            if name not in self.waited_for:
                self.waited_for.append(name)
                say(f"  waits for {name}", "yellow")

    def settled(self, event: runner.Settled) -> None:
        self.data |= {"settled": True, "waited_for": self.waited_for, "waived": event.waived}
        if not self.as_json:
            out().print(f"{event.entry.name} is at {event.entry.phase.name}, settled.")


@contextmanager
def movement(order: runner.Order, *, as_json: bool) -> Iterator[Shown]:
    """Show a move; with `as_json`, one document at the end, also when it is refused."""
    shown = Shown(order, as_json=as_json)
    try:
        yield shown
    except CutoverError as error:
        shown.data |= {"error": str(error), "hint": error.hint, "exit_code": error.exit_code}
        raise
    finally:
        if as_json:
            document(shown.data)
