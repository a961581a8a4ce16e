"""Waivers: who takes the loss of elements in quarantine upon himself, and why. The history keeps them, and their taking back."""

from collections.abc import Sequence

from cutover import db, ledger
from cutover.errors import DeclarationError
from cutover.sql import query

NAMED = 20  # ids that a line of the history names


def waive(alias: str, name: str, *, who: str, why: str = "", ids: Sequence[int] | None = None) -> int:
    """Waive these, or all that are open; how many there were. Those that are waived already stay as they are.

    Raises:
        DeclarationError: one of them is not in quarantine; nothing was waived.
    """
    return change(alias, name, "waive", who, why, ids)


def take_back(alias: str, name: str, *, who: str, why: str = "", ids: Sequence[int] | None = None) -> int:
    """Let these, or all that are waived, be open again; how many there were.

    Raises:
        DeclarationError: one of them is not in quarantine; nothing was changed.
    """
    return change(alias, name, "unwaive", who, why, ids)


def change(alias: str, name: str, what: str, who: str, why: str, ids: Sequence[int] | None) -> int:
    """The elements and the line of the history in one transaction."""
    values = {"name": name, "who": who, "why": why, "ids": None if ids is None else list(ids)}
    with db.read_committed(alias):
        require(alias, name, ids or ())
        changed = sorted(row[0] for row in db.rows(alias, query("quarantine", what), values))
        if changed:
            note(alias, name, {"waive": "waived", "unwaive": "took back the waiver of"}[what], changed, who, why)
    return len(changed)


def require(alias: str, name: str, ids: Sequence[int]) -> None:
    """Refuse ids that are not in quarantine. Raises DeclarationError."""
    found = {row[0] for row in db.rows(alias, query("quarantine", "known_ids"), {"name": name, "ids": list(ids)})}
    unknown = [str(each) for each in ids if each not in found]
    if unknown:
        raise DeclarationError(
            f"{name} has no element {', '.join(unknown)} in quarantine.",
            hint=f"See `cutover quarantine {name} --all`; what was mended has left it.",
        )


def note(alias: str, name: str, what: str, ids: list[int], who: str, why: str) -> None:
    """A line of the history at the phase that the cutover is at."""
    entry = ledger.read(alias, name)
    named = ", ".join(map(str, ids[:NAMED])) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")
    told = f"{what} {len(ids)} in quarantine ({named})" + (f": {why}" if why else "")
    ledger.record(alias, name, epoch=entry.epoch, from_phase=entry.phase, to_phase=entry.phase, who=who, why=told)
