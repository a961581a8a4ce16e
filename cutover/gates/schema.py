"""Gates on the schema: the child table, its index, the watch trigger, the column."""

from cutover.gates.verdict import Move, Verdict
from cutover.schema import introspect, watch


def table_exists(move: Move) -> Verdict:
    """The child table is there, and the toolkit's own tables."""
    name = move.binding.child.name
    if introspect.table_exists(move.binding):
        return Verdict("table_exists", True, f"The table {name} is there.")
    return Verdict(
        "table_exists",
        False,
        f"The table {name} is not there.",
        f"Run `cutover scaffold {move.name} ADD_TABLE`, then `manage.py migrate`.",
    )


def index_ready(move: Move) -> Verdict:
    """The rows of a parent can be read in order by an index."""
    if introspect.index_ready(move.binding):
        return Verdict("index_ready", True, "An index on the parent and the order is there and valid.")
    return Verdict(
        "index_ready",
        False,
        f"{move.binding.child.name} has no valid index on the parent and the order.",
        f"Run `cutover scaffold {move.name} DUAL_WRITE`, then `manage.py migrate`.",
    )


def trigger_current(move: Move) -> Verdict:
    """The watch trigger is installed and is the one that this release and declaration ask for."""
    state = watch.state(move.binding)
    if state == "current":
        return Verdict("trigger_current", True, "The watch trigger is installed and current.")
    return Verdict(
        "trigger_current",
        False,
        f"The watch trigger is {state}.",
        f"Apply the migration with `InstallWatch({move.name!r})` (again, if it is outdated): "
        f"`cutover scaffold {move.name} ADD_TABLE`, then `manage.py migrate`.",
    )


def column_exists(move: Move) -> Verdict:
    """The JSON column has not been dropped."""
    if introspect.column_exists(move.binding):
        return Verdict("column_exists", True, f"The column {move.binding.column} is there.")
    return Verdict(
        "column_exists",
        False,
        f"The column {move.binding.column} has been dropped.",
        "Migrate backwards over the drop first; that restores the column from the rows.",
    )
