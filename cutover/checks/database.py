"""Do the ledger, the trigger, the fleet and the flags agree, and could the next move be made? Asks the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution

from cutover import conf, db, flags, fleet, ledger, marks, spec
from cutover.errors import DeclarationError
from cutover.ledger import Entry
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from cutover.schema import introspect, watch
from cutover.sql import query

NAMED = 5  # processes, writers or transactions in one message


def check_database(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E030 to E033 and W034 to W037, for the cutovers whose database is named."""
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
            *foreign(binding, entry),
            *unsettled(entry),
            *long_transactions(binding, entry),
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
            f"{entry.name}: {len(behind)} live processes are held back: {', '.join(map(str, behind[:NAMED]))}.",
            hint=f"Restart them with {entry.phase.name} on.",
            obj=entry.name,
            id="cutover.W034",
        )
    ]


def foreign(binding: Binding, entry: Entry) -> list[CheckMessage]:
    """W035: writes behind the toolkit's back, since the phase began; before DUAL_WRITE those of the quiet time alone."""
    since = watched_since(binding, entry)
    if since is None or entry.dropped_at:
        return []
    found = marks.writers(binding.alias, entry.name, since, updates=entry.phase.writes_json)
    if not found:
        return []
    return [
        Caution(
            f"{entry.name}: foreign writes to {binding.column} since {since:%Y-%m-%d %H:%M:%S %Z}: "
            f"{'; '.join(map(str, found[:NAMED]))}.",
            hint=f"Convert these writers to `cutover.use({entry.name!r})`; the next gates ask for it.",
            obj=entry.name,
            id="cutover.W035",
        )
    ]


def watched_since(binding: Binding, entry: Entry) -> datetime | None:
    """From when on a foreign write counts; None where nothing is watched yet."""
    if entry.phase is Phase.NOT_STARTED or entry.now is None:
        return None
    if entry.phase is Phase.ADD_TABLE:
        quiet: timedelta = binding.cutover.quiet
        return entry.now - quiet
    if entry.phase >= Phase.STOP_JSON_WRITES:
        return ledger.since_phase(binding.alias, entry.name, Phase.STOP_JSON_WRITES)
    return entry.moved_at


def unsettled(entry: Entry) -> list[CheckMessage]:
    """W037: a move that was made and has not been seen through."""
    if entry.settled:
        return []
    return [
        Caution(
            f"{entry.name} was moved to {entry.phase.name} and has not settled.",
            hint=f"Run `cutover advance {entry.name} {entry.phase.name}` again; it goes on waiting.",
            obj=entry.name,
            id="cutover.W037",
        )
    ]


def long_transactions(binding: Binding, entry: Entry) -> list[CheckMessage]:
    """W036: an advance waits for every transaction that is older than it; these have been there for long."""
    limit = conf.old_transaction_report()
    if limit is None or entry.now is None or entry.phase is Phase.BACKFILL_AND_DROP:
        return []
    found = [text for text, since in transactions(binding.alias) if entry.now - since > limit]
    if not found:
        return []
    return [
        Caution(
            f"{entry.name}: transactions older than {limit.total_seconds():.0f} s would hold an advance: "
            f"{'; '.join(found[:NAMED])}.",
            hint="End them first, or let `cutover advance` name them and waive a reader by its pid.",
            obj=entry.name,
            id="cutover.W036",
        )
    ]


def transactions(alias: str) -> list[tuple[str, datetime]]:
    """Running and prepared transactions and when they began; those of other roles only where this one may see that."""
    found = []
    for pid, _, application, user, since, _, _ in db.rows(alias, query("settling", "running")):
        if since is not None:
            who = f"{application or 'no application_name'}, as {user}"
            found.append((f"backend {pid}, {who}, since {since:%H:%M:%S}", since))
    for gid, owner, at in db.rows(alias, query("settling", "prepared")):
        found.append((f"prepared transaction {gid!r} of {owner}, since {at:%H:%M:%S}", at))
    return found
