"""Find the models of a declaration and bind it to them; say clearly what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, models, router

from cutover.codecs import Kind
from cutover.errors import DeclarationError
from cutover.mapping.binding import Binding, BoundStream, Table
from cutover.mapping.condition import compile_condition
from cutover.mapping.kinds import key_type, kind
from cutover.spec import Cutover, Stream, find

STORAGES = ("jsonb", "json", "text")


def bind(name: str) -> Binding:
    """The binding of a registered cutover, resolved once per process.

    Raises:
        DeclarationError: no such cutover, or it does not fit its models.
    """
    return resolve(find(name))  # type: ignore[arg-type] # a class is hashable


def forget() -> None:
    """Resolve anew at the next use; for tests and for migrations that load other models."""
    resolve.cache_clear()


@cache
def resolve(cutover: type[Cutover]) -> Binding:
    app, model_name, field_name = cutover.source.split(".")
    parent_model = model(cutover, f"{app}.{model_name}", "source")
    child_model = model(cutover, cutover.target, "target")
    alias = router.db_for_write(parent_model)
    field = own_field(cutover, parent_model, field_name)
    fk = foreign_key(cutover, child_model, parent_model)
    kinds = {each.name: kind(each, connections[alias]) for each in child_model._meta.concrete_fields}
    position, ordering = order(cutover, child_model, kinds)
    return Binding(
        cutover=cutover,
        alias=alias,
        parent=table(parent_model, alias),
        child=table(child_model, alias),
        field=field,
        field_name=field_name,
        column=cutover.column or (str(field.column) if field is not None else field_name),
        storage=storage(cutover, field, alias),
        nullable=field is None or field.null,
        fk=str(fk.column),
        fk_field=fk.name,
        position=position,
        ordering=ordering,
        kinds=kinds,
        streams=tuple(stream(cutover, each, n, child_model, alias, kinds) for n, each in enumerate(cutover.streams)),
    )


def model(cutover: type[Cutover], label: str, attribute: str) -> type[models.Model]:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        raise DeclarationError(
            f"{cutover.name}: {attribute} names the model {label}, which is not installed.",
            hint="Check the app label and the spelling, and that the app is in INSTALLED_APPS.",
        ) from None


def table(found: type[models.Model], alias: str) -> Table:
    pk = found._meta.pk
    if getattr(pk, "columns", None) is not None and len(pk.columns) > 1:  # type: ignore[attr-defined]
        raise DeclarationError(
            f"{found._meta.label} has a primary key of several columns.", hint="Use a model with a single key column."
        )
    return Table(found, found._meta.db_table, cast(str, pk.column), key_type(pk, connections[alias]))


def own_field(cutover: type[Cutover], parent_model: type[models.Model], name: str) -> models.Field[Any, Any] | None:
    """The JSON field, or None where it has been removed.

    Raises:
        DeclarationError: the model inherits it from another table.
    """
    field = json_field(parent_model, name)
    if field is not None and field.model._meta.db_table != parent_model._meta.db_table:
        raise DeclarationError(
            f"{cutover.name}: the field {name} of {parent_model._meta.label} is a column of {field.model._meta.db_table}.",
            hint=f'Name the model of that table: source = "{field.model._meta.label}.{name}".',
        )
    return field


def json_field(parent_model: type[models.Model], name: str) -> models.Field[Any, Any] | None:
    try:
        return cast("models.Field[Any, Any]", parent_model._meta.get_field(name))
    except FieldDoesNotExist:
        return None


def storage(cutover: type[Cutover], field: models.Field[Any, Any] | None, alias: str) -> str:
    found = cutover.storage or ("jsonb" if field is None else str(field.db_type(connections[alias])).split("(")[0])
    if found not in STORAGES:
        raise DeclarationError(
            f"{cutover.name}: {cutover.source} is a {found} column.", hint=f"Use one of {', '.join(STORAGES)}."
        )
    return found


def foreign_key(
    cutover: type[Cutover], child: type[models.Model], parent: type[models.Model]
) -> models.ForeignKey[Any, Any]:
    try:
        field = child._meta.get_field(cutover.parent)
    except FieldDoesNotExist:
        field = None
    if not isinstance(field, models.ForeignKey) or field.remote_field.model._meta.concrete_model is not parent:
        raise DeclarationError(
            f"{cutover.name}: {cutover.target}.{cutover.parent} is no foreign key to {parent._meta.label}.",
            hint="Name the child's foreign key in `parent`.",
        )
    if field.target_field is not parent._meta.pk:
        raise DeclarationError(
            f"{cutover.name}: {cutover.target}.{cutover.parent} refers to {field.target_field.name}, not to the key.",
            hint="Use a foreign key without to_field.",
        )
    return field


def order(
    cutover: type[Cutover], child: type[models.Model], kinds: Mapping[str, Kind]
) -> tuple[str | None, tuple[str, ...]]:
    """The position column, or None, and the columns that order the rows of a parent."""
    names = (cutover.ordering,) if isinstance(cutover.ordering, str) else cutover.ordering
    pk = cast(str, child._meta.pk.column)
    for name in names:
        if name not in kinds:
            raise DeclarationError(
                f"{cutover.name}: {cutover.target} has no field {name!r} to order by.",
                hint="Add `position = PositionField()`, or name the fields of an adopted table in `ordering`.",
            )
    columns = tuple(kinds[name].column for name in names)
    position = columns[0] if isinstance(cutover.ordering, str) else None
    if position is not None and kinds[names[0]].family != "integer":
        raise DeclarationError(
            f"{cutover.name}: {cutover.target}.{names[0]} is no integer.", hint="Use cutover.fields.PositionField."
        )
    return position, (*(column for column in columns if column != pk), pk)


def stream(
    cutover: type[Cutover],
    spec: Stream,
    number: int,
    child: type[models.Model],
    alias: str,
    kinds: Mapping[str, Kind],
) -> BoundStream:
    unknown = [name for name in (*([spec.key.column] if spec.key else []), *(spec.fill or {})) if name not in kinds]
    if unknown:
        raise DeclarationError(
            f"{cutover.name}.{spec.name}: {child._meta.label} has no field {unknown[0]!r}.", hint="Check the spelling."
        )
    try:
        codec = spec.codec.bind(kinds)
    except ValueError as error:
        raise DeclarationError(
            f"{cutover.name}.{spec.name}: {error}", hint="Fit the codec to the child model."
        ) from error
    return BoundStream(
        spec=spec,
        number=number,
        codec=codec,
        kinds=kinds,
        shown=compile_condition(spec.where, child, alias),
        fill=spec.fill,
    )
