"""Gates on where everybody stands: the ledger, this process's flags, the fleet's flags."""

from cutover import conf, flags, fleet
from cutover.gates.verdict import Move, Verdict


def settled(move: Move) -> Verdict:
    """Only a settled phase may be left, unless the last move is taken back."""
    entry = move.entry
    if entry.settled:
        return Verdict("settled", True, f"{entry.phase.name} has settled.")
    if move.undoes:
        return Verdict("settled", True, f"{entry.phase.name} has not settled; this takes the move to it back.")
    return Verdict(
        "settled",
        False,
        f"{entry.phase.name} has not settled: transactions from before the move may still be open.",
        f"Run `cutover advance {move.name} {entry.phase.name}` again; it goes on waiting and names them.",
    )


def flags_on(move: Move) -> Verdict:
    """The flags of the process that drives the move are a prefix that reaches the phase."""
    own = conf.flags(move.name)
    problem = flags.problem(own)
    if problem is not None:
        return Verdict("flags_on", False, problem.fact, problem.hint)
    if flags.furthest(own) < move.to:
        return Verdict(
            "flags_on",
            False,
            f"The flag {move.to.name} is off in this process.",
            f"Set CUTOVER[{move.name!r}][{move.to.name!r}] = True (or CUTOVER_{move.name.upper()}_{move.to.name}=1) "
            "and deploy it everywhere.",
        )
    return Verdict("flags_on", True, f"The flags reach {flags.furthest(own).name}.")


def fleet_agrees(move: Move) -> Verdict:
    """Every live process has the flag of the phase on."""
    live = fleet.live(move.alias, move.name)
    behind = [process for process in live if process.furthest < move.to]
    if not live:
        return Verdict("fleet_agrees", True, "No live process has used the cutover lately.")
    if not behind:
        return Verdict("fleet_agrees", True, f"{len(live)} live processes have {move.to.name} on.")
    names = ", ".join(str(process) for process in behind[:10])
    return Verdict(
        "fleet_agrees",
        False,
        f"{len(behind)} of {len(live)} live processes have {move.to.name} off: {names}.",
        f"Restart them with the flag on; one that has ended leaves the list after {fleet.until_gone()}.",
    )
