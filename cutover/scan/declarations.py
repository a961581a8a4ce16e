"""The cutovers of a project, read from the source of its `cutovers.py`."""

import ast
import re
from dataclasses import dataclass

from cutover.scan.literals import Reader, Unreadable
from cutover.scan.tree import Source, Tree

WANTED = ("name", "source", "target", "parent", "on_mutation", "column")


@dataclass(frozen=True)
class Declared:
    """One declaration: `source` and `target` in their parts, and where it stands."""

    name: str
    path: str
    line: int
    app: str
    model: str
    field: str
    child_app: str
    child: str
    parent: str
    on_mutation: str
    column: str


def declared(tree: Tree) -> tuple[list[Declared], list[tuple[str, int]]]:
    """All declarations, and the places of those that cannot be read without running them."""
    found: list[Declared] = []
    unread: list[tuple[str, int]] = []
    for source in tree:
        if "cutovers" not in source.path or not re.search(r"(^|/)cutovers(\.py|/)", source.path):
            continue
        if source.tree is None:
            unread.append((source.path, 1))
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and registered(node):
                each = declaration(source, node)
                found += [each] if each else []
                unread += [] if each else [(source.path, node.lineno)]
    return found, unread


def registered(node: ast.ClassDef) -> bool:
    names = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    return any(getattr(each, "id", getattr(each, "attr", "")) == "register" for each in names)


def declaration(source: Source, node: ast.ClassDef) -> Declared | None:
    reader = Reader(source.path, {})
    said: dict[str, str] = {}
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            target, value = statement.targets[0].id, statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            target, value = statement.target.id, statement.value
        else:
            continue
        if target in WANTED:
            try:
                said[target] = str(reader.read(value).value)
            except Unreadable:
                return None
    of, to = said.get("source", "").split("."), said.get("target", "").split(".")
    if len(of) != 3 or len(to) != 2:
        return None
    name = said.get("name") or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name).lower()
    mutation = said.get("on_mutation", "raise")
    column = said.get("column") or of[2]
    return Declared(
        name, source.path, node.lineno, of[0], of[1], of[2], to[0], to[1], said.get("parent", ""), mutation, column
    )
