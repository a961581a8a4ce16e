"""An adoption as it happens: what is compared, what was found, the gates of each phase, where it begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.text import Text

from cutover import adoption as looking
from cutover import runner
from cutover.errors import CutoverError
from cutover.phase import Phase
from cutover.render.console import document, out, say
from cutover.render.movement import Shown
from cutover.render.verdicts import verdicts


class Adopted(Shown):
    """Shows each event of an adoption; the moving and settling as any move."""

    def __init__(self, order: runner.Order, *, as_json: bool) -> None:
        super().__init__(order, as_json=as_json)
        del self.data["to"]

    def __call__(self, event: Any) -> None:
        match event:
            case looking.Found():
                self.found(event)
            case runner.Moved() | runner.Waiting() | runner.Settled():
                super().__call__(event)
            case _ if event.done:
                say(f"Compared {event.result.json_elements} elements with {event.result.table_elements} rows.")

    def found(self, found: looking.Found) -> None:
        wanted = max(self.order.to, Phase.ADD_TABLE)
        self.holds = found.phase >= wanted
        self.data |= found.as_dict()
        if not self.as_json:
            self.show(found)
        if self.order.dry_run:
            self.advise(found)

    def show(self, found: looking.Found) -> None:
        console = out()
        width = max(map(len, found.facts))
        console.print(f"{found.name}, as it is:")
        for about, fact in found.facts.items():
            console.print(Text(f"  {about:<{width}}  {fact}"))
        for step in found.steps:
            console.print(f"{step.to.name}: {'shown' if step.holds else 'not shown'}")
            verdicts(console, step.verdicts)

    def advise(self, found: looking.Found) -> None:
        if found.phase is Phase.NOT_STARTED:
            say("Nothing was moved. It cannot begin yet: see the gates of ADD_TABLE.")
        else:
            say(f"Nothing was moved. Begin with `cutover adopt {found.name} {found.phase.name} --yes`.")


@contextmanager
def adoption(order: runner.Order, *, as_json: bool) -> Iterator[Adopted]:
    """Show an adoption; with `as_json`, one document at the end, also when it is refused."""
    shown = Adopted(order, as_json=as_json)
    try:
        yield shown
    except CutoverError as error:
        shown.data |= {"error": str(error), "hint": error.hint, "exit_code": error.exit_code}
        raise
    finally:
        if as_json:
            document(shown.data)
