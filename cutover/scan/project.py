"""A project as its source has it: cutovers, models, migrations, settings. Everything is read when a rule first asks for it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cutover.flags import Flags, furthest
from cutover.phase import FLAGGED, Phase
from cutover.scan import declarations, history, models, settings
from cutover.scan.declarations import Declared
from cutover.scan.finding import Finding, Severity
from cutover.scan.history import History, Key
from cutover.scan.models import Model
from cutover.scan.settings import Settings
from cutover.scan.tree import Source, Tree


@dataclass
class Project:
    """One tree of source, and what is asked of it.

    Attributes:
        modules: the settings modules; the first goes first in a deploy.
        known: flags by cutover as the running project has them; they stand in for what cannot be read from the source.
        environment: variables that override the settings.
    """

    tree: Tree
    modules: Sequence[str] = ()
    known: Mapping[str, Flags] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    only: str = ""

    @cached_property
    def _declared(self) -> tuple[list[Declared], list[tuple[str, int]]]:
        return declarations.declared(self.tree)

    @property
    def cutovers(self) -> list[Declared]:
        return [each for each in self._declared[0] if self.only in ("", each.name)]

    @property
    def unread(self) -> list[tuple[str, int]]:
        return self._declared[1]

    @cached_property
    def settings(self) -> list[Settings]:
        return [found for found in (settings.read(self.tree, module) for module in self.modules) if found is not None]

    @cached_property
    def labels(self) -> dict[str, str]:
        """Directory of an app to its label, where an AppConfig says so."""
        found = {}
        for source in self.tree:
            if source.path.endswith("/apps.py"):
                said = models.LABEL.findall(source.text)
                found.update({source.path.split("/")[-2]: said[0]} if len(said) == 1 else {})
        return found

    @cached_property
    def history(self) -> History:
        return history.read(self.tree, self.labels)

    @cached_property
    def targets(self) -> "list[Target]":
        return [Target(self, each) for each in self.cutovers]


@dataclass
class Target:
    """One cutover with its models and the phase that its flags reach."""

    project: Project
    spec: Declared

    @property
    def name(self) -> str:
        return self.spec.name

    @cached_property
    def parent(self) -> Model | None:
        return models.find(self.project.tree, self.spec.app, self.spec.model, self.spec.field)

    @cached_property
    def child(self) -> Model | None:
        return models.find(self.project.tree, self.spec.child_app, self.spec.child)

    @cached_property
    def references(self) -> set[str]:
        return models.references(self.project.tree, self.spec.app, self.spec.model)

    @cached_property
    def sign(self) -> re.Pattern[str]:
        """What a piece of source that uses the column cannot do without."""
        names = "|".join(re.escape(name) for name in {self.spec.field, self.spec.column})
        word = rf"(?<![a-zA-Z0-9])(?<![a-zA-Z0-9]_)(?:{names})(?![a-zA-Z0-9]|_[a-zA-Z0-9])"  # also in job__logs__stdout
        return re.compile(rf"{word}|\.a?save\(|select_for_update|__all__|Admin\b")

    @cached_property
    def queryset_methods(self) -> set[str]:
        """Methods of the parent's own managers and querysets; what they return is taken for a queryset."""
        made = {name for names in (self.parent.managers.values() if self.parent else ()) for name in names}
        return {method for source in self.project.tree for method in models.methods(source, made)}

    @property
    def table(self) -> str:
        return self.parent.table if self.parent else f"{self.spec.app}_{self.spec.model.lower()}"

    @cached_property
    def reached(self) -> Phase:
        """The furthest phase of all environments: what is checked has to hold in each of them."""
        found = [furthest(self.flags(each)) for each in self.project.settings]
        if not self.project.settings and self.name in self.project.known:
            found.append(furthest(self.project.known[self.name]))
        if not found:
            found.append(furthest(self.overridden({})))
        return max(found)

    def flags(self, said: Settings) -> Flags:
        """The flags of one environment; what its source does not tell comes from the running project."""
        values = said.values(self.name)
        if any(path for path, _ in said.unread) and self.name in self.project.known:
            values = dict(self.project.known[self.name])
        return self.overridden(values)

    def overridden(self, values: Flags) -> Flags:
        true = {"1", "true", "yes", "on"}
        found = dict(values)
        for phase in FLAGGED:
            said = self.project.environment.get(f"CUTOVER_{self.name.upper()}_{phase.name}")
            if said is not None:
                found[phase] = said.strip().lower() in true
        return found

    def flag_place(self, phase: Phase) -> tuple[str, int]:
        """Where a flag is turned on; the declaration where no settings say so."""
        for each in self.project.settings:
            if each.on(self.name, phase):
                return each.place(self.name, phase)
        return self.spec.path, self.spec.line

    @cached_property
    def watched(self) -> set[Key]:
        """The migrations up to the one that installs the watch: from there on the column belongs to the cutover."""
        found: set[Key] = set()
        for migration in self.project.history.values():
            if any(each.kind == "InstallWatch" and each.text("name") == self.name for each in migration.operations):
                found |= history.ancestors(self.project.history, migration.key)
        return found

    def found(
        self, id: str, place: tuple[Source | str, int], fact: str, hint: str, *,
        severity: Severity = Severity.ERROR, phase: Phase | None = None,
    ) -> Finding:  # fmt: skip
        """A finding of this cutover, with the text of its line."""
        where, line = place
        path = where if isinstance(where, str) else where.path
        source = self.project.tree.files.get(path)
        text = source.line(line) if source else ""
        return Finding(f"cutover.{id}", severity, path, line, fact, hint, phase, self.name, text)
