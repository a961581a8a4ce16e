"""The flags of a settings module, read from its source: for several environments, and for revisions that cannot be imported."""

import ast
from dataclasses import dataclass, field

from cutover.phase import FLAGGED, Phase
from cutover.scan.literals import UNKNOWN, Located, Names, Reader, Unreadable
from cutover.scan.tree import Source, Tree

SETTING = "CUTOVER"
DEEPEST = 20  # imports of settings by settings


@dataclass
class Settings:
    """What one settings module says.

    Attributes:
        flags: name of the cutover to key to value, each with its place; the keys are as written.
        unread: lines that have to be run to know what they do to the flags, by path.
    """

    module: str
    path: str
    line: int = 1
    flags: dict[str, dict[str, Located]] = field(default_factory=dict)
    places: dict[str, Located] = field(default_factory=dict)
    unread: list[tuple[str, int]] = field(default_factory=list)

    def on(self, name: str, phase: Phase) -> bool:
        found = self.flags.get(name, {}).get(phase.name)
        return found is not None and found.value is True

    def place(self, name: str, phase: Phase | None = None) -> tuple[str, int]:
        """Where a flag was written; else where those of its cutover are, else the module itself."""
        found = self.flags.get(name, {}).get(phase.name) if phase else None
        found = found or self.places.get(name)
        return (found.path, found.line) if found else (self.path, self.line)

    def values(self, name: str) -> dict[Phase, bool]:
        return {phase: self.on(name, phase) for phase in FLAGGED}


def read(tree: Tree, module: str) -> Settings | None:
    """The flags of a settings module; None where the project has no such file."""
    source = tree.module(module)
    if source is None:
        return None
    found = Settings(module, source.path)
    names = Execution(tree, found).module(source, DEEPEST)
    said = names.get(SETTING)
    if said is None:
        return found
    found.line = said.line if said.path == source.path else 1
    entries: dict[str, Located] = said.value if isinstance(said.value, dict) else {}
    for name, entry in entries.items():
        found.places[str(name)] = entry
        found.flags[str(name)] = entry.value if isinstance(entry.value, dict) else {}
        if entry.value is UNKNOWN:
            found.unread.append((entry.path, entry.line))
    for each in found.flags.values():
        found.unread += [(value.path, value.line) for value in each.values() if value.value is UNKNOWN]
    return found


@dataclass
class Execution:
    """Goes through the statements of a settings module, and of those that it imports from."""

    tree: Tree
    found: Settings

    def module(self, source: Source, deep: int) -> Names:
        names: Names = {}
        if source.tree is None:
            self.found.unread.append((source.path, 1))
            return names
        self.body(source.tree.body, source, names, deep)
        return names

    def body(self, statements: list[ast.stmt], source: Source, names: Names, deep: int) -> None:
        for statement in statements:
            try:
                self.statement(statement, source, names, deep)
            except Unreadable:
                self.forget(statement, source, names)

    def forget(self, statement: ast.stmt, source: Source, names: Names) -> None:
        """What a statement that must be run could have changed is no longer known."""
        if any(isinstance(each, ast.Name) and each.id == SETTING for each in ast.walk(statement)):
            self.found.unread.append((source.path, statement.lineno))
        for each in ast.walk(statement):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store) and each.id != SETTING:
                names.pop(each.id, None)

    def statement(self, node: ast.stmt, source: Source, names: Names, deep: int) -> None:
        reader = Reader(source.path, names)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assign(target, reader.read(node.value), reader)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            assign(node.target, reader.read(node.value), reader)
        elif isinstance(node, ast.AugAssign):
            target = ast.BinOp(left=loaded(node.target), op=node.op, right=node.value)
            assign(node.target, reader.read(ast.copy_location(target, node)), reader)
        elif isinstance(node, ast.Expr):
            update(node.value, reader)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            self.imported(node, source, names, deep)
        else:
            self.compound(node, source, names, deep)

    def compound(self, node: ast.stmt, source: Source, names: Names, deep: int) -> None:
        if isinstance(node, ast.If):
            chosen = node.body if Reader(source.path, names).read(node.test).value else node.orelse
            self.body(chosen, source, names, deep)
        elif isinstance(node, ast.Try):
            self.body([*node.body, *node.orelse], source, names, deep)
        elif isinstance(node, ast.With):
            self.body(node.body, source, names, deep)
        elif isinstance(node, ast.For | ast.While | ast.Match | ast.Delete):
            raise Unreadable

    def imported(self, node: ast.Import | ast.ImportFrom, source: Source, names: Names, deep: int) -> None:
        if isinstance(node, ast.Import):
            for each in node.names:
                file = self.tree.module(each.name) if deep else None
                if file is not None and each.asname:
                    names[each.asname] = Located(self.module(file, deep - 1), file.path, 1)
            return
        file = self.tree.module(absolute(node, source)) if deep else None
        there = {} if file is None else self.module(file, deep - 1)
        for each in node.names:
            if each.name == "*":
                names.update(there)
            elif each.name in there:
                names[each.asname or each.name] = there[each.name]


def absolute(node: ast.ImportFrom, source: Source) -> str:
    """The dotted name of a module that is imported from, also relatively."""
    if not node.level:
        return node.module or ""
    parts = source.module.split(".")
    ends = len(parts) - node.level + (1 if source.path.endswith("__init__.py") else 0)
    return ".".join([*parts[: max(0, ends)], *([node.module] if node.module else [])])


def loaded(target: ast.expr) -> ast.expr:
    read: ast.expr = ast.parse(ast.unparse(target), mode="eval").body
    return read


def assign(target: ast.expr, value: Located, reader: Reader) -> None:
    if isinstance(target, ast.Name):
        reader.names[target.id] = value
        return
    if isinstance(target, ast.Subscript):
        container = reader.mapping(loaded(target.value))
        container[reader.read(target.slice).value] = Located(value.value, reader.path, target.lineno)
        return
    raise Unreadable


def update(node: ast.expr, reader: Reader) -> None:
    """`CUTOVER["job_logs"].update(DUAL_WRITE=True)`; other calls change nothing that is of interest."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "update":
        if any(isinstance(each, ast.Name) and each.id == SETTING for each in ast.walk(node)):
            raise Unreadable
        return
    container = reader.mapping(node.func.value)
    for argument in node.args:
        container.update(reader.mapping(argument))
    for each in node.keywords:
        container[each.arg] = reader.read(each.value)
