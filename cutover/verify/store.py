"""Verifications as they are stored, finished or on their way. It stores and reads; it judges nothing."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cutover import db, ledger
from cutover.errors import Busy
from cutover.sql import query
from cutover.verify.result import Example, Result

COLUMNS = (
    "id",
    "epoch",
    "started_at",
    "finished_at",
    "parents",
    "json_elements",
    "table_elements",
    "json_checksum",
    "table_checksum",
    "found",
    "examples",
)  # in the order of the queries


def latest(alias: str, name: str) -> Result | None:
    """The verification that finished last, or None."""
    if not ledger.installed(alias):
        return None
    found = db.one(alias, query("verify", "latest"), {"name": name})
    return None if found is None else loaded(found)


def unfinished(alias: str, name: str, epoch: int) -> tuple[Result, str | None] | None:
    """The verification of this epoch that can go on, and its cursor."""
    found = db.one(alias, query("verify", "unfinished"), {"name": name, "epoch": epoch})
    return None if found is None else (loaded(found[:-1]), found[-1])


def begin(alias: str, name: str, epoch: int) -> Result:
    """A new verification; those that were not finished are forgotten."""
    with db.read_committed(alias):
        db.run(alias, query("verify", "forget_unfinished"), {"name": name})
        found = db.one(alias, query("verify", "begin"), {"name": name, "epoch": epoch})
    assert found is not None  # noqa: S101 - an INSERT returns its row
    return Result(id=found[0], epoch=epoch, started_at=found[1])


def save(alias: str, result: Result, *, before: str | None, cursor: str | None, done: bool) -> None:
    """Store how far it is; where `done`, it has finished.

    Raises:
        Busy: somebody else goes on with the same verification, or has begun another.
    """
    values: dict[str, object] = {
        "id": result.id,
        "before": before,
        "cursor": cursor,
        "done": done,
        "found": json.dumps(result.found),
        "examples": json.dumps([asdict(each) for each in result.examples]),
    }
    names = ("parents", "json_elements", "table_elements", "json_checksum", "table_checksum")
    saved = db.one(alias, query("verify", "save"), values | {name: getattr(result, name) for name in names})
    if saved is None:
        raise Busy(
            "Another verification of this cutover is running.", hint="Wait for it to finish; it stores its result."
        )
    result.finished_at = saved[0]


def loaded(found: Sequence[Any]) -> Result:
    known = dict(zip(COLUMNS, found, strict=True))
    examples = [Example(**each) for each in json.loads(known.pop("examples"))]
    return Result(**(known | {"found": json.loads(known["found"]), "examples": examples}))
