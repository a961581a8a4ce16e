"""The protocol as a model: writers, one operator, a backfill, a rehydration, readers; every interleaving of them is walked.

Pure Python over the real `Phase` and the real rule of held-back processes. Of two equal elements only the number counts, so the
model knows nothing of order, caps or `replace`. Moves have no bound: what a move does to the past is that whatever is in flight
is `fresh` no longer. So the states are finite, and all of them are walked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cutover.flags import effective
from cutover.phase import FLAGGED, Phase

IDLE, DECIDED, SNAPPED = "idle", "decided", "snapped"
FIRST, LAST = Phase.ADD_TABLE, Phase.BACKFILL_AND_DROP


@dataclass(frozen=True)
class Protocol:
    """The ingredients, each of which can be taken out.

    Attributes:
        fence: a statement writes nothing if its snapshot shows another ledger than it was decided on.
        settling: a move is over when every statement from before it has ended.
        only_settled: a phase is left forwards, or backwards by a second step, only when the move to it is over.
        neighbours: moves go by one.
        union: readers of rows unite them with what JSON holds alone; without it, "rows if there are any, else JSON".
        stands: a row says whether it can stand for a JSON element.
        rehydration: JSON is left alone (3 to 2) only when no row lacks its element.
        completeness: rows are left alone (phase 5) only when no element lacks its row.
        fleet: a move forward waits until no live process has the flag of the phase off.
        held_at_shim: a process whose flags are behind is not held at 2 while the ledger came back from 4 to 3.
    """

    fence: bool = True
    settling: bool = True
    only_settled: bool = True
    neighbours: bool = True
    union: bool = True
    stands: bool = True
    rehydration: bool = True
    completeness: bool = True
    fleet: bool = True
    held_at_shim: bool = True


@dataclass(frozen=True, slots=True)
class Stored:
    """One value as the database holds it: how often in JSON, in rows that stand for an element, in rows that do not."""

    json: int = 0
    standing: int = 0
    alone: int = 0
    committed: int = 0


@dataclass(frozen=True, slots=True)
class Writer:
    """Appends of one value. `phase` is what this one was decided on; `fresh`: the ledger has not moved since it was looked at."""

    value: int
    left: int = 1
    step: str = IDLE
    phase: int = 0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """A statement on its way that was computed from its snapshot: how many of each value it is going to write."""

    counts: tuple[int, ...]
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """Everything there is. `asked` is the move whose gates have held and which is not yet committed."""

    stored: tuple[Stored, ...]
    writers: tuple[Writer, ...]
    phase: int = int(FIRST)
    came_from: int = int(FIRST)
    settled: bool = True
    asked: int | None = None
    chunk: Work | None = None
    rehydration: Work | None = None
    backfilled: bool = False


Step = tuple[str, State]
Rule = Callable[[Protocol, State], Iterator[Step]]


def begin(history: tuple[int, ...], writers: tuple[Writer, ...]) -> State:
    """A list from long ago: how often it holds each value."""
    return State(tuple(Stored(json=number, committed=number) for number in history), writers)


# --- what a process believes -----------------------------------------------------------------------------------------------


def beliefs(protocol: Protocol, state: State) -> set[tuple[int, bool]]:
    """The phases at which a process may run, and whether it has read the ledger since the last move.

    The ledger's; until the move is over the one before; and one back for a process whose flags are behind: it was started when
    the ledger was there already, or, where the fleet was not asked, before the move.
    """
    came_from = state.came_from if protocol.held_at_shim else int(Phase.NOT_STARTED)
    found = {(state.phase, True), (HELD_BACK[state.phase, came_from], True)}
    if not state.settled:
        found.add((state.came_from, False))
    if not state.settled and not protocol.fleet:
        found.add((HELD_BACK[state.came_from, int(Phase.NOT_STARTED)], False))
    return found


HELD_BACK = {
    (int(phase), int(came_from)): int(effective(phase, {flag: flag < phase for flag in FLAGGED}, came_from))
    for phase in Phase
    for came_from in Phase
}


def view(protocol: Protocol, state: State, phase: int) -> list[int]:
    """How often a reader at a phase sees each value."""
    if not Phase(phase).reads_rows:
        return [each.json for each in state.stored]
    rows = [each.standing + each.alone for each in state.stored]
    if phase == LAST and (state.backfilled or not protocol.completeness):
        return rows
    if not protocol.union:
        return rows if any(rows) else [each.json for each in state.stored]
    return [each.json + row - paired(protocol, each) for each, row in zip(state.stored, rows, strict=True)]


def paired(protocol: Protocol, each: Stored) -> int:
    """How many of the rows are elements of JSON."""
    return min(each.json, each.standing + (0 if protocol.stands else each.alone))


def missing(protocol: Protocol, each: Stored) -> int:
    """How many elements of JSON have no row."""
    return each.json - paired(protocol, each)


def wrong(protocol: Protocol, state: State) -> str:
    """Which reader misses a committed element or sees one twice; empty if none does."""
    committed = [each.committed for each in state.stored]
    for phase in sorted({phase for phase, _ in beliefs(protocol, state)}):
        seen = view(protocol, state, phase)
        if seen != committed:
            return f"a reader at {Phase(phase).name} sees {spelled(seen)} of {spelled(committed)}"
    return ""


# --- rules: who can do what ------------------------------------------------------------------------------------------------


def decide(protocol: Protocol, state: State) -> Iterator[Step]:
    """A writer looks at its lease."""
    for number, writer in enumerate(state.writers):
        if writer.step == IDLE and writer.left:
            for phase, fresh in beliefs(protocol, state):
                decided = replace(writer, step=DECIDED, phase=phase, fresh=fresh)
                yield f"writer {number} decides on {Phase(phase).name}", with_writer(state, number, decided)


def send(protocol: Protocol, state: State) -> Iterator[Step]:
    """The statement takes its snapshot, and the fence is asked there. From now on it may wait for a lock.

    Rows that are copied are no other case: the first statement of their transaction asks, and the copy lands when that ends.
    """
    for number, writer in enumerate(state.writers):
        if writer.step != DECIDED:
            continue
        if protocol.fence and not writer.fresh:
            yield (
                f"writer {number} finds the ledger moved",
                with_writer(state, number, Writer(writer.value, writer.left)),
            )
        else:
            snapped = replace(writer, step=SNAPPED, fresh=True)
            yield f"writer {number} takes its snapshot", with_writer(state, number, snapped)


def land(protocol: Protocol, state: State) -> Iterator[Step]:
    """The statement commits, with the legs of the phase on which it was decided. Whoever holds the parent's lock goes first."""
    for number, writer in enumerate(state.writers):
        phase = Phase(writer.phase)
        if writer.step == SNAPPED and not (phase.writes_json and state.rehydration):
            each = written(state.stored[writer.value], phase)
            landed = with_writer(state, number, Writer(writer.value, writer.left - 1))
            yield f"writer {number} lands at {phase.name}", with_stored(landed, writer.value, each)


def written(each: Stored, phase: Phase) -> Stored:
    return replace(
        each,
        json=each.json + phase.writes_json,
        standing=each.standing + (phase.writes_rows and phase.writes_json),
        alone=each.alone + (phase.writes_rows and not phase.writes_json),
        committed=each.committed + 1,
    )


def ask(protocol: Protocol, state: State) -> Iterator[Step]:
    """The operator asks the gates of a move; they hold."""
    for by in (1, -1) if protocol.neighbours else (1, -1, 2, -2):
        to = state.phase + by
        if state.asked is None and FIRST <= to <= LAST and gates(protocol, state, to):
            yield f"the gates into {Phase(to).name} hold", replace(state, asked=to)


def gates(protocol: Protocol, state: State, to: int) -> bool:
    """`settled`, `backfill_complete` and `rehydrated`."""
    undoes = not state.settled and to == state.came_from
    if not state.settled and not undoes and protocol.only_settled:
        return False
    if to == LAST and protocol.completeness:
        return not any(missing(protocol, each) for each in state.stored)
    if to < Phase.PROPERTY_SHIM <= state.phase and protocol.rehydration and not undoes:
        return not any(each.alone for each in state.stored)
    return True


def move(protocol: Protocol, state: State) -> Iterator[Step]:
    """The move is committed, once nobody holds the ledger. Whatever is in flight is from before it."""
    if state.asked is None or state.rehydration is not None:
        return
    yield (
        f"the ledger moves to {Phase(state.asked).name}",
        replace(
            state,
            phase=state.asked,
            came_from=state.phase,
            settled=False,
            asked=None,
            writers=tuple(replace(writer, fresh=False) for writer in state.writers),
            chunk=state.chunk and replace(state.chunk, fresh=False),
            backfilled=state.backfilled and state.asked >= Phase.DUAL_WRITE,
        ),
    )


def settle(protocol: Protocol, state: State) -> Iterator[Step]:
    """The move is over: nobody holds a snapshot from before it, and one lease has passed."""
    before = any(writer.step == SNAPPED and not writer.fresh for writer in state.writers)
    before = before or (state.chunk is not None and not state.chunk.fresh)
    if not state.settled and state.asked is None and not (before and protocol.settling):
        yield f"{Phase(state.phase).name} has settled", replace(state, settled=True)


def backfill(protocol: Protocol, state: State) -> Iterator[Step]:
    """A statement of the backfill: one snapshot, in which every dual write is whole; later it commits."""
    found = tuple(missing(protocol, each) for each in state.stored)
    if state.chunk is not None:
        stored = zip(state.stored, state.chunk.counts, strict=True)
        inserted = tuple(replace(each, standing=each.standing + number) for each, number in stored)
        yield f"the backfill inserts {spelled(state.chunk.counts)}", replace(state, stored=inserted, chunk=None)
    elif state.settled and state.phase >= Phase.DUAL_WRITE and any(found):
        yield f"the backfill finds {spelled(found)} without a row", replace(state, chunk=Work(found))


def complete(protocol: Protocol, state: State) -> Iterator[Step]:
    """The backfill finds nothing without a row, and says so in the ledger."""
    done = state.chunk is None and not any(missing(protocol, each) for each in state.stored)
    if done and state.settled and state.phase >= Phase.DUAL_WRITE and not state.backfilled:
        yield "the backfill is complete", replace(state, backfilled=True)


def rehydrate(protocol: Protocol, state: State) -> Iterator[Step]:
    """Back at 3, rows that stand for nothing get an element and stand for it, under the lock of the parent and the ledger."""
    found = tuple(each.alone for each in state.stored)
    if state.rehydration is not None:
        stored = zip(state.stored, state.rehydration.counts, strict=True)
        again = tuple(rehydrated(each, number) for each, number in stored)
        yield f"JSON regains {spelled(state.rehydration.counts)}", replace(state, stored=again, rehydration=None)
    elif state.settled and state.phase == Phase.PROPERTY_SHIM and any(found):
        yield f"the rehydration finds {spelled(found)} in rows alone", replace(state, rehydration=Work(found))


def rehydrated(each: Stored, number: int) -> Stored:
    return replace(each, json=each.json + number, standing=each.standing + number, alone=each.alone - number)


RULES: tuple[Rule, ...] = (decide, send, land, ask, move, settle, backfill, complete, rehydrate)


def steps(protocol: Protocol, state: State) -> Iterator[Step]:
    for rule in RULES:
        yield from rule(protocol, state)


def with_writer(state: State, number: int, writer: Writer) -> State:
    return replace(state, writers=(*state.writers[:number], writer, *state.writers[number + 1 :]))


def with_stored(state: State, value: int, each: Stored) -> State:
    return replace(state, stored=(*state.stored[:value], each, *state.stored[value + 1 :]))


def spelled(counts: list[int] | tuple[int, ...]) -> str:
    return "{" + ", ".join(f"{chr(97 + value)} x {number}" for value, number in enumerate(counts) if number) + "}"
