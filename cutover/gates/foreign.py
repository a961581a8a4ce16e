"""Gates on writes that do not come from the toolkit: old code, the admin, psql."""

from datetime import timedelta

from cutover import ledger, marks
from cutover.gates.verdict import Move, Verdict
from cutover.phase import Phase
from cutover.schema import introspect
from cutover.verify import latest


def no_foreign_writers(move: Move) -> Verdict:
    """Nobody but the toolkit has written to the JSON column for the declaration's quiet time."""
    quiet: timedelta = move.binding.cutover.quiet
    now, since = move.entry.now, move.entry.moved_at
    if now is None or since is None or now - since < quiet:
        left = quiet if now is None or since is None else quiet - (now - since)
        return Verdict(
            "no_foreign_writers",
            False,
            f"{move.entry.phase.name} has been watched for less than {seconds(quiet)}.",
            f"Run the same command again in {seconds(left)}.",
        )
    found = marks.writers(move.alias, move.name, now - quiet, updates=True)
    if not found:
        return Verdict("no_foreign_writers", True, f"No foreign write in the last {seconds(quiet)}.")
    names = "; ".join(str(writer) for writer in found[:5])
    return Verdict(
        "no_foreign_writers",
        False,
        f"Foreign writes to {move.binding.column} in the last {seconds(quiet)}: {names}.",
        f"Convert these writers to `cutover.use({move.name!r}).append(...)`, deploy, and try again.",
    )


def no_foreign_writes(move: Move) -> Verdict:
    """Nobody has written to the JSON column since it is no longer written."""
    since = ledger.since_phase(move.alias, move.name, Phase.STOP_JSON_WRITES)
    found = [] if since is None else marks.writers(move.alias, move.name, since)
    if not found:
        return Verdict("no_foreign_writes", True, "No foreign write since STOP_JSON_WRITES.")
    visited = marks.count_dirty(move.alias, move.name) == 0
    names = "; ".join(str(writer) for writer in found[:5])
    if (
        visited
        and move.entry.now is not None
        and max(w.last_at for w in found) < move.entry.now - move.binding.cutover.quiet
    ):
        return Verdict("no_foreign_writes", True, f"Foreign writes since STOP_JSON_WRITES were all visited: {names}.")
    return Verdict(
        "no_foreign_writes",
        False,
        f"Foreign writes to {move.binding.column} since STOP_JSON_WRITES: {names}.",
        f"Convert these writers; then `cutover backfill {move.name}` takes their elements over.",
    )


def no_stale_rows(move: Move) -> Verdict:
    """No row was left behind by a time of JSON-only writes after an earlier dual write, be it as short as an undone move."""
    if not introspect.has_rows(move.binding):
        return Verdict("no_stale_rows", True, "No rows from an earlier dual write stand in the way.")
    result = latest(move.alias, move.name)
    since = move.entry.moved_at
    if result is not None and result.finished_at and since and result.started_at > since:
        blocking = result.blocks(Phase.DUAL_WRITE)
        if not blocking:
            return Verdict("no_stale_rows", True, "The rows of an earlier dual write agree with JSON.")
    return Verdict(
        "no_stale_rows",
        False,
        f"{move.binding.child.name} holds rows from before; JSON may have moved on since.",
        f"Run `cutover verify {move.name}`; where it reports stale rows, `cutover verify {move.name} --repair --yes`.",
    )


def seconds(duration: timedelta) -> str:
    return f"{max(1, round(duration.total_seconds()))} s"
