"""Gates on the rows that a child table holds already, before the toolkit has written any."""

from cutover import db
from cutover.gates.verdict import Move, Verdict
from cutover.schema import introspect
from cutover.sql import query
from cutover.verify import rehydrated as rows_without_json


def positions_fit(move: Move) -> Verdict:
    """No row stands where the toolkit's next rows will come: positions of somebody else's making would mix the order up."""
    binding = move.binding
    if binding.position is None or not introspect.table_exists(binding):
        return Verdict("positions_fit", True, "There are no positions, or no rows.")
    column = binding.child.column(binding.position)
    text = query("adoption", "newest_position", position=column, child=binding.child.identifier)
    newest, given = db.one(binding.alias, text) or (None, 0)
    if newest is None or newest <= given:
        return Verdict("positions_fit", True, "Every row stands before those that come next.")
    return Verdict(
        "positions_fit",
        False,
        f"{binding.child.name} has a row at position {newest}, and the toolkit's own come from {given + 1} on: "
        "these positions were given by something else.",
        "Make the rows history, in their order (the runbook has the statement), or name the fields that order them by time "
        "in `ordering`.",
    )


def rows_found(move: Move) -> Verdict:
    """The table holds rows; without any, nothing shows that somebody writes both sides."""
    if introspect.has_rows(move.binding):
        return Verdict("rows_found", True, f"{move.binding.child.name} holds rows.")
    return Verdict(
        "rows_found",
        False,
        f"{move.binding.child.name} holds no row: nothing shows that both sides are written.",
        "Begin at ADD_TABLE, and advance from there.",
    )


def rows_in_json(move: Move) -> Verdict:
    """Every row has its JSON element; one that was written alone would be missing to readers of JSON."""
    count = rows_without_json(move.binding)
    if not count:
        return Verdict("rows_in_json", True, "No row lacks its JSON element.")
    return Verdict(
        "rows_in_json",
        False,
        f"{count} rows have no JSON element, or say that they were written without one; nobody can tell whether they stand for "
        "one that is there.",
        "If each of them is in JSON, make them history (the runbook has the statement). If not, write their elements into JSON, "
        "or remove what is left over; up to DUAL_WRITE readers read JSON.",
    )
