"""What the source says of the models of a cutover: where they are, whether the field is still there, who refers to them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from cutover.scan.tree import Source, Tree

KEYS = {"ForeignKey", "OneToOneField", "ParentalKey"}
LABEL = re.compile(r"""^\s+label(?:\s*:\s*str)?\s*=\s*["'](\w+)["']""", re.MULTILINE)


@dataclass
class Model:
    """One model class.

    Attributes:
        field_line: where the field is assigned in the class; 0 where it is not, or is a Shim.
        inherits: whether it has bases that may bring the field along.
        managers: attribute of the class to the names of the classes that make the manager.
    """

    source: Source
    node: ast.ClassDef
    field_line: int = 0
    shim: bool = False
    required: bool = False
    inherits: bool = False
    table: str = ""
    managers: dict[str, set[str]] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """The dotted name of the app: where the models are, without `models`."""
        parts = self.source.module.split(".")
        return ".".join(parts[: parts.index("models")] if "models" in parts else parts[:-1])


def find(tree: Tree, app: str, name: str, field_name: str = "") -> Model | None:
    """The class of a model; the one in the app's directory where several have its name."""
    homes = {app, *labelled(tree, app)}
    fitting: list[tuple[int, Source, ast.ClassDef]] = []
    opening = re.compile(rf"^\s*class {re.escape(name)}\b", re.MULTILINE)
    for source in tree:
        if name not in source.text or not opening.search(source.text) or source.tree is None:
            continue
        parts = set(source.path.removesuffix(".py").split("/"))
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and node.name == name and node.bases:
                fitting.append(((2 if parts & homes else 0) + ("models" in parts), source, node))
    fitting = [each for each in fitting if each[0]]
    if not fitting:
        return None
    _, source, node = max(fitting, key=lambda each: each[0])
    return facts(source, node, field_name, f"{app}_{name.lower()}")


def labelled(tree: Tree, app: str) -> Iterator[str]:
    """Directories whose AppConfig gives them this label."""
    for source in tree:
        if source.path.endswith("apps.py") and app in LABEL.findall(source.text):
            parts = source.path.split("/")
            yield parts[-2] if len(parts) > 1 else ""


def facts(source: Source, node: ast.ClassDef, field_name: str, table: str) -> Model:
    plain = {"Model", "models.Model"}
    found = Model(source, node, table=table, inherits=any(ast.unparse(base) not in plain for base in node.bases))
    for statement in statements(node.body):
        for target, value in assigned(statement):
            if target == field_name and isinstance(value, ast.Call):
                found.shim = found.shim or called(value) == "Shim"
                found.field_line = found.field_line if called(value) == "Shim" else statement.lineno
                found.required = not any(each.arg in ("null", "db_default") for each in value.keywords)
            elif isinstance(value, ast.Call):
                found.managers[target] = {each.id for each in ast.walk(value) if isinstance(each, ast.Name)}
        if isinstance(statement, ast.ClassDef) and statement.name == "Meta":
            found.table = table_of(statement) or found.table
    return found


def table_of(meta: ast.ClassDef) -> str:
    for statement in meta.body:
        for target, value in assigned(statement):
            if target == "db_table" and isinstance(value, ast.Constant):
                return str(value.value)
    return ""


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Of a class, those under a condition too."""
    for each in body:
        yield each
        if isinstance(each, ast.If):
            yield from statements([*each.body, *each.orelse])


def assigned(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """`name = value` and `name: type = value`."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        yield statement.target.id, statement.value


def called(node: ast.expr) -> str:
    """The last name of what is called: `models.ForeignKey(...)` is `ForeignKey`."""
    func = node.func if isinstance(node, ast.Call) else node
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def references(tree: Tree, app: str, name: str) -> set[str]:
    """The names of foreign keys, in any model of the project, that lead to this model."""
    found = set()
    for source in tree:
        if name not in source.text or not any(key in source.text for key in KEYS) or "migrations/" in source.path:
            continue
        for node in ast.walk(source.tree) if source.tree else ():
            if isinstance(node, ast.Assign | ast.AnnAssign):
                found |= {target for target, value in assigned(node) if leads_to(value, app, name)}
    return found


def leads_to(value: ast.expr, app: str, name: str) -> bool:
    if not isinstance(value, ast.Call) or called(value) not in KEYS:
        return False
    to = [*value.args[:1], *(each.value for each in value.keywords if each.arg == "to")]
    for each in to:
        if isinstance(each, ast.Constant) and str(each.value).lower() in (name.lower(), f"{app}.{name}".lower()):
            return True
        if isinstance(each, ast.Name | ast.Attribute) and called(each) == name:
            return True
    return False


def constraint_line(model: Model, key: str) -> int:
    """Where the child's foreign key is declared with a constraint in the database; 0 where it has none."""
    for statement in statements(model.node.body):
        for target, value in assigned(statement):
            if target == key and isinstance(value, ast.Call):
                said = {each.arg: each.value for each in value.keywords}.get("db_constraint")
                return 0 if isinstance(said, ast.Constant) and said.value is False else statement.lineno
    return 0


def methods(source: Source, classes: set[str]) -> Iterator[str]:
    """The methods of those classes that are managers or querysets."""
    opened = [name for name in classes if f"class {name}(" in source.text]
    for node in ast.walk(source.tree) if opened and source.tree else ():
        if (
            isinstance(node, ast.ClassDef)
            and node.name in opened
            and re.search("Manager|QuerySet", ast.unparse(node.bases[0]))
        ):
            yield from (each.name for each in node.body if isinstance(each, ast.FunctionDef))
