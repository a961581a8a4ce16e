"""What an expression is, as far as the source tells: the parent's class, an instance, a queryset, its document, or else.

Prefers precision: a name is taken for an instance only where something speaks for it, an annotation, an assignment, a foreign
key, or the name of the model together with what only instances of models have.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from cutover.scan.models import called
from cutover.scan.project import Target
from cutover.scan.tree import Source


class Kind(Enum):
    CLASS = auto()
    INSTANCE = auto()
    NEW = auto()  # an instance that has not been saved
    QUERYSET = auto()  # or a manager, or a list of instances
    PAIR = auto()  # what get_or_create returns
    DOCUMENT = auto()  # the attribute, or a part of it
    OTHER = auto()  # known to be something else


@dataclass(frozen=True)
class Seen:
    """A kind; of a document also the expression of its instance."""

    kind: Kind
    origin: str = ""


Scope = dict[str, Seen]
OTHER = Seen(Kind.OTHER)
TO_QUERYSET = {
    "all", "filter", "exclude", "order_by", "only", "defer", "select_related", "prefetch_related", "annotate", "alias", "using",
    "select_for_update", "distinct", "reverse", "none", "iterator", "aiterator", "get_queryset", "extra", "raw", "bulk_create",
    "union", "intersection", "difference", "complex_filter", "in_bulk", "as_manager", "from_queryset",
}  # fmt: skip
TO_INSTANCE = {
    "get", "first", "last", "latest", "earliest", "create", "aget", "afirst", "alast", "alatest", "aearliest", "acreate",
}  # fmt: skip
TO_PAIR = {"get_or_create", "update_or_create", "aget_or_create", "aupdate_or_create"}
KEEPS = {"list", "tuple", "sorted", "reversed", "set", "iter", "get_list_or_404", "paginate_queryset"}
MANAGERS = {"objects", "_default_manager", "_base_manager"}
EVIDENCE = (
    "refresh_from_db(",
    "arefresh_from_db(",
    "save(update_fields",
    "asave(",
    "_meta",
    "pk",
)  # what only models have
COLLECTIONS = {
    "QuerySet",
    "list",
    "List",
    "Iterable",
    "Iterator",
    "Sequence",
    "set",
    "tuple",
    "Manager",
    "BaseManager",
    "Collection",
}
PARTS = {"get", "setdefault", "pop", "values", "items"}


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def dotted(node: ast.AST) -> str:
    """`self.job` as a text; empty where it is not made of names alone."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


@dataclass
class Kinds:
    """Answers for one file and one cutover. `classes` are the names under which this file knows the model."""

    target: Target
    source: Source
    classes: set[str]
    foreign: bool = False  # the model's name means something else in this file
    returns: dict[str, Seen] = field(default_factory=dict)
    model_methods: set[str] = field(default_factory=set)
    admins: set[str] = field(default_factory=set)

    @property
    def likely_name(self) -> str:
        return snake(self.target.spec.model)

    def worth_a_walk(self, node: ast.stmt, names: Sequence[str] = ()) -> bool:
        """Whether a statement of the module can use the column at all; functions and classes without any sign of it, and
        without one of the names that stand for it, cannot."""
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return True
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        text = "\n".join(self.source.lines[first - 1 : node.end_lineno])
        return self.target.sign.search(text) is not None or any(name in text for name in names)

    def of(self, node: ast.expr | None, scope: Scope) -> Seen | None:
        """What an expression is; None where nothing is known."""
        if node is None:
            return None
        name = dotted(node)
        if name and name in scope:
            return scope[name]
        if name in self.classes:
            return Seen(Kind.CLASS)
        how = getattr(self, f"of_{type(node).__name__.lower()}", None)
        found: Seen | None = how(node, scope) if how else (OTHER if isinstance(node, ast.Constant) else None)
        return found

    def of_name(self, node: ast.Name, _: Scope) -> Seen | None:
        return Seen(Kind.INSTANCE) if self.likely(node) else None

    def of_attribute(self, node: ast.Attribute, scope: Scope) -> Seen | None:
        base = self.of(node.value, scope)
        if base is None:
            return Seen(Kind.INSTANCE) if self.likely(node) or self.refers(node) else None
        return self.attribute_of(base, node)

    def attribute_of(self, base: Seen, node: ast.Attribute) -> Seen | None:
        if base.kind is Kind.CLASS and (node.attr in MANAGERS or node.attr in self.custom_managers):
            return Seen(Kind.QUERYSET)
        if base.kind in (Kind.INSTANCE, Kind.NEW) and node.attr == self.target.spec.field:
            return Seen(Kind.DOCUMENT, dotted(node.value) or ast.unparse(node.value))
        if base.kind is Kind.DOCUMENT:
            return base
        if base.kind is Kind.QUERYSET and node.attr == "model":
            return Seen(Kind.CLASS)
        return Seen(Kind.INSTANCE) if base.kind is Kind.OTHER and self.refers(node) else None

    @property
    def custom_managers(self) -> set[str]:
        parent = self.target.parent
        managers = parent.managers if parent else {}
        return {name for name, made in managers.items() if any(re.search("Manager|QuerySet", each) for each in made)}

    def likely(self, node: ast.Name | ast.Attribute) -> bool:
        """Whether it is named like the model, in a file that has the model, or is used as only instances of models are."""
        name = dotted(node)
        if self.foreign or name.rpartition(".")[2] != self.likely_name:
            return False
        return bool(self.classes) or any(f"{name}.{sign}" in self.source.text for sign in EVIDENCE)

    def refers(self, node: ast.Attribute) -> bool:
        """`entry.job` where `job` is a foreign key to the parent somewhere, and named like it."""
        return (
            node.attr in self.target.references
            and node.attr == self.likely_name
            and not self.foreign
            and bool(self.classes)
        )

    def of_await(self, node: ast.Await, scope: Scope) -> Seen | None:
        return self.of(node.value, scope)

    def of_namedexpr(self, node: ast.NamedExpr, scope: Scope) -> Seen | None:
        return self.of(node.value, scope)

    def of_ifexp(self, node: ast.IfExp, scope: Scope) -> Seen | None:
        return self.of(node.body, scope) or self.of(node.orelse, scope)

    def of_boolop(self, node: ast.BoolOp, scope: Scope) -> Seen | None:
        return next(
            (found for found in (self.of(each, scope) for each in node.values) if found not in (None, OTHER)), None
        )

    def of_starred(self, node: ast.Starred, scope: Scope) -> Seen | None:
        return self.of(node.value, scope)

    def of_subscript(self, node: ast.Subscript, scope: Scope) -> Seen | None:
        base = self.of(node.value, scope)
        if base is None or base.kind is Kind.DOCUMENT:
            return base
        if base.kind is Kind.QUERYSET:
            return base if isinstance(node.slice, ast.Slice) else Seen(Kind.INSTANCE)
        if base.kind is Kind.PAIR:
            return Seen(Kind.INSTANCE)
        return None

    def of_listcomp(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, scope: Scope) -> Seen | None:
        inner = dict(scope)
        for loop in node.generators:
            self.bind(loop.target, self.element(self.of(loop.iter, inner), loop.iter), inner)
        found = self.of(node.elt, inner)
        return Seen(Kind.QUERYSET) if found and found.kind in (Kind.INSTANCE, Kind.NEW) else OTHER

    of_generatorexp = of_setcomp = of_listcomp

    def of_call(self, node: ast.Call, scope: Scope) -> Seen | None:
        func = node.func
        callee = self.of(func, scope) if isinstance(func, ast.Name) or dotted(func) in self.classes else None
        if callee is not None and callee.kind is Kind.CLASS:
            return Seen(Kind.NEW)
        if isinstance(func, ast.Attribute):
            base = self.of(func.value, scope)
            if base is not None:
                return self.method_of(base, func, node, scope)
        return self.function(node, scope)

    def method_of(self, base: Seen, func: ast.Attribute, node: ast.Call, scope: Scope) -> Seen | None:
        if base.kind is Kind.DOCUMENT:
            return base if func.attr in PARTS else OTHER
        if base.kind is Kind.QUERYSET:
            if func.attr in TO_QUERYSET or func.attr in self.model_methods:
                return Seen(Kind.QUERYSET)
            if func.attr in TO_INSTANCE:
                return Seen(Kind.INSTANCE)
            return Seen(Kind.PAIR) if func.attr in TO_PAIR else OTHER
        return self.function(node, scope)

    def function(self, node: ast.Call, scope: Scope) -> Seen | None:
        name, first = called(node), node.args[0] if node.args else None
        if name == "get_model" and self.names_model(node):
            return Seen(Kind.CLASS)
        if name in ("get_object_or_404", "aget_object_or_404"):
            found = self.of(first, scope)
            return Seen(Kind.INSTANCE) if found and found.kind in (Kind.CLASS, Kind.QUERYSET) else OTHER
        if name in KEEPS:
            found = self.of(first, scope)
            return found if found and found.kind is Kind.QUERYSET else OTHER
        if name in ("next", "copy", "deepcopy"):
            found = self.of(first, scope)
            return Seen(Kind.INSTANCE) if found and found.kind in (Kind.QUERYSET, Kind.INSTANCE) else OTHER
        return self.returns.get(dotted(node.func))

    def names_model(self, node: ast.Call) -> bool:
        said = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        wanted = f"{self.target.spec.app}.{self.target.spec.model}".lower()
        return ".".join(said).lower() == wanted

    def annotated(self, node: ast.expr | None) -> Seen | None:
        """What an annotation says: `Job`, `"Job"`, `Job | None`, `QuerySet[Job]`; OTHER where it names something else."""
        if node is None:
            return None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                return OTHER
        names = {dotted(each) for each in ast.walk(node) if isinstance(each, ast.Name | ast.Attribute)}
        quoted = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
        if not (names | quoted) & (self.classes | {self.target.spec.model} if not self.foreign else set()):
            return OTHER if names - {"Any", "object"} else None
        if {name.rpartition(".")[2] for name in names} & COLLECTIONS:
            return Seen(Kind.QUERYSET)
        return Seen(Kind.CLASS) if names & {"type", "Type"} else Seen(Kind.INSTANCE)

    def element(self, found: Seen | None, loop: ast.expr) -> Seen | None:
        """What a loop over it yields; of enumerate and zip the pairs are taken apart in `bind`."""
        if found is None:
            return None
        if found.kind is Kind.QUERYSET:
            return Seen(Kind.INSTANCE)
        parts = isinstance(loop, ast.Call) and called(loop) in ("values", "items")
        return found if found.kind is Kind.DOCUMENT and parts else OTHER

    def bind(self, target: ast.expr, found: Seen | None, scope: Scope) -> None:
        """Remember what a name has become; what is unknown is forgotten."""
        if isinstance(target, ast.Tuple | ast.List):
            for number, each in enumerate(target.elts):
                self.bind(each, part_of(found, number), scope)
            return
        name = dotted(target)
        if not name:
            return
        for other in [each for each in scope if each.startswith(f"{name}.")]:
            del scope[other]
        if found is not None:
            scope[name] = found
        elif isinstance(target, ast.Name):
            scope.pop(name, None)


def part_of(found: Seen | None, number: int) -> Seen | None:
    """What a tuple is taken apart into: the instance of get_or_create, the value of items()."""
    if found is not None and found.kind is Kind.PAIR:
        return Seen(Kind.INSTANCE) if number == 0 else OTHER
    if found is not None and found.kind is Kind.DOCUMENT and number == 0:
        return OTHER
    return found
