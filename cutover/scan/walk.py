"""Goes through one file with a scope in hand, and tells the rules what it meets. It finds nothing itself."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cutover.scan.kinds import OTHER, Kind, Kinds, Scope, Seen, dotted
from cutover.scan.known import for_model
from cutover.scan.models import Model, assigned, called
from cutover.scan.settings import absolute
from cutover.scan.tree import Source, nested

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Change:
    """The document of an instance is assigned, or changed in place."""

    id: str
    node: ast.AST
    instance: str
    function: int
    owner: str
    new: bool = False


@dataclass(frozen=True)
class Save:
    """A save of an instance; `fields` is None for a full one."""

    node: ast.Call
    instance: str
    fields: frozenset[str] | None
    function: int
    owner: str
    new: bool = False


@dataclass
class Notes:
    """What the walk met, for the rules to judge."""

    changes: list[Change] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)


OnNode = Callable[["Walk", ast.AST, Scope], None]


@dataclass
class Walk:
    """The walk through one file. `on_node` is called for every expression and class, with what is known there."""

    kinds: Kinds
    on_node: OnNode
    notes: Notes = field(default_factory=Notes)
    function: int = 0
    owner: str = ""
    lists: dict[str, set[str]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)  # names that hold the name of the parent's table
    parents: list[ast.AST] = field(default_factory=list)

    def module(self, tree: ast.Module) -> None:
        scope: Scope = {}
        for node in nested(tree.body):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
                found = self.kinds.annotated(node.returns)
                if found is not None and found is not OTHER:
                    self.kinds.returns[node.name] = self.kinds.returns[f"self.{node.name}"] = found
        for each in tree.body:
            if self.kinds.worth_a_walk(each, self.listed()):
                self.statement(each, scope)

    def listed(self) -> list[str]:
        """The names of lists, met so far, that have the field: `COLUMNS = ("pk", "logs")`."""
        return [name for name, texts in self.lists.items() if self.kinds.target.spec.field in texts]

    def body(self, statements: list[ast.stmt], scope: Scope) -> None:
        for each in statements:
            self.statement(each, scope)

    def statement(self, node: ast.stmt, scope: Scope) -> None:
        self.parents.append(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.enter(node, dict(scope))
        elif isinstance(node, ast.ClassDef):
            self.class_(node, dict(scope))
        else:
            self.plain(node, scope)
        self.parents.pop()

    def plain(self, node: ast.stmt, scope: Scope) -> None:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.expr):
                self.expression(each, scope)
            elif isinstance(each, ast.withitem):
                self.expression(each.context_expr, scope)
        self.on_node(self, node, scope)
        self.bind(node, scope)
        for name in ("body", "orelse", "finalbody"):
            self.body(getattr(node, name, []), scope)
        for handler in getattr(node, "handlers", []):
            self.body(handler.body, scope)
        for case in getattr(node, "cases", []):
            self.body(case.body, scope)

    def bind(self, node: ast.stmt, scope: Scope) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self.assign(target, node.value, scope)
        elif isinstance(node, ast.AnnAssign):
            found = self.kinds.of(node.value, scope) if node.value else None
            self.kinds.bind(node.target, found or self.kinds.annotated(node.annotation), scope)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self.loop(node.target, node.iter, scope)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if item.optional_vars is not None:
                    self.kinds.bind(item.optional_vars, self.kinds.of(item.context_expr, scope), scope)

    def loop(self, target: ast.expr, over: ast.expr, scope: Scope) -> None:
        if isinstance(over, ast.Call) and called(over) == "enumerate" and isinstance(target, ast.Tuple) and over.args:
            self.kinds.bind(
                target.elts[-1], self.kinds.element(self.kinds.of(over.args[0], scope), over.args[0]), scope
            )
            return
        self.kinds.bind(target, self.kinds.element(self.kinds.of(over, scope), over), scope)

    def assign(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts)
        if both:
            found = [self.kinds.of(each, scope) for each in value.elts]  # type: ignore[attr-defined]
            for part, seen in zip(target.elts, found, strict=True):  # type: ignore[attr-defined]
                self.kinds.bind(part, seen, scope)
            return
        if isinstance(target, ast.Name) and isinstance(value, ast.List | ast.Tuple | ast.Set):
            self.lists[target.id] = set(texts(value))
        if isinstance(target, ast.Name):
            named = dotted(value).removesuffix("._meta.db_table")
            (self.tables.add if named != dotted(value) and named in self.kinds.classes else self.tables.discard)(
                target.id
            )
        self.kinds.bind(target, self.kinds.of(value, scope), scope)

    def expression(self, node: ast.expr, scope: Scope) -> None:
        """Inner expressions after the outer one, so that a rule of the outer one may answer for both."""
        self.parents.append(node)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            scope = dict(scope)
            for loop in node.generators:
                self.loop(loop.target, loop.iter, scope)
        self.on_node(self, node, scope)
        for each in inner(node):
            self.expression(each, scope)
        if isinstance(node, ast.NamedExpr):
            self.kinds.bind(node.target, self.kinds.of(node.value, scope), scope)
        self.parents.pop()

    def enter(self, node: Function, scope: Scope) -> None:
        """A function of its own: what its arguments are, then its body."""
        for each in node.decorator_list:
            self.expression(each, scope)
        outer, self.function = self.function, node.lineno
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            if argument.arg != "self":
                self.kinds.bind(ast.Name(argument.arg), self.kinds.annotated(argument.annotation), scope)
        scope.update(given(self.kinds, node))
        self.body(node.body, scope)
        self.function = outer

    def class_(self, node: ast.ClassDef, scope: Scope) -> None:
        """Its methods share what is assigned to `self`: they are gone through twice, the first time in silence."""
        self.on_node(self, node, scope)
        scope = {**{name: seen for name, seen in scope.items() if name.partition(".")[0] != "self"}, **self.role(node)}
        outer, self.owner = self.owner, node.name
        quiet = Walk(self.kinds, lambda *_: None, function=self.function, owner=node.name)
        for each in node.body:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = dict(scope)
                quiet.enter(each, inner)
                scope.update({name: seen for name, seen in inner.items() if name.startswith("self.")})
        self.body(node.body, scope)
        self.owner = outer

    def role(self, node: ast.ClassDef) -> Scope:
        """What `self` is in a class, and what its attributes are."""
        spec, parent = self.kinds.target.spec, self.kinds.target.parent
        bases = {dotted(base) for base in node.bases}
        mine = parent is not None and (node is parent.node or brings(parent, node, self.kinds.source))
        if mine or bases & self.kinds.classes:
            return {"self": Seen(Kind.INSTANCE), "cls": Seen(Kind.CLASS)}
        made = {name for names in (parent.managers.values() if parent else ()) for name in names}
        if node.name in made and any("Manager" in base or "QuerySet" in base for base in bases):
            return {"self": Seen(Kind.QUERYSET), "self.model": Seen(Kind.CLASS)}
        if for_model(self.kinds, node) or any(
            name == "model" and dotted(value) in self.kinds.classes
            for each in node.body
            for name, value in assigned(each)
        ):
            found = Seen(Kind.INSTANCE)
            return {"self.object": found, "self.instance": found, "obj": found, "self.queryset": Seen(Kind.QUERYSET)}
        return {"self": OTHER} if spec.model == node.name else {}


def brings(parent: Model, node: ast.ClassDef, source: Source) -> bool:
    """Whether a class is a base of the parent model: a mixin, or an abstract model, in its file or imported from this one."""
    if node.name not in {dotted(base) for base in parent.node.bases}:
        return False
    if source is parent.source:
        return True
    imports = (
        [each for each in parent.source.tree.body if isinstance(each, ast.ImportFrom)] if parent.source.tree else []
    )
    modules = [absolute(each, parent.source) for each in imports if node.name in {name.name for name in each.names}]
    return any(f".{source.module}".endswith(f".{module}") for module in modules)


def inner(node: ast.expr) -> Iterator[ast.expr]:
    """The expressions that another one is made of."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.expr):
            yield each
        elif isinstance(each, ast.keyword):
            yield each.value
        elif isinstance(each, ast.comprehension):
            yield from (each.iter, *each.ifs)


def given(kinds: Kinds, node: Function) -> Iterator[tuple[str, Seen]]:
    """Arguments whose meaning Django gives: `instance` of a signal's receiver."""
    for each in node.decorator_list:
        if isinstance(each, ast.Call) and called(each) == "receiver":
            senders = {dotted(word.value) for word in each.keywords if word.arg == "sender"}
            if senders & kinds.classes:
                yield "instance", Seen(Kind.INSTANCE)


def texts(node: ast.AST | None) -> Iterator[str]:
    """The texts of a list, tuple or set, or the one text."""
    for each in getattr(node, "elts", [node]):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
