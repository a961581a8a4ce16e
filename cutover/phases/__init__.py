"""The story: five phases, each with its gates and with what is done when it is entered and left. No phase knows another."""

from typing import Protocol

from cutover.gates import Gate
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.phases import p1_add_table, p2_dual_write, p3_property_shim, p4_stop_json_writes, p5_backfill_and_drop


class Step(Protocol):
    """What the module of a phase offers.

    `GATES` hold before the phase is entered from the one before it, `BACK` before it is left to the one before it. `enter` and
    `leave` run before the move is committed; both may run again after a crash.
    """

    PHASE: Phase
    GATES: tuple[Gate, ...]
    BACK: tuple[Gate, ...]

    def enter(self, binding: Binding) -> None: ...

    def leave(self, binding: Binding) -> None: ...


STEPS: tuple[Step, ...] = (p1_add_table, p2_dual_write, p3_property_shim, p4_stop_json_writes, p5_backfill_and_drop)
STORY: dict[Phase, Step] = {step.PHASE: step for step in STEPS}
