"""The five phases of a cutover and what each one means for a writer and a reader.

Pure: it knows nothing of settings, databases or Django.
"""

from enum import IntEnum

from cutover.errors import DeclarationError


class Phase(IntEnum):
    """A phase by its number; `name` is also the name of its flag, its template and its section of the runbook."""

    NOT_STARTED = 0
    ADD_TABLE = 1
    DUAL_WRITE = 2
    PROPERTY_SHIM = 3
    STOP_JSON_WRITES = 4
    BACKFILL_AND_DROP = 5

    @property
    def writes_json(self) -> bool:
        return self <= Phase.PROPERTY_SHIM

    @property
    def writes_rows(self) -> bool:
        return self >= Phase.DUAL_WRITE

    @property
    def reads_rows(self) -> bool:
        return self >= Phase.PROPERTY_SHIM

    @property
    def title(self) -> str:
        """The phase as one reads it aloud: `dual write`."""
        return self.name.lower().replace("_", " ")


FLAGGED = tuple(phase for phase in Phase if phase is not Phase.NOT_STARTED)


def parse(text: str) -> Phase:
    """Read a phase from its name (`DUAL_WRITE`, `dual-write`) or number (`2`).

    Raises:
        DeclarationError: the text names no phase.
    """
    wanted = text.strip().upper().replace("-", "_").replace(" ", "_")
    for phase in Phase:
        if wanted in (phase.name, str(int(phase))):
            return phase
    names = ", ".join(phase.name for phase in Phase)
    raise DeclarationError(f"{text!r} names no phase.", hint=f"Name one of {names}, or its number 0 to 5.")
