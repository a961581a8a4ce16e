"""What a file knows the parent model by: its imports, `get_model`, its own class, and what is registered for it."""

import ast

from cutover.scan.kinds import Kinds, dotted
from cutover.scan.models import assigned, called
from cutover.scan.project import Target
from cutover.scan.settings import absolute
from cutover.scan.tree import Source, nested


def prepared(source: Source, target: Target) -> Kinds:
    """The kinds of a file that can be parsed."""
    parent, spec = target.parent, target.spec
    kinds = Kinds(target, source, set(), model_methods=target.queryset_methods)
    home = (parent.package if parent else spec.app).rpartition(".")[2] or spec.app
    for node in nested(source.tree.body) if source.tree else ():
        if isinstance(node, ast.ImportFrom):
            imported_from(kinds, node, source, home)
        elif isinstance(node, ast.Import):
            imported(kinds, node, home)
        elif isinstance(node, ast.ClassDef) and node.name == spec.model:
            mine = parent is not None and node is parent.node
            kinds.classes |= {spec.model} if mine else set()
            kinds.foreign = kinds.foreign or not mine
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            site_registered(kinds, node.value)
    return kinds


def imported(kinds: Kinds, node: ast.Import, home: str) -> None:
    model = kinds.target.spec.model
    for each in node.names:
        if home in each.name.split("."):
            name = each.asname or each.name
            kinds.classes |= {f"{name}.{model}", f"{name}.models.{model}"}


def imported_from(kinds: Kinds, node: ast.ImportFrom, source: Source, home: str) -> None:
    module, model = absolute(node, source), kinds.target.spec.model
    ours = home in module.split(".")
    for each in node.names:
        name = each.asname or each.name
        if each.name == model:
            kinds.classes |= {name} if ours else set()
            kinds.foreign = kinds.foreign or (name == model and not ours)
        elif each.name == "*" and ours and "models" in module:
            kinds.classes.add(model)
        elif each.name == "models" and ours:
            kinds.classes.add(f"{name}.{model}")
        elif each.name == home:
            kinds.classes.add(f"{name}.models.{model}")


def site_registered(kinds: Kinds, node: ast.Call) -> None:
    """`admin.site.register(Job, JobAdmin)`."""
    if len(node.args) != 2 or not dotted(node.func).endswith("site.register"):
        return
    if dotted(node.args[0]).rpartition(".")[2] == kinds.target.spec.model:
        kinds.admins.add(dotted(node.args[1]))


def for_model(kinds: Kinds, node: ast.ClassDef) -> bool:
    """Whether a class says that it is about the model: `Meta.model`, or it is registered for it."""
    for inner in node.body:
        if isinstance(inner, ast.ClassDef) and inner.name == "Meta":
            pairs = [pair for part in inner.body for pair in assigned(part)]
            return any(name == "model" and dotted(value) in kinds.classes for name, value in pairs)
    for made in node.decorator_list:
        about = {dotted(arg) for arg in made.args} if isinstance(made, ast.Call) else set()
        if called(made) == "register" and about & kinds.classes:
            return True
    return node.name in kinds.admins
