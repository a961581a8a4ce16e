"""Rules over queries: lookups, values, expressions, updates and locks of the parent, also through a foreign key to it."""

import ast
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from cutover.phase import Phase
from cutover.scan import models, rawsql
from cutover.scan.kinds import TO_INSTANCE, TO_PAIR, TO_QUERYSET, Kind, Scope, dotted
from cutover.scan.models import called
from cutover.scan.walk import Walk, texts

if TYPE_CHECKING:
    from cutover.scan.uses import Uses

VALUES = {"values", "values_list"}
PARTIAL = {"only", "defer"}
ORDERS = {"order_by", "distinct", "latest", "earliest", "alatest", "aearliest", "group_by", "in_bulk"}
LOOKUPS = {"filter", "exclude", "get", "aget", "get_or_create", "update_or_create", "aget_or_create", "aupdate_or_create",
           "get_object_or_404", "get_list_or_404", "complex_filter", "Q", "When"}  # fmt: skip
CREATES = {"create", "acreate", "get_or_create", "aget_or_create", "update_or_create", "aupdate_or_create"}
UPDATES = {"update", "aupdate"}
BULK = {"bulk_update", "abulk_update", "bulk_create", "abulk_create"}
REFERENCES = {"F", "KT", "KeyTransform", "KeyTextTransform", "OuterRef"}
NO_REFERENCES = {"Value", "Q", "filter", "exclude", "get", *VALUES, *PARTIAL, *ORDERS, "getattr", "len", "str"}
RAW = {"RawSQL", "raw", "extra"}
ASKS = TO_QUERYSET | TO_INSTANCE | TO_PAIR | VALUES | UPDATES | BULK | {
    "aggregate", "aaggregate", "exists", "count", "dates", "datetimes", "explain", "get_object_or_404",
}  # fmt: skip


def of_call(uses: "Uses", walk: Walk, node: ast.Call, scope: Scope) -> None:
    """Every rule that has something to say about a call, the first that does."""
    name = called(node)
    ours = receiver(uses, walk, node, scope)
    if name == "get_field" and has(uses, node.args):
        uses.add("S046", node, f"The definition of {uses.target.spec.field!r} is asked for")
    if ours:
        uses.asked |= {id(each) for each in ast.walk(node) if each is not node}
        for rule in [rule for names, rule in RULES if name in names]:
            rule(uses, node, name)
    if ours or id(node) not in uses.spent:
        parts_of_queries(uses, walk, node, ours)


def parts_of_queries(uses: "Uses", walk: Walk, node: ast.Call, ours: bool) -> None:
    """What is built for a query somewhere: Q, F, functions; and queries on other models."""
    name = called(node)
    if name in ("Q", "When") and inside(uses, walk, node):
        lookups(uses, node, name)
    elif name not in NO_REFERENCES and not ours and inside(uses, walk, node) and name not in ASKS:
        expression(uses, node, name)
    elif not ours and name in ASKS | LOOKUPS | REFERENCES:
        through_key(uses, node, name)


def receiver(uses: "Uses", walk: Walk, node: ast.Call, scope: Scope) -> bool:
    """Whether the call is one on the parent: on its manager or a queryset, on the class itself, or a shortcut for it."""
    if isinstance(node.func, ast.Attribute):
        found = walk.kinds.of(node.func.value, scope)
        if found is not None and found.kind is Kind.QUERYSET:
            return True
    made = walk.kinds.of(node.func, scope) if not isinstance(node.func, ast.Call) else None
    if made is not None and made.kind is Kind.CLASS:
        created(uses, node, uses.target.spec.model)
        return False
    if called(node) in ("get_object_or_404", "get_list_or_404", "aget_object_or_404") and node.args:
        found = walk.kinds.of(node.args[0], scope)
        return found is not None and found.kind in (Kind.CLASS, Kind.QUERYSET)
    return False


def inside(uses: "Uses", walk: Walk, node: ast.Call) -> bool:
    """Whether an expression stands in a query on the parent, or in a file that has the model and no query on another."""
    if id(node) in uses.asked:
        return True
    other = any(
        isinstance(each, ast.Call) and called(each) in ASKS | LOOKUPS - {"Q", "When"} for each in walk.parents[:-1]
    )
    return called(node) in (*REFERENCES, "Q", "When") and bool(walk.kinds.classes) and not other


def is_field(uses: "Uses", text: str) -> bool:
    return lookup(uses, text.lstrip("-+?"))


def lookup(uses: "Uses", text: str) -> bool:
    field = uses.target.spec.field
    return text == field or text.startswith(f"{field}__")


def has(uses: "Uses", nodes: list[ast.expr]) -> bool:
    return any(is_field(uses, text) for each in nodes for text in (*texts(each), *starred(uses, each)))


def starred(uses: "Uses", node: ast.expr) -> Collection[str]:
    """The texts of a list that is given as `*COLUMNS`."""
    return uses.lists.get(dotted(node.value), ()) if isinstance(node, ast.Starred) else ()


def keywords(uses: "Uses", node: ast.Call) -> bool:
    return any(lookup(uses, name) for each in node.keywords for name in ([each.arg] if each.arg else keys(each.value)))


def keys(node: ast.expr) -> Iterator[str]:
    """The keys of `**{...}`; of an f-string what it begins with."""
    for each in node.keys if isinstance(node, ast.Dict) else ():
        first = each.values[0] if isinstance(each, ast.JoinedStr) and each.values else each
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def values(uses: "Uses", node: ast.Call, name: str) -> None:
    if has(uses, node.args):
        uses.add("S045", node, f"{name}() asks for {uses.target.spec.field!r}")


def partial(uses: "Uses", node: ast.Call, name: str) -> None:
    if has(uses, node.args):
        uses.add("S046", node, f"{name}() names {uses.target.spec.field!r}")


def orders(uses: "Uses", node: ast.Call, name: str) -> None:
    if has(uses, node.args):
        uses.add("S047", node, f"{name}() goes by {uses.target.spec.field!r}")


def lookups(uses: "Uses", node: ast.Call, name: str) -> None:
    if keywords(uses, node):
        uses.add("S047", node, f"{name}() looks into {uses.target.spec.field!r}")


def updates(uses: "Uses", node: ast.Call, name: str) -> None:
    if keywords(uses, node):
        uses.add("S044", node, f"{name}() sets {uses.target.spec.field!r}")


def bulk(uses: "Uses", node: ast.Call, name: str) -> None:
    fields = [each.value for each in node.keywords if each.arg in ("fields", "update_fields")]
    fields += node.args[1:2] if "update" in name else []
    if has(uses, fields):
        uses.add("S042", node, f"{name}() names {uses.target.spec.field!r}", phase=Phase.DUAL_WRITE)


def created(uses: "Uses", node: ast.Call, name: str) -> None:
    """S053, and S042 for the defaults of update_or_create."""
    for each in node.keywords:
        if each.arg == uses.target.spec.field and "_or_" not in name:
            uses.add("S053", node, f"{name}() gives a document")
        if each.arg in ("defaults", "create_defaults") and "_or_" in name and field_of(uses, each.value):
            update = each.arg == "defaults" and "update" in name
            uses.add("S042" if update else "S053", node, f"{each.arg} of {name}() has {uses.target.spec.field!r}")


def field_of(uses: "Uses", node: ast.expr) -> bool:
    """Whether a dict that is written here has the field as a key."""
    if isinstance(node, ast.Dict):
        return has(uses, [each for each in node.keys if each is not None])
    return isinstance(node, ast.Call) and called(node) == "dict" and keywords(uses, node)


def locks(uses: "Uses", node: ast.Call, name: str) -> None:
    said = {each.arg: each.value for each in node.keywords}
    no_key = said.get("no_key")
    if None in said or (no_key is not None and not (isinstance(no_key, ast.Constant) and no_key.value is False)):
        return
    child = uses.target.child
    line = 0 if child is None else models.constraint_line(child, uses.target.spec.parent)
    phase, why = None, ""
    if child is not None and line:  # W011 names that key, this the lock: together they make the writers wait
        place = f"{uses.target.spec.child}.{uses.target.spec.parent} has a constraint in the database"
        phase, why = Phase.DUAL_WRITE, f"where {place} ({child.source.path}:{line}): each append waits for this lock"
    uses.add("S052", node, f"{name}() on {uses.target.spec.model} locks the key too", phase=phase, why=why)


def raw(uses: "Uses", node: ast.Call, name: str) -> None:
    spec = uses.target.spec
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in uses.spent:
            uses.spent.add(id(each))
            if rawsql.names_column(each.value, uses.target.table, spec.column):
                uses.add("S049", each, f"{name}() names {uses.target.table}.{spec.column}")


def expression(uses: "Uses", node: ast.Call, name: str) -> None:
    """S048: F("logs"), KT("logs__stdout"), Length("logs"); RawSQL is S049."""
    if name in RAW:
        raw(uses, node, name)
    elif has(uses, node.args) and not is_method(node):
        uses.add("S048", node, f"{name}() is an expression over {uses.target.spec.field!r}")
        uses.spent |= {id(each) for each in ast.walk(node)}


def is_method(node: ast.Call) -> bool:
    """`data.get("logs")` is no expression of a query; `functions.Length("logs")` is one: they begin with a capital."""
    return not called(node)[:1].isupper()


def through_key(uses: "Uses", node: ast.Call, name: str) -> None:
    """The same, asked from a model that refers to the parent: `job__logs`."""
    for text in (*(each.arg or "" for each in node.keywords), *(text for each in node.args for text in texts(each))):
        parts = text.lstrip("-").split("__")
        pairs = pairwise(parts)
        if any(first in uses.target.references and second == uses.target.spec.field for first, second in pairs):
            id_ = "S045" if name in VALUES else "S046" if name in PARTIAL else "S048" if name in REFERENCES else "S047"
            uses.add(id_, node, f"{name}() looks into {text!r}")
            uses.spent |= {id(each) for each in ast.walk(node) if each is not node}
            return


Rule = Callable[["Uses", ast.Call, str], None]
RULES: tuple[tuple[set[str], Rule], ...] = (
    (VALUES, values),
    (PARTIAL, partial),
    (ORDERS, orders),
    (LOOKUPS - {"Q", "When"}, lookups),
    (UPDATES, updates),
    (BULK, bulk),
    (CREATES, created),
    ({"select_for_update"}, locks),
    ({"raw", "extra"}, raw),
)
