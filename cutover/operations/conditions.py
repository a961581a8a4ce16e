"""What must be true before JSON elements may be deleted. It asks; the operations refuse."""

from collections.abc import Iterator
from dataclasses import dataclass

from cutover import backfill, fleet, ledger, marks, verify
from cutover.errors import Refused
from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.schema import archive, intact, manifest, residue

WAIVED = "waived by "


@dataclass(frozen=True)
class Reason:
    """Why not: the fact, and what to do about it."""

    fact: str
    action: str


def refuse(what: str, reasons: list[Reason]) -> None:
    """Raise with every reason, where there is one.

    Raises:
        Refused: naming all of them; the hint names what to do about each.
    """
    if reasons:
        facts = "; ".join(reason.fact for reason in reasons)
        actions = dict.fromkeys(reason.action for reason in reasons)
        raise Refused(f"{what} stays as it is: {facts}.", hint=f"{'; '.join(actions)}; then run the same again.")


def for_archive(binding: Binding) -> list[Reason]:
    """Why the documents cannot be archived for good yet."""
    return list(evidence(binding, ledger.read(binding.alias, binding.name)))


def for_strip(binding: Binding, waiver: str) -> list[Reason]:
    """Why the claimed lists cannot be removed yet."""
    entry = ledger.read(binding.alias, binding.name)
    return [*evidence(binding, entry), *archived(binding, entry, waiver)]


def for_drop(binding: Binding, waiver: str) -> list[Reason]:
    """Why the column cannot be dropped yet."""
    entry = ledger.read(binding.alias, binding.name)
    return [
        *evidence(binding, entry),
        *archived(binding, entry, waiver),
        *users(binding.alias, binding.name),
        *unclaimed(binding, entry),
    ]


def evidence(binding: Binding, entry: Entry) -> Iterator[Reason]:
    """Why it is not certain that every element has its row."""
    name, alias = binding.name, binding.alias
    if entry.phase is not Phase.BACKFILL_AND_DROP:
        advance = f"move on with `cutover advance {name} BACKFILL_AND_DROP`"
        yield Reason(f"{name} is at {entry.phase.name}", advance)
        return
    if not entry.settled:
        yield Reason("the move to BACKFILL_AND_DROP is not settled", f"run `cutover advance {name} BACKFILL_AND_DROP`")
    for why in backfill.why_incomplete(binding):
        yield Reason(lower(why), f"run `cutover backfill {name}`")
    held = backfill.quarantine.open_count(alias, name)
    if held:
        waive = f"look at `cutover quarantine {name}`; resolve its elements or waive them by name"
        yield Reason(f"{held} elements are in quarantine", waive)
    yield from verified(binding)


def verified(binding: Binding) -> Iterator[Reason]:
    """Why the last verification proves nothing."""
    name, alias = binding.name, binding.alias
    run = f"run `cutover verify {name}`"
    since = ledger.since_phase(alias, name, Phase.STOP_JSON_WRITES)
    result = verify.latest(alias, name)
    if result is None or result.finished_at is None:
        yield Reason("no verification has been finished", run)
        return
    blocking = result.blocks(Phase.BACKFILL_AND_DROP)
    if blocking:
        yield Reason(f"the last verification found {', '.join(blocking)}", run)
    if since is None or result.started_at < since:
        yield Reason("the last verification is older than the end of JSON writes", run)
        return
    late = [writer for writer in marks.writers(alias, name, since) if writer.last_at >= result.started_at]
    if late:
        yield Reason(f"foreign writes came after the last verification, by {'; '.join(map(str, late))}", run)


def archived(binding: Binding, entry: Entry, waiver: str) -> Iterator[Reason]:
    """Why what only the documents know would be lost."""
    if waived(waiver):
        return
    waive = f'write archive="{WAIVED}NAME"'
    known = manifest.whole(binding.alias, binding.name)
    if known is None or not archive.complete(binding.alias, binding.name, entry.epoch):
        yield Reason("the documents are not archived", f"put ArchiveColumn before it, or {waive}")
        return
    damaged = intact.damage(binding.alias, binding.name, known)
    if damaged is not None:
        yield Reason(damaged, f"migrate back over ArchiveColumn and forwards again, or {waive}")


def waived(waiver: str) -> bool:
    """Whether somebody put his name to it."""
    return waiver.startswith(WAIVED) and bool(waiver.removeprefix(WAIVED).strip())


def users(alias: str, name: str) -> Iterator[Reason]:
    """Whose models still name the column."""
    live = fleet.live(alias, name)
    behind = [process for process in live if process.phase is not Phase.BACKFILL_AND_DROP]
    if behind:
        shown = ", ".join(map(str, behind[:5]))
        yield Reason(
            f"{len(behind)} live processes still read the column ({shown})",
            "restart them with BACKFILL_AND_DROP on",
        )
    using = [process for process in live if process.has_field]
    if using:
        shown = ", ".join(map(str, using[:5]))
        yield Reason(
            f"{len(using)} live processes still have the field in their model ({shown})",
            "deploy the release without the field, and wait until they are gone",
        )


def unclaimed(binding: Binding, entry: Entry) -> Iterator[Reason]:
    """What the column holds beside the lists. It reads the whole table, so it is asked only at the right time."""
    if entry.phase is not Phase.BACKFILL_AND_DROP:
        return
    found = residue.first(binding)
    if found is not None:
        yield Reason(
            f"{binding.column} of {found} holds something that no stream claims",
            f"use StripClaimed({binding.name!r}) instead, and keep the column; or remove it yourself",
        )


def lower(text: str) -> str:
    """A sentence as a part of another."""
    return (text[:1].lower() + text[1:]).rstrip(".")
