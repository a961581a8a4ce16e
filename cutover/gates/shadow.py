"""The gate on shadow reads."""

from cutover.gates.verdict import Move, Verdict
from cutover.phase import Phase
from cutover.read import shadows
from cutover.verify import latest

GATE = "shadow_reads_agree"


def shadow_reads_agree(move: Move) -> Verdict:
    """No sampled read has found that both sides show different things, since a verification began that is clean."""
    found = shadows.summary(move.alias, move.name)
    if found.last_at is None:
        said = (
            f"{found.compared} sampled reads were compared; none differed."
            if found.compared
            else "No read was compared."
        )
        return Verdict(GATE, True, said)
    result = latest(move.alias, move.name)
    clean = result is not None and result.finished_at is not None and not result.blocks(Phase.PROPERTY_SHIM)
    if result is not None and clean and result.started_at > found.last_at:
        return Verdict(
            GATE, True, f"The last difference is from before the verification of {result.started_at:%H:%M:%S}."
        )
    return Verdict(
        GATE,
        False,
        f"Shadow reads found {found.differences} lists that differ, the last at {found.last_at:%Y-%m-%d %H:%M:%S}.",
        f"See `cutover shadow {move.name}`, then run `cutover verify {move.name}`; it says what to mend.",
    )
