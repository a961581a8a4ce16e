"""A block in which the application still changes the document in memory, as old code does: `with use("job_logs").mutating(job)`.

The parent is locked, the document is read under the lock as the phase has it, and at the end the difference is saved as the phase
asks. What others do to the rows meanwhile stays.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import models

from cutover.errors import MutatedDocument, ParentMissing
from cutover.mapping import Binding, held, parts, path, value
from cutover.mapping.held import Origin
from cutover.mapping.parts import Change
from cutover.read import attribute, document
from cutover.write import captured, deferring, refusals, rewrite
from cutover.write.deferring import Block


@contextmanager
def mutating(binding: Binding, parent: Any) -> Iterator[Any]:
    """The document, which is also the attribute of the instance where one is given; a save of the instance leaves it alone.

    An exception rolls all of it back. Inside a block of the same parent it is the same document, and is saved with that one.

    Raises:
        ParentMissing: there is no such parent, or the instance was never saved.
        MutatedDocument: the instance's document was changed before the block, or read anew inside of it.
        DeclarationError, NotEncodable, PhaseMoved: as for `cutover.write.replace`.
    """
    instance = instance_of(binding, parent)
    outer = deferring.find(binding, instance.pk)
    if outer is not None:
        with joined(outer, instance):
            yield outer.document
        return
    refuse_changed(binding, instance)
    holders = [instance]
    try:
        with rewrite.whole(binding.alias):
            rewrite.claimed(binding, instance.pk)
            found = load(binding, instance)
            before = value.taken_apart(binding, found), value.to_document(binding, found)
            block = Block(binding, instance.pk, found, holders)
            token = deferring.running.set((*deferring.running.get(), block))
            try:
                yield found
            finally:
                deferring.running.reset(token)
            save(block, instance, *before)
    finally:
        forget(binding, holders)


@contextmanager
def locked(binding: Binding, key: Any) -> Iterator[models.Model]:
    """The instance, loaded under its lock, and its document as in `mutating`."""
    with rewrite.whole(binding.alias):
        rows = binding.parent.model._default_manager.using(binding.alias)
        instance = rows.select_for_update(no_key=True, of=("self",)).get(pk=key)
        with mutating(binding, instance):
            yield instance


def instance_of(binding: Binding, parent: Any) -> models.Model:
    """The instance, or one that knows its key and loads the rest when it is asked for."""
    if isinstance(parent, models.Model):
        if parent._state.adding or parent.pk is None:
            raise ParentMissing(
                f"This {type(parent).__name__} was never saved; its document belongs to nobody else.",
                hint=f"Change its {binding.field_name} in memory, and save it.",
            )
        return parent
    key, model = refusals.parent_value(binding, parent), binding.parent.model
    return model.from_db(binding.alias, [model._meta.pk.attname], [model._meta.pk.to_python(key)])


def refuse_changed(binding: Binding, instance: models.Model) -> None:
    """What was changed before the block would be lost by reading it under the lock."""
    name, known = held.attname(binding), held.get(binding, instance)
    if binding.field is None or name not in instance.__dict__:
        return
    if (
        known is None
        or known.origin is Origin.ASSIGNED
        or value.taken_apart(binding, instance.__dict__[name]) != known.parts
    ):
        raise told(
            binding, instance, "was changed before the block that changes it", "Change it inside the block alone."
        )


def load(binding: Binding, instance: models.Model) -> Any:
    """Read the document into the instance; one that is NULL as an empty one, so that it can be changed in place."""
    text = document.texts(binding, [instance.pk])[instance.pk]
    if text is None or path.parse(text) is None:
        text = path.dump(parts.empty(binding))
    attribute.keep(binding, instance, text)
    return current(binding, instance)


def current(binding: Binding, instance: models.Model) -> Any:
    if attribute.lookup(type(instance), binding) is None:
        return instance.__dict__.get(held.attname(binding))
    return getattr(instance, binding.field_name)


@contextmanager
def joined(outer: Block, instance: models.Model) -> Iterator[None]:
    """A block inside of one that has the document already; what it has done is undone where it fails."""
    binding = outer.binding
    if not any(each is instance for each in outer.instances):
        refuse_changed(binding, instance)
        instance.__dict__[held.attname(binding)] = outer.document
        held.remember(binding, instance, Origin.SERVED, outer.document)
        outer.instances.append(instance)
    before = copy.deepcopy(outer.document)
    try:
        yield
    except BaseException:
        restore(outer, before)
        raise


def restore(outer: Block, before: Any) -> None:
    if isinstance(outer.document, dict):
        outer.document.clear()
        outer.document.update(before)
    elif isinstance(outer.document, list):
        outer.document[:] = before
    else:
        outer.broken = True


def save(block: Block, instance: models.Model, before: parts.Parts | None, base: Any) -> None:
    """Save what was changed in the block."""
    binding, mine = block.binding, wanted(block, instance)
    now = value.taken_apart(binding, mine)
    if before is None or now is None:
        raise told(binding, instance, "is no document after the block", "Leave plain values of JSON in it.")
    change = parts.difference(before, now)
    if change:
        apply(binding, instance, change, value.to_document(binding, mine), base)


def wanted(block: Block, instance: models.Model) -> Any:
    """The document that was changed in the block, or the one that was assigned to its instance."""
    if block.broken:
        raise told(
            block.binding, instance, "was changed by an inner block that failed", "Let the outer block fail as well."
        )
    for each in block.instances:
        found, known = current(block.binding, each), held.get(block.binding, each)
        if found is block.document:
            continue
        if each is not instance or known is None or known.origin is not Origin.ASSIGNED:
            raise told(
                block.binding, each, "was read anew inside the block that changes it", "Refresh it before or behind."
            )
        return found
    return block.document


def apply(binding: Binding, instance: models.Model, change: Change, mine: Any, base: Any) -> None:
    if change.residue:
        if binding.field is None:
            raise told(binding, instance, "has keys that belong to no stream", "There is no column for them any more.")
        captured.put_residue(binding, instance.pk, mine, change)
    if change.lists:
        captured.save_lists(binding, instance.pk, set(change.lists), mine, base, own=False)


def forget(binding: Binding, instances: list[models.Model]) -> None:
    """Let the next access read what there is now."""
    for instance in instances:
        instance.__dict__.pop(held.attname(binding), None)
        instance.__dict__.pop(held.slot(binding), None)


def told(binding: Binding, instance: models.Model, fact: str, hint: str) -> MutatedDocument:
    return MutatedDocument(f"{binding.field_name} of {type(instance).__name__} {instance.pk} {fact}.", hint=hint)
