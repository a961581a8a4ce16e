"""Rules over a change: what it moves, and what must not travel together. A release is what one deploy brings at once."""

from collections.abc import Iterator, Sequence

from cutover import flags
from cutover.phase import Phase
from cutover.scan.finding import Finding, Severity
from cutover.scan.history import OURS, Key
from cutover.scan.migration_rules import Each, ours, state_removals
from cutover.scan.project import Project, Target

LAST = Phase.BACKFILL_AND_DROP


def check(before: Project, after: Project, old_uses: Sequence[Finding], uses: Sequence[Finding]) -> Iterator[Finding]:
    """E060 to E065, for every cutover that both revisions declare, or the newer one alone.

    Args:
        old_uses, uses: what the scan of the source found in either revision.
    """
    known = {target.name: target for target in before.targets}
    for target in after.targets:
        old = known.get(target.name)
        yield from too_far(old, target)
        if old is None:
            continue
        yield from field_and_flag(old, target)
        yield from migration_and_flag(old, target)
        yield from both_at_once(old, target)
        yield from converted(old, target, old_uses, uses)
        yield from rewritten(old, target)


def moved(old: Target | None, target: Target) -> Iterator[tuple[str, Phase, Phase, tuple[str, int]]]:
    """Every environment's name, its phase before and after, and where its last flag stands."""
    earlier = {} if old is None else {each.module: each for each in old.project.settings}
    for said in target.project.settings:
        now = flags.furthest(target.flags(said))
        was = earlier.get(said.module)
        then = flags.furthest(old.flags(was)) if old is not None and was is not None else Phase.NOT_STARTED
        place = said.place(target.name, max(now, Phase.ADD_TABLE) if now >= then else Phase(now + 1))
        yield said.module, then, now, place


def turns_on(old: Target, target: Target, phase: Phase) -> tuple[str, int] | None:
    """Where the change turns a flag on, in any environment."""
    return next((place for _, then, now, place in moved(old, target) if then < phase <= now), None)


def too_far(old: Target | None, target: Target) -> Iterator[Finding]:
    """E060."""
    for module, then, now, place in moved(old, target):
        if abs(now - then) > 1:
            step = Phase(then + (1 if now > then else -1))
            yield target.found("E060", place,
                               f"{target.name} moves from {then.name} to {now.name} in {module} in one change.",
                               f"Move to {step.name} in this one, and go on once it has settled.")  # fmt: skip


def field_and_flag(old: Target, target: Target) -> Iterator[Finding]:
    """E061: processes without the field must not start while others may still be held in STOP_JSON_WRITES."""
    if old.parent is None or target.parent is None or not old.parent.field_line:
        return
    gone = not target.parent.field_line and not target.parent.inherits
    if gone and turns_on(old, target, LAST):
        yield target.found("E061", (target.parent.source, target.parent.node.lineno),
                           f"{target.spec.model}.{target.spec.field} leaves the model in the change that turns {LAST.name} on.",
                           f"Turn {LAST.name} on, deploy, advance; take the field away in the next release.",
                           phase=LAST)  # fmt: skip


def new(old: Target, pairs: list[Each]) -> list[Each]:
    return [pair for pair in pairs if pair[0].key not in old.project.history]


def migration_and_flag(old: Target, target: Target) -> Iterator[Finding]:
    """E062."""
    if turns_on(old, target, LAST) is None:
        return
    for migration, operation in new(old, [*state_removals(target), *ours(target, "DropColumn", "StripClaimed")]):
        yield target.found("E062", (migration.source, operation.line),
                           f"{migration.label} travels with the flag that allows it.",
                           f"Deploy {LAST.name} and advance first; `migrate` runs before the fleet has restarted.",
                           phase=LAST)  # fmt: skip


def both_at_once(old: Target, target: Target) -> Iterator[Finding]:
    """E063: two migrations, and still one deploy."""
    removing, drops = new(old, state_removals(target)), new(old, ours(target, "DropColumn"))
    together: set[Key] = {pair[0].key for pair in removing}
    for migration, operation in drops:
        if removing and migration.key not in together:  # in one migration it is E027
            yield target.found("E063", (migration.source, operation.line),
                               f"{migration.label} drops the column in the change that takes the field away.",
                               "Ship the drop in the release after the one without the field.", phase=LAST)  # fmt: skip


def converted(old: Target, target: Target, old_uses: Sequence[Finding], uses: Sequence[Finding]) -> Iterator[Finding]:
    """W064: a deploy that is rolled back brings the old uses back, at the new phase."""
    for _, then, now, place in moved(old, target):
        if now <= then:
            continue
        mine = [each for each in old_uses if each.cutover == target.name and each.phase == now]
        left = {(each.path, each.id, each.text) for each in uses if each.cutover == target.name}
        gone = [each for each in mine if (each.path, each.id, each.text) not in left]
        if gone:
            first = gone[0]
            yield target.found("W064", place,
                               f"{len(gone)} uses that break in {now.name} are converted in the change that turns it on, "
                               f"the first was {first.place} ({first.id.rpartition('.')[2]}).",
                               "Deploy the converted code first: a rollback would bring it back together with its phase.",
                               severity=Severity.WARNING, phase=now)  # fmt: skip
        return


def rewritten(old: Target, target: Target) -> Iterator[Finding]:
    """E065: a migration that some database has applied is changed, or gone (where no squash replaces it)."""
    for key, migration in sorted(old.project.history.items()):
        mine = [each for each in migration.operations if each.kind in OURS and each.text("name") == target.name]
        if not mine:
            continue
        now = target.project.history.get(key)
        if now is None:
            squashed = any(
                "replaces" in each.source.text and key[1] in each.source.text
                for each in target.project.history.values()
            )
            if not squashed:
                yield target.found("E065", (target.spec.path, target.spec.line), f"{migration.label} of {target.name} is gone.",
                                   "Bring it back; databases have applied it.")  # fmt: skip
        elif [each.kind for each in now.operations] != [each.kind for each in migration.operations]:
            yield target.found("E065", (now.source, now.line), f"{now.label} does other things than before.",
                               "Write another migration; databases have applied this one.")  # fmt: skip
