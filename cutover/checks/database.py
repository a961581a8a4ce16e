"""Do the ledger, the trigger and this process's flags agree? Asks the database, when it is named."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution

from cutover import conf, flags, fleet, ledger, spec
from cutover.errors import DeclarationError
from cutover.ledger import Entry
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from cutover.schema import introspect, watch


def check_database(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E030 to E033 and W034, for the cutovers whose database is named."""
    found: list[CheckMessage] = []
    for name in spec.names():
        try:
            binding, own = bind(name), conf.flags(name)
        except DeclarationError:
            continue
        if binding.alias not in (databases or ()) or not ledger.installed(binding.alias):
            continue
        entry = ledger.read(binding.alias, name)
        found += [
            *lost(binding, entry),
            *behind(entry, flags.furthest(own)),
            *schema(binding, entry),
            *processes(binding, entry),
        ]
    return found


def lost(binding: Binding, entry: Entry) -> list[CheckMessage]:
    """E033: the history knows moves and the ledger has no entry: writers take that for NOT_STARTED and write no rows."""
    moves = [] if entry.epoch else ledger.history(binding.alias, entry.name)
    if not moves:
        return []
    return [
        Error(
            f"{entry.name} has a history up to {moves[-1].to_phase.name} and no entry in the ledger.",
            hint='Write the entry back; the runbook says how under "What if the ledger row is missing".',
            obj=entry.name,
            id="cutover.E033",
        )
    ]


def behind(entry: Entry, reached: Phase) -> list[CheckMessage]:
    """E030: this process's flags are behind the ledger, so it is held one phase back."""
    if reached >= entry.phase or entry.dropped_at:
        return []
    return [
        Error(
            f"{entry.name} is at {entry.phase.name} and the flags reach {reached.name}.",
            hint=f"Turn {Phase(reached + 1).name} on here.",
            obj=entry.name,
            id="cutover.E030",
        )
    ]


def schema(binding: Binding, entry: Entry) -> list[CheckMessage]:
    """E031: no child table. E032: the watch trigger is missing or outdated."""
    if entry.phase is Phase.NOT_STARTED:
        return []
    if not introspect.table_exists(binding):
        return [
            Error(
                f"{entry.name} is at {entry.phase.name} and {binding.child.name} is not there.",
                hint="Run `manage.py migrate`.",
                obj=entry.name,
                id="cutover.E031",
            )
        ]
    state = "current" if entry.dropped_at else watch.state(binding)
    if state == "current":
        return []
    return [
        Error(
            f"{entry.name}: the watch trigger is {state}.",
            hint=f"Apply a migration with InstallWatch({entry.name!r}).",
            obj=entry.name,
            id="cutover.E032",
        )
    ]


def processes(binding: Binding, entry: Entry) -> list[CheckMessage]:
    """W034: live processes that are held back by their flags."""
    behind = [process for process in fleet.live(binding.alias, entry.name) if process.furthest < entry.phase]
    if not behind or entry.dropped_at:
        return []
    return [
        Caution(
            f"{entry.name}: {len(behind)} live processes are held back: {', '.join(map(str, behind[:5]))}.",
            hint=f"Restart them with {entry.phase.name} on.",
            obj=entry.name,
            id="cutover.W034",
        )
    ]
