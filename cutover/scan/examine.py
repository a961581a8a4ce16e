"""The whole of it: read a project, and its state at another revision, and let every rule have its say."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cutover.flags import Flags
from cutover.scan import flag_rules, migration_rules, since_rules, swallowed, tree, uses
from cutover.scan.finding import Finding, in_order
from cutover.scan.project import Project

Place = tuple[str, int, str]  # path, line, the text of the line


@dataclass(frozen=True)
class Order:
    """What to look at.

    Attributes:
        root: the directory of the project; paths of findings begin here.
        settings: settings modules, in the order of a deploy.
        since: a revision to compare with; empty for none.
        env_files: files with `CUTOVER_*` variables, in the order of a deploy.
        known: the flags of the running project, by cutover.
        environment: variables that override the settings.
        only: the name of one cutover; empty for all.
        exclude: patterns of paths that are left out.
    """

    root: Path
    settings: Sequence[str] = ()
    since: str = ""
    env_files: Sequence[Path] = ()
    known: Mapping[str, Flags] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    only: str = ""
    exclude: Sequence[str] = tree.TESTS


@dataclass(frozen=True)
class Examined:
    """What was found, in order, and what was looked at; `places` says where each cutover is declared."""

    findings: list[Finding]
    files: int
    places: dict[str, Place]

    @property
    def cutovers(self) -> list[str]:
        return sorted(self.places)


def examine(order: Order) -> Examined:
    """Every finding of every rule.

    Raises:
        DeclarationError: the revision is not there.
    """
    with without_collector():
        return examined(order)


@contextmanager
def without_collector() -> Iterator[None]:
    """Syntax trees are many small objects and no garbage: looking for cycles among them takes a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def examined(order: Order) -> Examined:
    project = Project(
        tree.on_disk(order.root, order.exclude), order.settings, order.known, order.environment, order.only
    )
    found = [*flag_rules.check(project, [flag_rules.read_file(file) for file in order.env_files])]
    used = [*uses.check(project)]
    found += [*migration_rules.check(project), *used, *swallowed.check(project)]
    if order.since:
        then = tree.at_revision(order.root, order.since, project.tree, order.exclude)
        before = Project(then, order.settings, only=order.only)
        found += since_rules.check(before, project, [*uses.check(before, project.tree)], used)
    kept = [each for each in found if not accepted(project, each)]
    places = {
        each.name: (each.path, each.line, project.tree.files[each.path].line(each.line)) for each in project.cutovers
    }
    return Examined(in_order(kept), len(project.tree), places)


def accepted(project: Project, each: Finding) -> bool:
    """Whether a comment on its line accepts it."""
    source = project.tree.files.get(each.path)
    return source is not None and source.accepts(each.line, each.line, each.id)
