"""Rules over flags: is each environment's set a prefix, do environments follow each other, what overrides what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cutover import flags
from cutover.phase import FLAGGED, Phase
from cutover.scan.finding import Finding, Severity
from cutover.scan.literals import UNKNOWN
from cutover.scan.project import Project, Target
from cutover.scan.settings import Settings

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}
NAMES = tuple(phase.name for phase in FLAGGED)
Place = tuple[str, int]


@dataclass
class Environment:
    """The flags of one cutover in one environment, and where each was written."""

    name: str
    values: dict[Phase, bool]
    place: Place
    places: dict[Phase, Place] = field(default_factory=dict)

    def at(self, phase: Phase) -> Place:
        return self.places.get(phase, self.place)


@dataclass(frozen=True)
class EnvironmentFile:
    """The `NAME=value` lines of a file, each with its line; comments, `export` and quotes are understood."""

    path: str
    values: dict[str, tuple[str, int]]


def read_file(file: Path) -> EnvironmentFile:
    found = {}
    for number, line in enumerate(file.read_text(encoding="utf8").splitlines(), start=1):
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = (value.split(" #")[0].strip().strip("'\""), number)
    return EnvironmentFile(file.as_posix(), found)


def check(project: Project, files: Sequence[EnvironmentFile] = ()) -> Iterator[Finding]:
    """E001 to E005 and W006 to W008."""
    for path, line in project.unread:
        yield Finding("cutover.W008", Severity.WARNING, path, line, "A declaration cannot be read from the source.",
                      "Write source, target and parent as texts in the class.")  # fmt: skip
    for said in project.settings:
        yield from unreadable(project, said)
        yield from names(project, said)
    for target in project.targets:
        yield from overrides(target)
        yield from in_settings(target)
        yield from in_files(target, files)


def unreadable(project: Project, said: Settings) -> Iterator[Finding]:
    if all(each.name in project.known for each in project.cutovers):
        return  # the running project knows them
    for path, line in dict.fromkeys(said.unread):
        yield Finding("cutover.W007", Severity.WARNING, path, line, f"Flags of {said.module} are computed here.",
                      "Write True or False, or run the check without --static.")  # fmt: skip


def names(project: Project, said: Settings) -> Iterator[Finding]:
    """E002 and E003 in one settings module."""
    known = [each.name for each in project._declared[0]]
    for name, entries in said.flags.items():
        path, line = said.place(name)
        if name not in known and not project.unread:
            yield Finding("cutover.E002", Severity.ERROR, path, line, f"CUTOVER has flags for {name!r}, which is not declared.",
                          f"Declared: {', '.join(known) or 'none'}. Correct the name, or remove it from the settings.",
                          cutover=name)  # fmt: skip
            continue
        for key, value in entries.items():
            if key not in NAMES:
                yield Finding("cutover.E003", Severity.ERROR, value.path, value.line,
                              f"CUTOVER[{name!r}] has the key {key!r}, which names no phase.", f"Use {', '.join(NAMES)}.",
                              cutover=name)  # fmt: skip
            elif value.value is not UNKNOWN and not isinstance(value.value, bool):
                yield Finding("cutover.E003", Severity.ERROR, value.path, value.line,
                              f"CUTOVER[{name!r}][{key!r}] is {value.plain()!r}, which is not boolean.",
                              "Write True or False; a text that is not empty is on, whatever it says.",
                              cutover=name)  # fmt: skip


def overrides(target: Target) -> Iterator[Finding]:
    """W006: what the environment of this run says; E003 where it is no phase, or neither on nor off."""
    prefix = f"CUTOVER_{target.name.upper()}_"
    others = [f"CUTOVER_{each.name.upper()}_" for each in target.project.cutovers if each.name != target.name]
    for variable, value in sorted(target.project.environment.items()):
        if not variable.startswith(prefix) or any(
            variable.startswith(each) and len(each) > len(prefix) for each in others
        ):
            continue
        problem = misspelt(variable, variable.removeprefix(prefix), value)
        if problem:
            yield target.found("E003", ("", 0), *problem)
            continue
        phase, on = Phase[variable.removeprefix(prefix)], value.strip().lower() in TRUE
        for said in target.project.settings:
            if said.on(target.name, phase) is not on:
                yield target.found("W006", said.place(target.name, phase),
                                   f"{variable}={value} overrides {phase.name}, {'off' if on else 'on'} in {said.module}.",
                                   "Take the variable away where the settings should speak.",
                                   severity=Severity.WARNING)  # fmt: skip


def misspelt(variable: str, key: str, value: str) -> tuple[str, str] | None:
    if key not in NAMES:
        return f"{variable} names no phase.", f"Use {', '.join(NAMES)}."
    if value.strip().lower() not in TRUE | FALSE:
        return f"{variable} is {value!r}.", "Set it to 1 or 0."
    return None


def in_settings(target: Target) -> Iterator[Finding]:
    found = []
    for said in target.project.settings:
        written = said.flags.get(target.name, {})
        places: dict[Phase, Place] = {each: said.place(target.name, each) for each in FLAGGED if each.name in written}
        found.append(Environment(said.module, dict(target.flags(said)), said.place(target.name), places))
    if not found:
        known = target.overridden(target.project.known.get(target.name, {}))
        found = [Environment("these settings", dict(known), ("", 0))]
    yield from judged(target, found)


def in_files(target: Target, files: Sequence[EnvironmentFile]) -> Iterator[Finding]:
    """The same for environment files over the first settings, E003 for what they misspell."""
    known = target.project.known.get(target.name, {})
    base = target.project.settings[0].values(target.name) if target.project.settings else known
    prefix = f"CUTOVER_{target.name.upper()}_"
    found = []
    for file in files:
        each = Environment(Path(file.path).name, dict(base), (file.path, 1))
        for variable, (value, line) in file.values.items():
            if not variable.startswith(prefix):
                continue
            problem = misspelt(variable, variable.removeprefix(prefix), value)
            if problem:
                yield target.found("E003", (file.path, line), *problem)
                continue
            phase = Phase[variable.removeprefix(prefix)]
            each.values[phase] = value.strip().lower() in TRUE
            each.places[phase] = (file.path, line)
        found.append(each)
    yield from judged(target, found)


def judged(target: Target, found: Sequence[Environment]) -> Iterator[Finding]:
    for each in found:
        yield from not_prefix(target, each)
    for number, (ahead, behind) in enumerate(pairwise(found)):
        yield from out_of_order(target, ahead, behind)
        if number == 0:
            yield from apart(target, found)


def not_prefix(target: Target, each: Environment) -> Iterator[Finding]:
    problem = flags.problem(each.values)
    if problem is None:
        return
    reached = flags.furthest(each.values)
    beyond = next(phase for phase in FLAGGED if phase > reached and each.values.get(phase, False))
    shown = next((phase for phase in problem.change if phase in each.places), beyond)
    yield target.found("E001", each.at(shown), f"{target.name} in {each.name}: {problem.fact}", problem.hint)


def apart(target: Target, found: Sequence[Environment]) -> Iterator[Finding]:
    first = min(found, key=lambda each: flags.furthest(each.values))
    last = max(found, key=lambda each: flags.furthest(each.values))
    low, high = flags.furthest(first.values), flags.furthest(last.values)
    if high - low > 1:
        yield target.found("E004", last.at(high),
                           f"{target.name}: {last.name} is at {high.name} and {first.name} at {low.name}.",
                           f"They may be one phase apart: turn {Phase(low + 1).name} on in {first.name} first.")  # fmt: skip


def out_of_order(target: Target, ahead: Environment, behind: Environment) -> Iterator[Finding]:
    first, second = flags.furthest(ahead.values), flags.furthest(behind.values)
    if second > first:
        yield target.found("E005", behind.at(second),
                           f"{target.name}: {behind.name} is at {second.name}, ahead of {ahead.name} at {first.name}.",
                           f"Turn it on in {ahead.name} first; they are named in the order of a deploy.")  # fmt: skip
