"""Rules over the source: every use of the column that a phase breaks, with the phase."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cutover.phase import Phase
from cutover.scan import options, queries, rawsql
from cutover.scan.consequences import CONSEQUENCES
from cutover.scan.finding import Finding, Severity, by_phase
from cutover.scan.kinds import Kind, Scope, dotted
from cutover.scan.known import prepared
from cutover.scan.models import called
from cutover.scan.project import Project, Target
from cutover.scan.tree import Source, Tree
from cutover.scan.walk import Change, Save, Walk, texts

IN_PLACE = {
    "append",
    "insert",
    "extend",
    "remove",
    "pop",
    "clear",
    "sort",
    "reverse",
    "update",
    "setdefault",
    "popitem",
    "add",
}
SAVES = {"save", "asave"}
TABLE = "._meta.db_table"


def check(project: Project, now: Tree | None = None) -> Iterator[Finding]:
    """S040 to S053, for every cutover; with `now` only in the files that are others there, or gone."""
    for target in project.targets:
        for source in project.tree:
            same = now is not None and now.files.get(source.path) is source
            if not same and concerned(source, target):
                yield from in_file(source, target)


def concerned(source: Source, target: Target) -> bool:
    """A first look at the text, so that few files are parsed. Migrations from before the watch are history."""
    if "/migrations/" in f"/{source.path}":
        parts = source.path.removesuffix(".py").split("/")
        app = target.project.labels.get(parts[-3], parts[-3]) if len(parts) > 2 else ""
        if not target.watched or (app, parts[-1]) in target.watched:
            return False
    text = source.text
    if target.spec.field in text or target.spec.column in text or target.spec.model in text:
        return target.sign.search(text) is not None
    return False


@dataclass
class Uses:
    """What was found in one file, before it is judged."""

    target: Target
    source: Source
    found: list[Finding] = field(default_factory=list)
    spent: set[int] = field(default_factory=set)  # expressions that an outer one has answered for
    asked: set[int] = field(default_factory=set)  # expressions inside a query on the parent
    lists: Mapping[str, set[str]] = field(
        default_factory=dict
    )  # names that are lists of texts, as far as the walk has come

    def add(self, id: str, node: ast.AST, what: str, *, phase: Phase | None = None, why: str = "") -> None:
        """One use; `what` is its subject, the consequence comes from the table, unless the place has its own reason."""
        made = CONSEQUENCES[id]
        first = getattr(node, "lineno", 1)
        if self.source.accepts(first, getattr(node, "end_lineno", first) or first, id):
            return
        breaks, reached = phase or made.phase, self.target.reached
        severity = by_phase(breaks, reached)
        why = why or made.why
        if severity is Severity.ERROR:
            fact = f"{what}: broken since {breaks.name}, {why}."
        else:
            fact = f"{what}: harmless at {reached.name}, it breaks in {breaks.name}, {why}."
        hint = made.hint.format(name=self.target.name, field=self.target.spec.field)
        self.found.append(self.target.found(id, (self.source, first), fact, hint, severity=severity, phase=breaks))


def in_file(source: Source, target: Target) -> list[Finding]:
    if source.tree is None:
        fact = "The file mentions the column and cannot be parsed."
        place = target.found("W008", (source, 1), fact, "Correct the syntax, or exclude it.", severity=Severity.WARNING)
        return [place]
    uses = Uses(target, source)
    walk = Walk(prepared(source, target), lambda walk, node, scope: met(uses, walk, node, scope))
    uses.lists = walk.lists
    walk.module(source.tree)
    saved(uses, walk)
    return uses.found


def met(uses: Uses, walk: Walk, node: ast.AST, scope: Scope) -> None:
    if isinstance(node, ast.ClassDef):
        options.of_class(uses, walk, node)
    elif isinstance(node, ast.Call):
        call(uses, walk, node, scope)
    elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
        assignment(uses, walk, node, scope)
    elif isinstance(node, ast.Constant | ast.JoinedStr):
        statement(uses, walk, node)


def assignment(uses: Uses, walk: Walk, node: ast.stmt, scope: Scope) -> None:
    """S040 and S041, once the saves are known."""
    targets: Sequence[ast.expr] = getattr(node, "targets", None) or [node.target]  # type: ignore[attr-defined]
    for target in [part for each in targets for part in getattr(each, "elts", [each])]:
        if isinstance(target, ast.Attribute) and target.attr == uses.target.spec.field:
            base = walk.kinds.of(target.value, scope)
            if base and base.kind in (Kind.INSTANCE, Kind.NEW):
                augmented = isinstance(node, ast.AugAssign)
                changed(walk, "S041" if augmented else "S040", node, dotted(target.value), new=base.kind is Kind.NEW)
        elif isinstance(target, ast.Subscript | ast.Attribute):
            held = walk.kinds.of(target.value, scope)
            if held and held.kind is Kind.DOCUMENT:
                changed(walk, "S041", node, held.origin, new=is_new(scope, held.origin))
        elif isinstance(target, ast.Name) and isinstance(node, ast.AugAssign):
            held = walk.kinds.of(target, scope)
            if held and held.kind is Kind.DOCUMENT:
                changed(walk, "S041", node, held.origin, new=is_new(scope, held.origin))


def is_new(scope: Scope, name: str) -> bool:
    return name in scope and scope[name].kind is Kind.NEW


def changed(walk: Walk, id: str, node: ast.AST, instance: str, *, new: bool) -> None:
    walk.notes.changes.append(Change(id, node, instance, walk.function, walk.owner, new))


def call(uses: Uses, walk: Walk, node: ast.Call, scope: Scope) -> None:
    func = node.func
    if isinstance(func, ast.Attribute):
        base = walk.kinds.of(func.value, scope)
        if base and base.kind is Kind.DOCUMENT and func.attr in IN_PLACE:
            changed(walk, "S041", node, base.origin, new=is_new(scope, base.origin))
        if base and base.kind in (Kind.INSTANCE, Kind.NEW) and func.attr in SAVES:
            save(walk, node, func, scope, new=base.kind is Kind.NEW)
    elif called(node) == "setattr" and len(node.args) == 3 and uses.target.spec.field in texts(node.args[1]):
        base = walk.kinds.of(node.args[0], scope)
        if base and base.kind is Kind.INSTANCE:
            changed(walk, "S040", node, dotted(node.args[0]), new=False)
    queries.of_call(uses, walk, node, scope)


def save(walk: Walk, node: ast.Call, func: ast.Attribute, scope: Scope, *, new: bool) -> None:
    named = next((each.value for each in node.keywords if each.arg == "update_fields"), None)
    unknown = any(each.arg is None for each in node.keywords) or any(
        isinstance(each, ast.Starred) for each in node.args
    )
    fields: frozenset[str] | None = frozenset() if unknown else None
    if isinstance(named, ast.List | ast.Tuple | ast.Set):
        fields = frozenset(texts(named))
    elif named is not None and not (isinstance(named, ast.Constant) and named.value is None):
        fields = frozenset(walk.lists.get(dotted(named), ()))
    name = dotted(func.value)
    walk.notes.saves.append(Save(node, name, fields, walk.function, walk.owner, new))
    if new and name in scope:
        del scope[name]
        walk.kinds.bind(func.value, walk.kinds.of(func.value, scope), scope)


def saved(uses: Uses, walk: Walk) -> None:
    """Judge changes by the saves that follow, and saves by the changes before them."""
    spec = uses.target.spec
    captured = Phase.BACKFILL_AND_DROP if spec.on_mutation == "capture" else None
    spent: set[int] = set()
    for change in walk.notes.changes:
        followed = [each for each in walk.notes.saves if belongs(change, each) and saves_field(each, spec.field)]
        own = (
            change.instance == "self"
            and uses.target.parent is not None
            and change.owner == uses.target.parent.node.name
        )
        if not followed and not own:
            continue
        spent |= {id(each.node) for each in followed}
        if change.new:
            uses.add("S053", change.node, f"A new {spec.model} is given a document")
            continue
        how = "is assigned" if change.id == "S040" else "is changed in place"
        uses.add(change.id, change.node, f"{spec.model}.{spec.field} {how} and saved", phase=captured)
    for each in walk.notes.saves:
        if id(each.node) in spent or each.new:
            continue
        if each.fields is not None and spec.field in each.fields:
            uses.add("S042", each.node, f"save() names {spec.field!r}", phase=captured)
        elif each.fields is None and uses.target.reached < Phase.DUAL_WRITE:
            uses.add("S043", each.node, f"A loaded {spec.model} is saved whole, {spec.field} included")


def belongs(change: Change, each: Save) -> bool:
    """Whether a save is one of what was changed: in the same function, or of what `self` holds in the same class."""
    if change.instance != each.instance:
        return False
    return change.function == each.function or (change.instance.startswith("self.") and change.owner == each.owner)


def saves_field(each: Save, name: str) -> bool:
    return each.fields is None or name in each.fields


def written(part: ast.expr, walk: Walk, table: str) -> str:
    """A part of an f-string as it will read: `{Job._meta.db_table}`, or a name for it, is the table; other values are unknown."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    value = dotted(part.value) if isinstance(part, ast.FormattedValue) else ""
    return table if value in walk.tables or is_table(walk, value) else " "


def is_table(walk: Walk, name: str) -> bool:
    return name.endswith(TABLE) and name.removesuffix(TABLE) in walk.kinds.classes


def statement(uses: Uses, walk: Walk, node: ast.Constant | ast.JoinedStr) -> None:
    """S049."""
    spec, table = uses.target.spec, uses.target.table
    if id(node) in uses.spent or "/migrations/" in f"/{uses.source.path}":
        return
    if isinstance(node, ast.JoinedStr):
        uses.spent |= {id(each) for each in ast.walk(node)}
        text = "".join(written(each, walk, table) for each in node.values)
    elif isinstance(node.value, str) and not isinstance(walk.parents[-2], ast.Expr):
        text = node.value
    else:
        return
    if not rawsql.is_statement(text) or not rawsql.touches(text, table, spec.column):
        return
    writes = rawsql.writes(text, table, spec.column)
    phase = Phase.DUAL_WRITE if writes else None
    uses.add("S049", node, f"SQL {'writes' if writes else 'reads'} {table}.{spec.column}", phase=phase)
