"""Rules over migrations: what a phase needs is there, and nothing touches the column before its time or past the guard."""

import ast
from collections.abc import Callable, Iterator

from cutover.phase import Phase
from cutover.scan import rawsql
from cutover.scan.finding import Finding
from cutover.scan.history import ALONE, Migration, Operation, ancestors
from cutover.scan.project import Project, Target

Each = tuple[Migration, Operation]


def check(project: Project) -> Iterator[Finding]:
    """E020 to E029, and E061 where the model is ahead of the flags."""
    for target in project.targets:
        yield from no_table(target)
        yield from no_watch(target)
        yield from bare(target)
        yield from altered(target)
        yield from by_sql(target)
        yield from removed(target)
        yield from dropped(target)
        yield from inside_transaction(target)
        yield from gone_early(target)


def every(target: Target) -> Iterator[Each]:
    for _, migration in sorted(target.project.history.items()):
        for operation in migration.operations:
            yield migration, operation


def ours(target: Target, *kinds: str) -> list[Each]:
    return [pair for pair in every(target) if pair[1].kind in kinds and pair[1].text("name") == target.name]


def of_parent(target: Target, pair: Each, argument: str = "model_name") -> bool:
    migration, operation = pair
    return migration.app == target.spec.app and operation.text(argument).lower() == target.spec.model.lower()


def state_removals(target: Target) -> list[Each]:
    """The column's field leaves the state alone: our operation, or a RemoveField there."""
    return [*ours(target, "ForgetField"), *(pair for pair in removals(target) if not pair[1].in_database)]


def removals(target: Target) -> list[Each]:
    return [
        pair
        for pair in every(target)
        if pair[1].kind == "RemoveField" and of_parent(target, pair) and pair[1].text("name") == target.spec.field
    ]


def no_table(target: Target) -> Iterator[Finding]:
    """E020."""
    app, name = target.spec.child_app, target.spec.child.lower()
    made = any(
        migration.app == app
        and operation.kind in ("CreateModel", "EnsureTable")
        and operation.text("name").lower() == name
        for migration, operation in every(target)
    )
    made = made or any(
        migration.app == app and operation.kind == "RenameModel" and operation.text("new_name").lower() == name
        for migration, operation in every(target)
    )
    if target.reached >= Phase.ADD_TABLE and not made and target.project.history:
        yield target.found("E020", target.flag_place(Phase.ADD_TABLE),
                           f"{target.name}: ADD_TABLE is on and no migration makes {app}.{target.spec.child}.",
                           f"Run `cutover scaffold {target.name} ADD_TABLE`.", phase=Phase.ADD_TABLE)  # fmt: skip


def no_watch(target: Target) -> Iterator[Finding]:
    """E022."""
    if target.reached >= Phase.ADD_TABLE and not ours(target, "InstallWatch") and target.project.history:
        yield target.found("E022", target.flag_place(Phase.ADD_TABLE),
                           f"{target.name}: ADD_TABLE is on and no migration installs its watch trigger.",
                           f"Run `cutover scaffold {target.name} ADD_TABLE`, or add InstallWatch({target.name!r}).",
                           phase=Phase.ADD_TABLE)  # fmt: skip


def bare(target: Target) -> Iterator[Finding]:
    """E024: a RemoveField in the database as well, or the parent's table deleted; unless the field came again later."""
    for pair in removals(target):
        migration, operation = pair
        if operation.in_database and not added_again(target, migration):
            yield target.found("E024", (migration.source, operation.line),
                               f"{migration.label} removes {target.spec.model}.{target.spec.field} and asks nobody.",
                               f"`cutover scaffold {target.name} BACKFILL_AND_DROP` writes the removal from the state, and "
                               "in the next release the guarded drop.", phase=Phase.BACKFILL_AND_DROP)  # fmt: skip
    for pair in every(target):
        migration, operation = pair
        if operation.kind == "DeleteModel" and of_parent(target, pair, "name") and operation.in_database:
            yield target.found("E024", (migration.source, operation.line),
                               f"{migration.label} deletes the model {target.spec.model} of {target.name}.",
                               "Finish the cutover, or take its declaration away, first.")  # fmt: skip


def added_again(target: Target, removal: Migration) -> bool:
    return any(
        operation.kind == "AddField"
        and of_parent(target, (migration, operation))
        and operation.text("name") == target.spec.field
        and removal.key in ancestors(target.project.history, migration.key) - {migration.key}
        for migration, operation in every(target)
    )


def since_watch(target: Target) -> Iterator[Each]:
    """What comes after the watch was installed: from there on the column belongs to the cutover."""
    if target.watched:
        yield from (pair for pair in every(target) if pair[0].key not in target.watched)


def altered(target: Target) -> Iterator[Finding]:
    """E025."""
    hint = "Leave the column as it is until the cutover is over; a new validator or help text can wait."
    for pair in since_watch(target):
        migration, operation = pair
        on_field = operation.kind in ("AlterField", "AddField") and operation.text("name") == target.spec.field
        renames = operation.kind == "RenameField" and target.spec.field in (
            operation.text("old_name"), operation.text("new_name")
        )  # fmt: skip
        on_model = (operation.kind == "RenameModel" and of_parent(target, pair, "old_name")) or (
            operation.kind == "AlterModelTable" and of_parent(target, pair, "name")
        )
        if on_model or ((on_field or renames) and of_parent(target, pair)):
            yield target.found("E025", (migration.source, operation.line),
                               f"{migration.label} has {operation.kind} on {target.spec.model}.{target.spec.field}, which "
                               f"{target.name} watches.", hint)  # fmt: skip


def by_sql(target: Target) -> Iterator[Finding]:
    """E026."""
    for migration, operation in since_watch(target):
        if operation.kind == "RunSQL" and any(
            rawsql.touches(text, target.table, target.spec.column) for text in operation.texts()
        ):
            yield target.found("E026", (migration.source, operation.line),
                               f"{migration.label} runs SQL on {target.table}.{target.spec.column}, past the ledger.",
                               f"Use the operations of `cutover scaffold {target.name} BACKFILL_AND_DROP`.")  # fmt: skip


def early(target: Target, id: str, pairs: list[Each], fact: Callable[[Migration], str]) -> Iterator[Finding]:
    if target.reached >= Phase.BACKFILL_AND_DROP:
        return
    for migration, operation in pairs:
        yield target.found(id, (migration.source, operation.line), fact(migration),
                           "Ship it in a release after the one that turns BACKFILL_AND_DROP on.",
                           phase=Phase.BACKFILL_AND_DROP)  # fmt: skip


def removed(target: Target) -> Iterator[Finding]:
    """E023, E027 and E029, of the field's removal from the state."""
    reached, found = target.reached.name, state_removals(target)
    yield from early(target, "E023", found,
                     lambda each: f"{each.label} takes the field of {target.name} away at {reached}.")  # fmt: skip
    relaxed = {pair[0].key for pair in ours(target, "RelaxColumn")}
    for migration, operation in found:
        before = ancestors(target.project.history, migration.key)
        if required(target) and not relaxed & before:
            yield target.found("E029", (migration.source, operation.line),
                               f"{migration.label} removes the field while its column demands a value: new code cannot insert.",
                               f"Run `cutover scaffold {target.name} STOP_JSON_WRITES` and depend on that migration.",
                               phase=Phase.BACKFILL_AND_DROP)  # fmt: skip


def required(target: Target) -> bool:
    """Whether the column is NOT NULL without a default, as the last migration that has the field says."""
    said = [
        operation.arguments["field"]
        for migration, operation in every(target)
        if operation.kind in ("AddField", "AlterField") and of_parent(target, (migration, operation))
        and operation.text("name") == target.spec.field and "field" in operation.arguments
    ]  # fmt: skip
    said = said or list(created(target))
    keywords = {each.arg for node in said[-1:] for each in getattr(node, "keywords", ())}
    return bool(said) and not keywords & {"null", "db_default"}


def created(target: Target) -> Iterator[ast.expr]:
    """The field in the parent's CreateModel."""
    for pair in every(target):
        fields = pair[1].arguments.get("fields")
        if pair[1].kind == "CreateModel" and of_parent(target, pair, "name"):
            for each in getattr(fields, "elts", ()):
                pair_of: list[ast.expr] = getattr(each, "elts", [])
                if len(pair_of) == 2 and getattr(pair_of[0], "value", None) == target.spec.field:
                    yield pair_of[1]


def dropped(target: Target) -> Iterator[Finding]:
    """E021, and E027 where the drop does not come after the field's removal, in another migration."""
    drops, removing = ours(target, "DropColumn"), {pair[0].key for pair in state_removals(target)}
    reached = target.reached.name
    yield from early(target, "E021", drops,
                     lambda each: f"{each.label} drops the column of {target.name} while the flags reach {reached}.")  # fmt: skip
    for migration, operation in drops:
        if migration.key in removing:
            fact = f"{migration.label} removes the field and drops the column, which code that still runs has."
        elif not removing & ancestors(target.project.history, migration.key):
            fact = f"{migration.label} drops the column, and no migration before it takes the field out of the state."
        else:
            continue
        yield target.found("E027", (migration.source, operation.line), fact,
                           "The field leaves the state in one release, the column the database in a later one.",
                           phase=Phase.BACKFILL_AND_DROP)  # fmt: skip


def inside_transaction(target: Target) -> Iterator[Finding]:
    """E028."""
    for migration, operation in ours(target, *sorted(ALONE)):
        if migration.atomic:
            yield target.found("E028", (migration.source, operation.line),
                               f"{migration.label} is atomic, and {operation.kind} opens its own transactions.",
                               "Write `atomic = False` in the migration.")  # fmt: skip


def gone_early(target: Target) -> Iterator[Finding]:
    """E061, without a look at another revision: the model has lost its field, and the flags do not allow it."""
    parent = target.parent
    if parent is None or parent.field_line or parent.inherits or target.reached >= Phase.BACKFILL_AND_DROP:
        return
    yield target.found("E061", (parent.source, parent.node.lineno),
                       f"{target.spec.model} has no field {target.spec.field} while the flags reach {target.reached.name}.",
                       "Keep the field until BACKFILL_AND_DROP is on everywhere and has settled.",
                       phase=Phase.BACKFILL_AND_DROP)  # fmt: skip
