"""Rules over classes whose options name the field: forms, serializers, filters, views, the admin."""

import ast
from typing import TYPE_CHECKING

from cutover.phase import Phase
from cutover.scan.kinds import Kind, dotted
from cutover.scan.known import for_model
from cutover.scan.models import assigned, called
from cutover.scan.walk import Walk

if TYPE_CHECKING:
    from cutover.scan.uses import Uses

LOOKS = (
    "list_filter",
    "search_fields",
    "ordering",
    "list_editable",
    "filterset_fields",
    "filter_fields",
    "ordering_fields",
)
EDITS = ("fields", "fieldsets")
READ_ONLY = {"SerializerMethodField", "ReadOnlyField"}
Options = dict[str, ast.expr]


def of_class(uses: "Uses", walk: Walk, node: ast.ClassDef) -> None:
    bases = " ".join(dotted(base) for base in node.bases)
    own = {name: value for each in node.body for name, value in assigned(each)}
    meta = {
        name: value
        for inner in node.body
        if isinstance(inner, ast.ClassDef) and inner.name == "Meta"
        for each in inner.body
        for name, value in assigned(each)
    }
    if dotted(meta.get("model", ast.Constant(None))) in walk.kinds.classes:
        of_meta(uses, bases, meta, own)
    elif "Admin" in bases and for_model(walk.kinds, node):
        of_admin(uses, node, own)
    elif "View" in bases and about(walk, own):
        of_view(uses, bases, own)


def about(walk: Walk, own: Options) -> bool:
    """Whether a view is one of the model: by `model`, or by its `queryset`."""
    if dotted(own.get("model", ast.Constant(None))) in walk.kinds.classes:
        return True
    found = walk.kinds.of(own.get("queryset"), {})
    return found is not None and found.kind is Kind.QUERYSET


def holds(uses: "Uses", node: ast.expr | None, *, parts: bool = False) -> ast.AST | None:
    """Where an option names the field; with `parts` also `logs__stdout`."""
    field = uses.target.spec.field
    for each in ast.walk(node) if node is not None else ():
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            text = each.value.lstrip("-^=@$")
            if text == field or (parts and text.startswith(f"{field}__")):
                return each
    return None


def everything(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value == "__all__"


def of_meta(uses: "Uses", bases: str, meta: Options, own: Options) -> None:
    field = uses.target.spec.field
    if "Filter" in bases:
        place = holds(uses, meta.get("fields"), parts=True)
        if place is not None:
            uses.add("S050", place, f"A filter goes by {field!r}", phase=Phase.STOP_JSON_WRITES)
        return
    what = "serializer" if "Serializer" in bases else "form" if "Form" in bases else ""
    if not what or read_only(uses, meta, own):
        return
    place = holds(uses, meta.get("fields"))
    if place is None and everything(meta.get("fields")):
        place = meta["fields"]
    if place is None and "exclude" in meta and holds(uses, meta["exclude"]) is None:
        place = meta["exclude"]
    if place is not None:
        uses.add("S050", place, f"A {what} writes {field!r}")


def read_only(uses: "Uses", meta: Options, own: Options) -> bool:
    field = uses.target.spec.field
    if holds(uses, meta.get("read_only_fields")) is not None:
        return True
    extra = meta.get("extra_kwargs")
    if isinstance(extra, ast.Dict):
        for key, value in zip(extra.keys, extra.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == field and "read_only" in ast.unparse(value):
                return True
    made = own.get(field)
    if not isinstance(made, ast.Call):
        return False
    says = {each.arg for each in made.keywords if isinstance(each.value, ast.Constant) and each.value.value is True}
    return called(made) in READ_ONLY or bool(says & {"read_only", "disabled"})


def of_admin(uses: "Uses", node: ast.ClassDef, own: Options) -> None:
    field = uses.target.spec.field
    for name in LOOKS:
        place = holds(uses, own.get(name), parts=True)
        if place is not None:
            uses.add("S051", place, f"{name} goes by {field!r}", phase=Phase.STOP_JSON_WRITES)
    if holds(uses, own.get("readonly_fields")) is not None or holds(uses, own.get("exclude")) is not None:
        return
    if {"form", "get_fields", "get_form", "get_readonly_fields"} & {
        *own,
        *(getattr(each, "name", "") for each in node.body),
    }:
        return  # decided elsewhere
    for name in EDITS:
        place = holds(uses, own.get(name))
        if place is not None:
            uses.add("S051", place, f"{name} has {field!r} for editing")
            return
    if not set(EDITS) & set(own) and not permits_nothing(node):
        uses.add("S051", node, f"The admin of {uses.target.spec.model} shows all fields for editing, {field!r} too")


def permits_nothing(node: ast.ClassDef) -> bool:
    """Whether the admin can change nothing at all."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "has_change_permission":
            last = each.body[-1]
            return isinstance(last, ast.Return) and isinstance(last.value, ast.Constant) and last.value.value is False
    return False


def of_view(uses: "Uses", bases: str, own: Options) -> None:
    field = uses.target.spec.field
    for name in LOOKS:
        place = holds(uses, own.get(name), parts=True)
        if place is not None:
            uses.add("S050", place, f"{name} goes by {field!r}", phase=Phase.STOP_JSON_WRITES)
    if "Create" in bases or "Update" in bases:
        place = holds(uses, own.get("fields")) or (own["fields"] if everything(own.get("fields")) else None)
        if place is not None:
            uses.add("S050", place, f"The form of a view writes {field!r}")
