"""What becomes of each use of the column: the phase in which it breaks, why, and what to write instead."""

from dataclasses import dataclass

from cutover.phase import Phase


@dataclass(frozen=True)
class Consequence:
    """`why` continues "breaks in PHASE, "; `hint` may name the cutover as {name} and the field as {field}."""

    phase: Phase
    why: str
    hint: str


RAISES = "where a save of a changed document raises MutatedDocument"
FOREIGN = "where JSON alone would be written: the watch trigger records it, and the gate stays shut"
FROZEN = "where the column is no longer written, so that the answer is old"
GONE = "where the field leaves the model"

CONSEQUENCES = {
    "S040": Consequence(Phase.DUAL_WRITE, RAISES, "Use cutover.use({name!r}).replace(...), or append(...) for what is new."),
    "S041": Consequence(Phase.DUAL_WRITE, RAISES, "Use cutover.use({name!r}).append(...), or replace(...) for a whole list."),
    "S042": Consequence(Phase.DUAL_WRITE, FOREIGN, "Take {field!r} out of it, and write with cutover.use({name!r}).append(...)."),
    "S043": Consequence(
        Phase.DUAL_WRITE,
        "whose gate asks that nobody puts an old document back (from then on a full save is guarded)",
        "Name what is saved: save(update_fields=[...]) without {field!r}.",
    ),
    "S044": Consequence(Phase.DUAL_WRITE, FOREIGN, "Use cutover.use({name!r}).replace(...) or clear(...) for each parent."),
    "S045": Consequence(Phase.STOP_JSON_WRITES, FROZEN, "Read the attribute of the instances, or query the child table."),
    "S046": Consequence(Phase.BACKFILL_AND_DROP, GONE, "Leave {field!r} out of it: the attribute is served from rows."),
    "S047": Consequence(Phase.STOP_JSON_WRITES, FROZEN, "Ask the child table: filter by its rows, or Exists(...)."),
    "S048": Consequence(Phase.STOP_JSON_WRITES, FROZEN, "Compute it from the child table, with a subquery or an aggregate."),
    "S049": Consequence(Phase.STOP_JSON_WRITES, FROZEN, "Read the child table instead."),
    "S050": Consequence(Phase.DUAL_WRITE, RAISES, "Leave {field!r} out, or make it read-only."),
    "S051": Consequence(Phase.DUAL_WRITE, RAISES, "Put {field!r} into readonly_fields, or into exclude."),
    "S052": Consequence(
        Phase.BACKFILL_AND_DROP,
        "when the rows get their foreign key: an append then waits for whoever holds FOR UPDATE",
        "Write select_for_update(no_key=True).",
    ),
    "S053": Consequence(Phase.BACKFILL_AND_DROP, GONE, "Create the parent without it, then cutover.use({name!r}).extend(...)."),
}  # fmt: skip
