"""The migrations of a project, read from their source: what each does, and what comes before what. No loader, no database."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from cutover.scan.literals import Reader, Unreadable
from cutover.scan.models import assigned, called
from cutover.scan.tree import Source, Tree

Key = tuple[str, str]
OURS = {
    "ArchiveColumn", "DropColumn", "EnsureConstraint", "EnsureIndex", "ForgetField", "InstallWatch", "RefreshWatch",
    "RelaxColumn", "RemoveWatch", "StripClaimed",
}  # fmt: skip
ALONE = OURS - {"ForgetField", "InstallWatch", "RefreshWatch", "RemoveWatch"}
ORDER = {
    "AddField": ("model_name", "name", "field"),
    "AlterField": ("model_name", "name", "field"),
    "RemoveField": ("model_name", "name"),
    "RenameField": ("model_name", "old_name", "new_name"),
    "RenameModel": ("old_name", "new_name"),
    "AlterModelTable": ("name", "table"),
    "CreateModel": ("name", "fields"),
    "EnsureTable": ("name", "fields"),
    "DeleteModel": ("name",),
    "RunSQL": ("sql", "reverse_sql"),
    **dict.fromkeys(OURS, ("name",)),
}


@dataclass
class Operation:
    """One operation: its kind, its arguments by name, and which halves of a migration it belongs to."""

    kind: str
    line: int
    last: int
    arguments: dict[str, ast.expr]
    in_state: bool = True
    in_database: bool = True

    def text(self, name: str) -> str:
        """An argument that is written as a text; empty where it is not."""
        found = self.arguments.get(name)
        return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else ""

    def texts(self) -> Iterator[str]:
        """Every text in the arguments."""
        for each in self.arguments.values():
            yield from (
                node.value for node in ast.walk(each) if isinstance(node, ast.Constant) and isinstance(node.value, str)
            )


@dataclass
class Migration:
    source: Source
    app: str
    name: str
    line: int
    atomic: bool = True
    dependencies: list[Key] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.app, self.name

    @property
    def label(self) -> str:
        return f"{self.app}.{self.name}"


History = dict[Key, Migration]


def read(tree: Tree, labels: dict[str, str]) -> History:
    """All migrations by app and name.

    Args:
        labels: directory of an app to its label, where they differ.
    """
    found: History = {}
    for source in tree:
        parts = source.path.split("/")
        if len(parts) < 3 or parts[-2] != "migrations" or parts[-1].startswith("_"):
            continue
        each = migration(source, labels.get(parts[-3], parts[-3]), parts[-1].removesuffix(".py"))
        if each is not None:
            found[each.key] = each
    return found


def migration(source: Source, app: str, name: str) -> Migration | None:
    for node in source.tree.body if source.tree else ():
        if isinstance(node, ast.ClassDef) and node.name == "Migration":
            found = Migration(source, app, name, node.lineno)
            for statement in node.body:
                for target, value in assigned(statement):
                    fill(found, target, value)
            return found
    return None


def fill(found: Migration, target: str, value: ast.expr) -> None:
    if target == "atomic":
        found.atomic = not (isinstance(value, ast.Constant) and value.value is False)
    elif target == "operations":
        found.operations += operations(value)
    elif target in ("dependencies", "run_before"):
        for each in value.elts if isinstance(value, ast.List | ast.Tuple) else ():
            try:
                pair = Reader(found.source.path, {}).read(each).plain()
            except Unreadable:
                continue
            if target == "dependencies" and isinstance(pair, list) and len(pair) == 2:
                found.dependencies.append((pair[0], pair[1]))


def operations(value: ast.expr, in_state: bool = True, in_database: bool = True) -> list[Operation]:
    """Of a list of operations, those inside SeparateDatabaseAndState too."""
    found: list[Operation] = []
    for node in value.elts if isinstance(value, ast.List | ast.Tuple) else ():
        if not isinstance(node, ast.Call):
            continue
        kind = called(node)
        names = dict(zip(ORDER.get(kind, ()), node.args, strict=False))
        arguments = {**names, **{each.arg: each.value for each in node.keywords if each.arg}}
        if kind != "SeparateDatabaseAndState":
            last = node.end_lineno or node.lineno
            found.append(Operation(kind, node.lineno, last, arguments, in_state, in_database))
            continue
        positional = dict(zip(("database_operations", "state_operations"), node.args, strict=False))
        inner = {**positional, **arguments}
        if "database_operations" in inner:
            found += operations(inner["database_operations"], False, in_database)
        if "state_operations" in inner:
            found += operations(inner["state_operations"], in_state, False)
    return found


def ancestors(history: History, key: Key) -> set[Key]:
    """The migration itself and all that come before it."""
    found: set[Key] = set()
    left = [key]
    while left:
        each = left.pop()
        if each not in found and each in history:
            found.add(each)
            left += history[each].dependencies
    return found
