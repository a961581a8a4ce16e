"""Are the flags of this process a prefix, and known? Needs no database. How environments differ is `cutover.scan`."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error

from cutover import conf, flags, spec
from cutover.errors import DeclarationError
from cutover.flags import Flags


def check_flags(names: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E001: flags that are no prefix. E002: flags for a cutover that is not declared. E003: a flag that cannot be read."""
    found: list[CheckMessage] = []
    for name in spec.names() if names is None else names:
        try:
            found += not_prefix(name, conf.flags(name), where="")
        except DeclarationError as error:
            found.append(Error(str(error), hint=error.hint, obj=name, id="cutover.E003"))
    if names is None:
        found += [unknown_name(name) for name in conf.unknown_names(spec.names())]
    return found


def not_prefix(name: str, values: Flags, *, where: str) -> list[CheckMessage]:
    problem = flags.problem(values)
    if problem is None:
        return []
    return [Error(f"{name}{where}: {problem.fact}", hint=problem.hint, obj=name, id="cutover.E001")]


def unknown_name(name: str) -> CheckMessage:
    known = ", ".join(spec.names()) or "none"
    return Error(
        f"CUTOVER has flags for {name!r}, which is not declared.",
        hint=f"Declared: {known}. Correct the name, or remove it from the settings.",
        obj=name,
        id="cutover.E002",
    )
