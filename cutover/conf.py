"""What the project's settings and the environment say. One function per setting; its docstring is its documentation.

Nothing is cached: tests and `override_settings` see a change at once.
"""

import os
from datetime import timedelta

from django.conf import settings

from cutover.errors import DeclarationError
from cutover.flags import Flags
from cutover.phase import FLAGGED, Phase

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def flags(name: str) -> Flags:
    """The five flags of a cutover: `CUTOVER[name]`, overridden by `CUTOVER_<NAME>_<PHASE>` in the environment.

    Raises:
        DeclarationError: a key names no phase, or a value is neither on nor off.
    """
    unknown = sorted(set(getattr(settings, "CUTOVER", {}).get(name, {})) - {phase.name for phase in FLAGGED})
    if unknown:
        raise DeclarationError(
            f"CUTOVER[{name!r}] has the key {unknown[0]!r}, which names no phase.",
            hint=f"Use {', '.join(phase.name for phase in FLAGGED)}.",
        )
    return {phase: flag(name, phase) for phase in FLAGGED}


def flag(name: str, phase: Phase) -> bool:
    """One flag: the environment's word, or what the settings say."""
    variable = f"CUTOVER_{name.upper()}_{phase.name}"
    said = os.environ.get(variable)
    return configured(name, phase) if said is None else boolean(variable, said)


def configured(name: str, phase: Phase) -> bool:
    """One flag as the settings have it."""
    return bool(getattr(settings, "CUTOVER", {}).get(name, {}).get(phase.name, False))


def boolean(variable: str, said: str) -> bool:
    """The value of an environment variable.

    Raises:
        DeclarationError: it is neither on nor off.
    """
    if said.strip().lower() in TRUE:
        return True
    if said.strip().lower() in FALSE:
        return False
    raise DeclarationError(f"{variable} is {said!r}.", hint="Set it to 1 or 0.")


def unknown_names(known: list[str]) -> list[str]:
    """Names in `CUTOVER` that no declaration has."""
    return sorted(set(getattr(settings, "CUTOVER", {})) - set(known))


def lease() -> timedelta:
    """`CUTOVER_LEASE_SECONDS`, 5 by default: how long a process may believe what it last read from the ledger."""
    return timedelta(seconds=float(getattr(settings, "CUTOVER_LEASE_SECONDS", 5)))


def version() -> str:
    """`CUTOVER_VERSION`: the release that a process runs, shown in `status`; empty by default."""
    return str(getattr(settings, "CUTOVER_VERSION", os.environ.get("CUTOVER_VERSION", "")))
