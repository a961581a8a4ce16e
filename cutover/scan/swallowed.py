"""Rules over `except`: one that takes everything around a write of the toolkit takes a soft time limit too, and hides it."""

import ast
from collections.abc import Iterator
from itertools import chain

from cutover.scan.finding import Finding, Severity
from cutover.scan.kinds import dotted
from cutover.scan.models import called
from cutover.scan.project import Project, Target
from cutover.scan.settings import absolute
from cutover.scan.tree import Source, Tree, nested

WRITES = {"append", "extend", "replace", "clear"}
LOGS = {"emit", "handle", "flush"}
ALL = {"Exception", "BaseException"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
HINT = "Catch django.db.Error and cutover.errors.CutoverError, and let the rest pass; LogHandler does that by itself."


def check(project: Project) -> Iterator[Finding]:
    """S054, for every cutover."""
    for target in project.targets:
        makers = {
            source.path: named(target, source, imports=False) for source in project.tree if concerned(source, target)
        }
        shared = {name.rpartition(".")[2] for names in makers.values() for name in names}
        for source in project.tree:
            blanket = "except" in source.text or "suppress" in source.text
            if blanket and (source.path in makers or any(name in source.text for name in shared)):
                yield from in_file(target, source)


def concerned(source: Source, target: Target) -> bool:
    """A first look at the text, so that few files are parsed."""
    return target.name in source.text and ("use(" in source.text or "LogHandler" in source.text)


def in_file(target: Target, source: Source) -> Iterator[Finding]:
    writers = named(target, source, imports=True)
    if not writers and "use(" not in source.text:
        return
    for node, how in blankets(source.tree):
        name = next((found for each in protected(node) if (found := write(each, target, writers))), "")
        if name:
            fact = (
                f"{how} around {name}() also takes what a signal raises in the middle of it, such as a soft time limit."
            )
            yield target.found("S054", (source, line(node)), fact, HINT, severity=Severity.WARNING)


def line(node: ast.Try | ast.With) -> int:
    """Where the blanket is, and not where its block begins."""
    return node.lineno if isinstance(node, ast.With) else takes_all(node).lineno  # type: ignore[union-attr]


def blankets(tree: ast.AST | None) -> Iterator[tuple[ast.Try | ast.With, str]]:
    """Blocks of which nothing comes out."""
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Try) and (handler := takes_all(node)) is not None:
            yield node, "A bare except" if handler.type is None else f"`except {ast.unparse(handler.type)}`"
        elif isinstance(node, ast.With) and any(map(suppresses, node.items)):
            yield node, "suppress(Exception)"


def takes_all(node: ast.Try) -> ast.ExceptHandler | None:
    """The handler that takes everything, unless it or one before it lets something pass."""
    for handler in node.handlers:
        if any(isinstance(each, ast.Raise) for each in inside(handler.body)):
            return None
        named = getattr(handler.type, "elts", [handler.type])
        if handler.type is None or any(dotted(each).rpartition(".")[2] in ALL for each in named):
            return handler
    return None


def suppresses(item: ast.withitem) -> bool:
    made = item.context_expr
    return isinstance(made, ast.Call) and called(made) == "suppress" and any(dotted(each) in ALL for each in made.args)


def protected(node: ast.Try | ast.With) -> Iterator[ast.Call]:
    """The calls of a block, without those that a blanket further in answers for."""
    yield from (each for each in inside(node.body) if isinstance(each, ast.Call))


def inside(body: list[ast.stmt]) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, FUNCTIONS):
            continue
        yield node
        if isinstance(node, ast.Try) and takes_all(node) is not None:
            waiting += chain.from_iterable(each.body for each in node.handlers)
        else:
            waiting += ast.iter_child_nodes(node)


def write(node: ast.Call, target: Target, writers: set[str]) -> str:
    """The name of a write of this cutover; empty where the call is something else."""
    if not isinstance(node.func, ast.Attribute):
        return ""
    on, name = node.func.value, node.func.attr
    if name in WRITES and (dotted(on) in writers or makes(on, target) == "use"):
        return name
    if name in LOGS and (dotted(on) in writers or makes(on, target) == "LogHandler"):
        return name
    return ""


def makes(node: ast.AST, target: Target) -> str:
    """`use` or `LogHandler`, where a call makes one for this cutover."""
    if not isinstance(node, ast.Call) or called(node) not in ("use", "LogHandler"):
        return ""
    said = [*node.args[:1], *(each.value for each in node.keywords if each.arg in ("name", "cutover_name"))]
    return called(node) if any(getattr(each, "value", None) == target.name for each in said) else ""


def named(target: Target, source: Source, *, imports: bool) -> set[str]:
    """The names under which a file has the cutover's facade or handler, also those that it imports from where they are made."""
    found = set()
    for node in ast.walk(source.tree) if source.tree else ():
        if isinstance(node, ast.Assign) and makes(node.value, target):
            found |= {dotted(each) for each in node.targets} - {""}
    tree: Tree = target.project.tree
    for node in nested(source.tree.body) if imports and source.tree else ():
        file = tree.module(absolute(node, source)) if isinstance(node, ast.ImportFrom) else None
        if file is not None and target.name in file.text:
            theirs = named(target, file, imports=False)
            found |= {each.asname or each.name for each in node.names if each.name in theirs}  # type: ignore[attr-defined]
    return found
