"""Some of the parents: a random sample, those that have changed, or those that are named. Their keys, page by page.

Note [What has changed]
    A row of PostgreSQL knows the transaction that wrote it. A verification stores, when it begins, the id below which every
    transaction had ended; a parent or a row of the child table with that id or a later one was written since, or while that
    verification had begun already. Both tables are read once per page, without their documents. What leaves no row behind is not
    seen: rows of the child table that were deleted while the parent's row stayed as it was.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError

from cutover import db
from cutover.errors import DeclarationError, Refused
from cutover.mapping import Binding
from cutover.sql import query
from cutover.verify import compare

AT_ONCE = 10_000  # keys of a page
NEAR = 2**31 - 1_000_000  # transactions after which the id of one is used again

Pages = Callable[[], Iterator[list[Any]]]


@dataclass(frozen=True)
class Selection:
    """Which parents, in words and as pages of keys in their order."""

    what: str
    pages: Pages


def sample(binding: Binding, size: str) -> Selection:
    """A random sample: "100" parents, or "5%" of them.

    Raises:
        DeclarationError: it is neither.
    """
    text = size.strip()
    try:
        number = float(text.removesuffix("%")) if text.endswith("%") else int(text)
    except ValueError:
        number = 0
    if not number > 0 or (text.endswith("%") and number > 100):
        raise DeclarationError(f"{size!r} is no size of a sample.", hint="Give a number of parents, or a share: 5%.")
    if text.endswith("%"):
        share = {"share": number / 100}
        return Selection(f"a random sample of {text} of the parents", lambda: keyset(binding, "share", share))
    return Selection(f"a random sample of {number} parents", lambda: drawn(binding, int(number)))


def drawn(binding: Binding, count: int) -> Iterator[list[Any]]:
    found = keys(binding, "sample", {"limit": count})
    yield from (found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE))


def since(binding: Binding, when: datetime | None) -> Selection:
    """What was written since the last verification that began before that time and has finished; None is the last of all.

    Raises:
        Refused: there is no such verification, or its transactions are forgotten.
    """
    known = db.one(binding.alias, query("selection", "horizon"), {"name": binding.name, "before": when})
    if known is None:
        before = "" if when is None else f" that began before {when:%Y-%m-%d %H:%M:%S %Z}"
        raise Refused(
            f"There is no finished verification of {binding.name}{before}; nothing says what has changed.",
            hint=f"Run `cutover verify {binding.name}`.",
        )
    horizon, began, now = known
    if not 0 <= now - horizon < NEAR:
        raise Refused(
            f"The verification of {began:%Y-%m-%d %H:%M:%S} is from another server, or too many transactions ago.",
            hint=f"Run `cutover verify {binding.name}`.",
        )
    what = f"what was written since the verification of {began:%Y-%m-%d %H:%M:%S}"
    return Selection(what, lambda: keyset(binding, "written", {"horizon": horizon}))


def named(binding: Binding, texts: list[str]) -> Selection:
    """The parents of these keys.

    Raises:
        DeclarationError: one of them is no key, or there is no such parent.
    """
    found = sorted({parsed(binding, text) for text in texts})
    there = set(keys(binding, "existing", {"keys": found}))
    for key in found:
        if key not in there:
            raise DeclarationError(
                f"{binding.parent.name} has no row {key}.",
                hint=f"Give a value of {binding.parent.pk}. Rows of parents that are gone: `cutover verify {binding.name}`.",
            )
    what = "one parent" if len(found) == 1 else f"{len(found)} parents"
    return Selection(what, lambda: iter([found]))


def parsed(binding: Binding, text: str) -> Any:
    """A key from the command line.

    Raises:
        DeclarationError: it can be none.
    """
    pk = binding.parent.model._meta.pk
    try:
        key = pk.to_python(text)
        pk.run_validators(key)
    except (ValidationError, ValueError) as error:
        raise DeclarationError(
            f"{text!r} is no key of {binding.parent.name}: {binding.parent.pk} is {binding.parent.pk_type}.",
            hint=f"Give a value of {binding.parent.pk}.",
        ) from error
    if isinstance(key, str) and "\0" in key:
        raise DeclarationError(
            f"{text!r} is no key of {binding.parent.name}.", hint="No text in the database has a NUL."
        )
    return key


def keyset(binding: Binding, name: str, values: Mapping[str, object]) -> Iterator[list[Any]]:
    """Page after page, each behind the last key of the one before."""
    after = None
    while found := keys(binding, name, {**values, "after": after, "limit": AT_ONCE}):
        yield found
        after = found[-1]


def keys(binding: Binding, name: str, values: Mapping[str, object]) -> list[Any]:
    places = compare.places(binding)
    parts = {each: places[each] for each in NEEDED[name]}
    if name == "written":
        parts |= {"parent_xmin": binding.parent.column("xmin"), "child_xmin": binding.child.column("xmin")}
    return [key for (key,) in db.rows(binding.alias, query("selection", name, **parts), values)]


NEEDED = {
    "sample": ("parent", "parent_key"),
    "share": ("parent", "parent_key", "type"),
    "written": ("parent", "parent_key", "type", "child", "fk"),
    "existing": ("parent", "parent_key", "type"),
}
