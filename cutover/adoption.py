"""What a database and its code show of a cutover that has no ledger yet, and at which phase it may begin.

It looks and compares; it moves nothing (`runner.adopt` does) and never guesses upwards. Up to ADD_TABLE everything goes through
JSON, so beginning there changes nothing for anybody. DUAL_WRITE has to be shown: nobody writes by hand, and every row that is
there has its JSON element. Further nobody can begin: the gates of PROPERTY_SHIM and of what follows ask for what was seen since
the phase before has settled. From DUAL_WRITE on it is `advance`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from cutover import conf, db, ledger, phases, scan, verify
from cutover.errors import Refused
from cutover.gates import Gate, Move, Verdict, column_exists, evaluate, rows_found, rows_in_json
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.schema import introspect, watch
from cutover.sql import query

FURTHEST = Phase.DUAL_WRITE
BY_HAND = ("cutover.S040", "cutover.S041", "cutover.S042", "cutover.S044")
SHOWN = 5  # places in the source


@dataclass(frozen=True)
class Step:
    """The gates of one phase, asked of what is there."""

    to: Phase
    verdicts: list[Verdict]

    @property
    def holds(self) -> bool:
        return all(verdict.holds for verdict in self.verdicts)


@dataclass(frozen=True)
class Found:
    """What was found: facts by what they are about, and the gates of each phase up to the furthest."""

    name: str
    facts: dict[str, str]
    steps: list[Step]

    @property
    def phase(self) -> Phase:
        """The last phase whose gates hold, with those of all before it."""
        reached = Phase.NOT_STARTED
        for step in self.steps:
            if not step.holds:
                break
            reached = step.to
        return reached

    def verdicts(self, to: Phase) -> list[Verdict]:
        """What the gates up to a phase say."""
        return [verdict for step in self.steps if step.to <= to for verdict in step.verdicts]

    def failed(self, to: Phase) -> list[Verdict]:
        """What speaks against a phase."""
        return [verdict for verdict in self.verdicts(to) if not verdict.holds]

    def as_dict(self) -> dict[str, Any]:
        gates = {step.to.name: [verdict.as_dict() for verdict in step.verdicts] for step in self.steps}
        return {"name": self.name, "phase": self.phase.name, "found": self.facts, "gates": gates}


def compare(binding: Binding, entry: Entry) -> Iterator[verify.Progress]:
    """Compare rows and JSON, unless that was done since the ledger has its entry; nothing to do without rows."""
    if not (introspect.column_exists(binding) and introspect.has_rows(binding)):
        return
    known = verify.latest(binding.alias, binding.name)
    if known is None or known.finished_at is None or entry.moved_at is None or known.started_at <= entry.moved_at:
        yield from verify.run(binding)


def look(binding: Binding, entry: Entry) -> Found:
    """What is there, and the gates.

    Raises:
        Refused: the column is gone, so that there is nothing to move.
    """
    if not introspect.column_exists(binding):
        raise Refused(
            f"{binding.parent.name} has no column {binding.column}: there is nothing to move to rows any more.",
            hint="Remove the declaration; or check `source` and `column` in it.",
        )
    places = by_hand(binding)
    steps = [
        Step(Phase.ADD_TABLE, evaluate((*phases.STORY[Phase.ADD_TABLE].GATES, column_exists), of(binding, entry, 1)))
    ]
    if introspect.table_exists(binding):
        found = evaluate((*phases.STORY[FURTHEST].GATES, *ROWS), of(binding, entry, FURTHEST))
        steps.append(Step(FURTHEST, [*found, source_converted(binding, places)]))
    return Found(binding.name, facts(binding, places), steps)


def chosen(found: Found, wanted: Phase) -> Phase:
    """The phase to begin at: the one asked for, or where that is NOT_STARTED, the furthest that is shown.

    Raises:
        Refused: it is not shown.
    """
    to = found.phase if wanted is Phase.NOT_STARTED else wanted
    if to is not Phase.NOT_STARTED and to <= found.phase:
        return to
    failed = found.failed(max(to, Phase.ADD_TABLE))
    gates = ", ".join(verdict.gate for verdict in failed)
    why = f"{gates} does not hold" if failed else f"nobody can begin beyond {FURTHEST.name}"
    raise Refused(
        f"{found.name} cannot begin{f' at {to.name}' if to else ''}: {why}.",
        hint=" ".join(["Nothing was moved.", *(verdict.hint for verdict in failed)]),
    )


def reason(found: Found, why: str) -> str:
    """For the history: the operator's reason, and what was found."""
    told = "; ".join(f"{about}: {fact}" for about, fact in found.facts.items())
    return " ".join(part for part in ("Adopted.", why, f"Found: {told}.") if part)


def require_no_history(binding: Binding) -> None:
    """That the cutover has never moved: a ledger whose row was lost has to be written again, not begun."""
    moves = ledger.history(binding.alias, binding.name)
    if moves:
        raise Refused(
            f"{binding.name} has no row in the ledger, and its history ends at {moves[-1].to_phase.name}.",
            hint="The row was lost: see `What if the row of the ledger is gone` in the runbook.",
        )


def require_adopting(entry: Entry) -> None:
    """That the one move of the ledger is an adoption which has not settled, or has just been made."""
    if entry.epoch > 1 or entry.settled or entry.came_from is not Phase.NOT_STARTED:
        raise Refused(
            f"{entry.name} is at {entry.phase.name} already; only a cutover that has never moved can be adopted.",
            hint=f"Look at `cutover status {entry.name}`, and go on with `cutover advance`.",
        )


ROWS: tuple[Gate, ...] = (rows_found, rows_in_json)


def of(binding: Binding, entry: Entry, to: int) -> Move:
    return Move(binding, entry, Phase(to))


def source_converted(binding: Binding, places: list[str]) -> Verdict:
    """The source has no writer that puts elements into JSON, or rows into the table, by hand."""
    if not places:
        return Verdict("source_converted", True, "No line of the source was found that writes either side by hand.")
    return Verdict(
        "source_converted",
        False,
        f"{len(places)} lines of the source write JSON or rows by hand: {', '.join(places[:SHOWN])}.",
        f"Convert them to `cutover.use({binding.name!r}).append(...)`; accept a line with `# cutover: ok`.",
    )


def by_hand(binding: Binding) -> list[str]:
    """The places in the source that write the document or make rows themselves."""
    root = Path(getattr(settings, "BASE_DIR", None) or Path.cwd())
    order = scan.Order(root, known={binding.name: conf.flags(binding.name)}, only=binding.name)
    found = [each.place for each in scan.examine(order).findings if each.id in BY_HAND]
    return sorted({*found, *scan.makers(root, str(binding.child.model._meta.object_name))})


def facts(binding: Binding, places: list[str]) -> dict[str, str]:
    """What the operator is told, in the order in which he would look himself."""
    parent, child = binding.parent.name, binding.child.name
    there = introspect.table_exists(binding)
    return {
        "column": f"{parent}.{binding.column} is there, {binding.storage}",
        "field": "in the model" if binding.field is not None else "has left the model",
        "table": f"{child} is there, {'with rows' if introspect.has_rows(binding) else 'empty'}"
        if there
        else f"no {child}",
        "order": positions(binding, there),
        "index": "there" if there and introspect.index_ready(binding) else "none on the parent and the order",
        "foreign key": constraint(binding) if there else "none",
        "watch": f"the trigger is {watch.state(binding)}",
        "writers": f"{len(places)} lines write by hand: {', '.join(places[:SHOWN])}"
        if places
        else "none by hand in the source",
        "comparison": comparison(binding),
    }


def positions(binding: Binding, there: bool) -> str:
    if binding.position is None:
        return f"by {', '.join(binding.ordering)}: every row may stand for a JSON element"
    if not there:
        return f"by {binding.position}"
    text = query(
        "adoption", "positions", position=binding.child.column(binding.position), child=binding.child.identifier
    )
    history, both, alone = db.one(binding.alias, text) or (0, 0, 0)
    return f"by {binding.position}: {history} rows are history, {both} came with JSON, {alone} say that they came alone"


def constraint(binding: Binding) -> str:
    validated = introspect.constraint_validated(binding)
    if validated is None:
        return "none, so that rows wait for no lock on their parent"
    return f"there, {'validated' if validated else 'not validated'}: rows wait for a locked parent"


def comparison(binding: Binding) -> str:
    """What the last verification says."""
    known = verify.latest(binding.alias, binding.name)
    if known is None or known.finished_at is None:
        return "none: there are no rows to compare"
    found = ", ".join(f"{number} {kind}" for kind, number in sorted(known.found.items())) or "no difference"
    return f"{known.json_elements} in JSON, {known.table_elements} in the table: {found}"
