"""Where the source makes rows of a model itself: `JobLog(...)`, `JobLog.objects.create(...)`. A reading, not a proof."""

import ast
from collections.abc import Iterator
from pathlib import Path

from cutover.scan import tree
from cutover.scan.tree import Source

MAKE = {"create", "acreate", "bulk_create", "abulk_create", "get_or_create", "update_or_create"}
ANY = "cutover.S040"  # an accepted line is accepted whatever the id


def makers(root: Path, model: str) -> list[str]:
    """Places `path:line` that make rows of the model, by its name; migrations and tests are left out."""
    sources = tree.on_disk(root, (*tree.TESTS, "*/migrations/*", "migrations/*"))
    return [f"{each.path}:{line}" for each in sources if model in each.text for line in lines(each, model)]


def lines(source: Source, model: str) -> Iterator[int]:
    for node in ast.walk(source.tree or ast.Module([], [])):
        if not isinstance(node, ast.Call) or not makes(node.func, model):
            continue
        if not source.accepts(node.lineno, node.end_lineno or node.lineno, ANY):
            yield node.lineno


def makes(called: ast.expr, model: str) -> bool:
    if named(called, model):
        return True
    return (
        isinstance(called, ast.Attribute)
        and called.attr in MAKE
        and isinstance(called.value, ast.Attribute)
        and named(called.value.value, model)
    )


def named(node: ast.expr, model: str) -> bool:
    """The model by its bare name, or as the attribute of a module."""
    return (isinstance(node, ast.Name) and node.id == model) or (isinstance(node, ast.Attribute) and node.attr == model)
