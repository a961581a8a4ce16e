"""Whether the way back to JSON loses anything now, and if so how much, and which commands make it whole. It changes nothing.

It has a second: an operator asks for it while the database is busy.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cutover import verify
from cutover.gates import Move, Verdict
from cutover.gates.evidence import taken_out_of_json
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.schema import archive
from cutover.verify import Alone

PATIENCE = timedelta(seconds=1)


@dataclass(frozen=True)
class WayBack:
    """From here to readers of JSON alone.

    Attributes:
        to: the phase before this one; None where there is none, or no way by a rollback.
        lossless: whether readers of JSON would miss nothing; None where that is not known.
        alone: rows of which JSON knows nothing, and their parents.
        fact: in a sentence.
        commands: what makes it lossless, in order; then readers of JSON can follow.
    """

    to: Phase | None
    lossless: bool | None
    alone: Alone
    fact: str
    commands: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "to": None if self.to is None else self.to.name,
            "lossless": self.lossless,
            "rows_without_json": self.alone.rows,
            "parents_without_json": self.alone.parents,
            "counted": self.alone.exact,
            "fact": self.fact,
            "commands": self.commands,
        }


def look(binding: Binding, entry: Entry) -> WayBack:
    """The way back from where the ledger stands."""
    if entry.dropped_at:
        return dropped(binding, entry)
    to = None if entry.phase is Phase.NOT_STARTED else Phase(entry.phase - 1)
    if not entry.phase.reads_rows:
        return WayBack(to, True, Alone(0, 0), "JSON is what readers read.")
    alone = verify.alone(binding, patience=PATIENCE)
    home = [f"cutover rollback {binding.name} {Phase(n).name}" for n in range(entry.phase - 1, Phase.DUAL_WRITE, -1)]
    if alone.rows or not alone.exact:
        commands = [*home, f"cutover verify {binding.name} --rehydrate --yes", f"cutover verify {binding.name}"]
        return WayBack(to, False if alone.rows else None, alone, told(alone), commands)
    doubt = taken_out_of_json(Move(binding, entry, Phase.DUAL_WRITE))
    if doubt is not None:
        return doubted(binding, to, alone, doubt, home)
    if home and (binding.cutover.rewrites or entry.backfilled_at):
        fact = "No row was written without JSON; whether a replace has taken elements out of it, a verification can tell there."
        return WayBack(to, None, alone, fact, [*home, f"cutover verify {binding.name}"])
    return WayBack(to, True, alone, "No row lacks its JSON element.")


def doubted(binding: Binding, to: Phase | None, alone: Alone, doubt: Verdict, home: list[str]) -> WayBack:
    """Elements were taken out of JSON, or may have been."""
    result = verify.latest(binding.alias, binding.name)
    known = result is not None and bool(result.found.get(verify.MISSING_IN_JSON)) and "has lost" in doubt.fact
    mend = [f"cutover verify {binding.name} --repair --yes"] if known else []
    return WayBack(to, False if known else None, alone, doubt.fact, [*home, *mend, f"cutover verify {binding.name}"])


def dropped(binding: Binding, entry: Entry) -> WayBack:
    """A migration backwards makes the column from the rows, and what they do not hold from the archive."""
    whole = archive.complete(binding.alias, binding.name, entry.epoch)
    fact = "A migration backwards over the drop fills the column from the rows and the archive."
    if not whole:
        fact = "A migration backwards over the drop fills the column from the rows; there is no archive of what they do not hold."
    return WayBack(None, whole, Alone(0, 0), fact)


def told(alone: Alone) -> str:
    if not alone.rows:
        return f"It could not be told within {PATIENCE.total_seconds():.0f} s whether rows lack their JSON elements."
    least = "" if alone.exact else "At least "
    return (
        f"{least}{alone.rows} rows (parents: {alone.parents}) have no JSON element; a reader of JSON would miss them."
    )
