"""Are the flags a prefix, and are environments close enough to each other? Needs no database."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Error

from cutover import conf, flags, spec
from cutover.errors import DeclarationError
from cutover.flags import Flags
from cutover.phase import FLAGGED, Phase


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


def check_environments(names: Sequence[str], files: Sequence[Path]) -> list[CheckMessage]:
    """E001 and E003 in each environment file; E004: two environments that are more than one phase apart."""
    found: list[CheckMessage] = []
    for name in names:
        reached: dict[str, Phase] = {}
        for file in files:
            try:
                values = overlaid(name, read_environment(file))
            except DeclarationError as error:
                found.append(Error(f"{file.name}: {error}", hint=error.hint, obj=name, id="cutover.E003"))
                continue
            found += not_prefix(name, values, where=f" in {file.name}")
            reached[file.name] = flags.furthest(values)
        found += apart(name, reached)
    return found


def apart(name: str, reached: Mapping[str, Phase]) -> list[CheckMessage]:
    if not reached:
        return []
    first = min(reached, key=lambda file: reached[file])
    last = max(reached, key=lambda file: reached[file])
    if reached[last] - reached[first] <= 1:
        return []
    return [
        Error(
            f"{name}: {last} is at {reached[last].name} and {first} at {reached[first].name}.",
            hint=f"Environments may be one phase apart: turn {Phase(reached[first] + 1).name} on in {first} first.",
            obj=name,
            id="cutover.E004",
        )
    ]


def read_environment(file: Path) -> dict[str, str]:
    """The `NAME=value` lines of a file; comments, `export` and quotes are understood."""
    found = {}
    for line in file.read_text(encoding="utf8").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = value.split(" #")[0].strip().strip("'\"")
    return found


def overlaid(name: str, environment: Mapping[str, str]) -> Flags:
    """The flags of the settings with those of an environment file over them."""
    return {phase: flag(name, phase, environment) for phase in FLAGGED}


def flag(name: str, phase: Phase, environment: Mapping[str, str]) -> bool:
    variable = f"CUTOVER_{name.upper()}_{phase.name}"
    if variable not in environment:
        return conf.configured(name, phase)
    return conf.boolean(variable, environment[variable])
