"""Gates on proof: the backfill, the quarantine, the verification."""

from datetime import datetime

from cutover import backfill, ledger, marks
from cutover.backfill import quarantine
from cutover.gates.verdict import Move, Verdict
from cutover.phase import Phase
from cutover.verify import MISSING_IN_JSON, latest
from cutover.verify import rehydrated as rows_without_json


def verify_clean(move: Move) -> Verdict:
    """The last verification found nothing that blocks the phase, and began after the last event that could spoil it."""
    result = latest(move.alias, move.name)
    command = f"`cutover verify {move.name}`"
    if result is None or result.finished_at is None:
        return Verdict("verify_clean", False, "No verification has finished.", f"Run {command}.")
    blocking = result.blocks(move.to)
    if blocking:
        found = ", ".join(f"{result.found[name]} {name}" for name in blocking)
        return Verdict(
            "verify_clean",
            False,
            f"The verification of {result.finished_at:%Y-%m-%d %H:%M:%S} found {found}.",
            f"{remedy(move, blocking)}, then run {command} again.",
        )
    event, at = spoiled(move)
    if at is not None and result.started_at <= at:
        return Verdict(
            "verify_clean",
            False,
            f"The last verification began at {result.started_at:%H:%M:%S}, before {event} at {at:%H:%M:%S}.",
            f"Run {command} again.",
        )
    return Verdict(
        "verify_clean",
        True,
        f"The verification of {result.finished_at:%Y-%m-%d %H:%M:%S} is clean: {result.json_elements} in JSON, "
        f"{result.table_elements} in the table.",
    )


def remedy(move: Move, blocking: list[str]) -> str:
    """What to do about the classes found."""
    if blocking == ["undecodable"]:
        return f"See `cutover quarantine {move.name}`; mend or waive what is there"
    if blocking == ["pending"]:
        return f"Run `cutover backfill {move.name}`"
    if "missing_in_table" in blocking and move.entry.backfilled_at is None:
        return f"Run `cutover backfill {move.name}`; for what it leaves, see `cutover verify {move.name} --repair`"
    return f"See `cutover verify {move.name} --repair`"


def spoiled(move: Move) -> tuple[str, datetime | None]:
    """The last event that could have made a verification untrue, and when it was."""
    events: list[tuple[str, datetime | None]] = [(f"the move to {move.entry.phase.name}", move.entry.settled_at)]
    if move.to is Phase.BACKFILL_AND_DROP:
        events.append(("the end of the backfill", move.entry.backfilled_at))
    if move.entry.moved_at is not None:
        frozen = move.to is Phase.BACKFILL_AND_DROP
        found = marks.writers(move.alias, move.name, move.entry.moved_at, updates=not frozen)
        events.append(("a foreign write", max((writer.last_at for writer in found), default=None)))
    known = [(event, at) for event, at in events if at is not None]
    return max(known, key=lambda each: each[1]) if known else ("", None)


def backfill_complete(move: Move) -> Verdict:
    """Every element of the JSON column has its row, proved over the whole range; no parent waits for a visit."""
    reasons = backfill.why_incomplete(move.binding)
    if not reasons:
        return Verdict("backfill_complete", True, "The backfill is complete.")
    return Verdict("backfill_complete", False, " ".join(reasons), f"Run `cutover backfill {move.name}`.")


def quarantine_empty(move: Move) -> Verdict:
    """No element is in quarantine, unless it was waived by name."""
    count = quarantine.open_count(move.alias, move.name)
    if not count:
        return Verdict("quarantine_empty", True, "The quarantine is empty, or what is in it was waived.")
    return Verdict(
        "quarantine_empty",
        False,
        f"{count} elements are in quarantine.",
        f"See `cutover quarantine {move.name}`; mend them and `--retry`, or `--waive` them by name.",
    )


def rehydrated(move: Move) -> Verdict:
    """JSON holds every element again, so that readers may go back to it."""
    if move.undoes:
        return Verdict("rehydrated", True, "JSON has been written all along.")
    count = rows_without_json(move.binding)
    if count:
        return Verdict(
            "rehydrated",
            False,
            f"{count} rows have no JSON element; a reader of JSON would miss them.",
            f"Run `cutover verify {move.name} --rehydrate --yes`.",
        )
    return taken_out_of_json(move) or Verdict("rehydrated", True, "No row lacks its JSON element.")


def taken_out_of_json(move: Move) -> Verdict | None:
    """Rows whose elements somebody took out of JSON, or might have since it was looked; None where there are none."""
    result, command = latest(move.alias, move.name), f"`cutover verify {move.name}`"
    at = last_foreign_write(move)
    if at is not None and (result is None or result.finished_at is None or result.started_at <= at):
        return Verdict(
            "rehydrated",
            False,
            f"No verification began after the foreign write at {at:%H:%M:%S}, which may have taken elements out of JSON.",
            f"Run {command}.",
        )
    since = move.entry.settled_at
    if stopped(move) and (result is None or since is None or result.started_at <= since):
        return Verdict(
            "rehydrated",
            False,
            f"No verification began since {move.entry.phase.name} has settled; a replace or a strip of rows alone may have taken "
            "elements out of JSON before.",
            f"Run {command}.",
        )
    lost = 0 if result is None else result.found.get(MISSING_IN_JSON, 0)
    if not lost:
        return None
    return Verdict(
        "rehydrated",
        False,
        f"The last verification found {lost} rows that JSON has lost; a reader of JSON would miss them.",
        f"Run `cutover verify {move.name} --repair --yes`, then {command}.",
    )


def stopped(move: Move) -> bool:
    """Whether rows were written alone since readers last came to them. A row that stood for an element may have lost it then."""
    stop = ledger.since_phase(move.alias, move.name, Phase.STOP_JSON_WRITES)
    shim = ledger.since_phase(move.alias, move.name, Phase.PROPERTY_SHIM)
    return stop is not None and (shim is None or stop > shim)


def last_foreign_write(move: Move) -> datetime | None:
    """When a document was last changed behind the toolkit's back since rows are written."""
    since = ledger.since_phase(move.alias, move.name, Phase.DUAL_WRITE)
    found = [] if since is None else marks.writers(move.alias, move.name, since, updates=True)
    return max((writer.last_at for writer in found), default=None)
