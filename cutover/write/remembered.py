"""What an instance's document was when it was last known to be in the database: loaded, served, or saved.

A save is certain only when its transaction has been committed. Until then what it saved counts for as long as neither that
transaction nor its savepoint was rolled back, which Django tells by what it forgets to call at the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connections, models, transaction

from cutover import db
from cutover.mapping import Binding, held
from cutover.mapping.held import Held, Origin
from cutover.sql import query


@dataclass(frozen=True)
class Pending:
    """What was saved and is not committed yet; it may be pickled, and then means nothing any more.

    Attributes:
        token: of what is to be called at the commit. Django forgets it with a block that fails, and not with a savepoint by hand.
        xid: of the savepoint that it was saved in, which the database knows.
    """

    token: str
    xid: str
    before: Held | None
    saved: Held
    earlier: Pending | None = None

    def chain(self) -> Iterator[Pending]:
        """This one, and those of the saves before it."""
        at: Pending | None = self
        while at is not None:
            yield at
            at = at.earlier


def slot(binding: Binding) -> str:
    return f"{held.slot(binding)}_pending"


def known(binding: Binding, instance: models.Model) -> Held | None:
    """What to compare the document with."""
    last, pending = held.get(binding, instance), waiting(binding, instance)
    return pending.saved if pending is not None and pending.before is last else last


def waiting(binding: Binding, instance: models.Model) -> Pending | None:
    """The last save whose transaction is open, and was not rolled back as far as that."""
    pending = instance.__dict__.get(slot(binding))
    chain = pending.chain() if isinstance(pending, Pending) else ()
    return next((each for each in chain if waits(binding.alias, each)), None)


def waits(alias: str, pending: Pending) -> bool:
    """Whether it is still to be committed."""
    hooks = connections[alias].run_on_commit
    if not any(getattr(hook[1], "cutover_token", None) == pending.token for hook in hooks):
        return False
    return not db.scalar(alias, query("saving", "taken_back"), {"xid": pending.xid})


def remember_at_commit(binding: Binding, instance: models.Model, origin: Origin) -> None:
    """What was saved is what to compare with, unless it is rolled back: a save after that must see it changed.

    Below DUAL_WRITE nothing is compared, and nothing kept until then. Where autocommit is off nobody says when that is: then
    the next save compares with what was loaded, and saves it once more.
    """
    if db.manual(binding.alias):
        return
    before, token = held.get(binding, instance), uuid.uuid4().hex
    saved = held.snapshot(binding, origin, instance.__dict__.get(held.attname(binding)))
    pending = None
    if origin is not Origin.COLUMN and db.in_transaction(binding.alias):
        pending = Pending(token, version(binding, instance.pk), before, saved, waiting(binding, instance))
        instance.__dict__[slot(binding)] = pending

    def remember() -> None:
        now = held.get(binding, instance)
        if now is before or (pending is not None and any(now is each.saved for each in pending.chain())):
            instance.__dict__[held.slot(binding)] = saved

    remember.cutover_token = token  # type: ignore[attr-defined]
    transaction.on_commit(remember, using=binding.alias)


def version(binding: Binding, key: Any) -> str:
    parent = binding.parent
    parts = {"parent": parent.identifier, "parent_key": parent.key, "type": parent.type, "xmin": parent.column("xmin")}
    return str(db.scalar(binding.alias, query("saving", "version", **parts), {"key": key}))
