"""The watch trigger on the JSON column: writes that do not come from the toolkit leave a mark, or are rejected.

A foreign write is one whose statement does not carry the toolkit's mark, or that another trigger makes, and that changes what
a stream claims. Changes of the residue alone are nobody's business. A change of the parent's key is recorded under the new
key. Deletes are not recorded: there is nothing left to visit.
"""

import hashlib
from enum import StrEnum

from psycopg import sql

from cutover import db
from cutover.codecs.quote import literal
from cutover.errors import CutoverError
from cutover.mapping import Binding, BoundStream, document
from cutover.phase import Phase
from cutover.schema import locks, names
from cutover.schema.locks import Mode, Wanted
from cutover.sql import query


class State(StrEnum):
    """What the catalogue has under the names of the trigger."""

    MISSING = "missing"
    OUTDATED = "outdated"
    DISABLED = "disabled"
    CURRENT = "current"


def state(binding: Binding) -> State:
    """Whether the triggers are there, fire, and were made from the current declaration."""
    values = {
        "relation": names.text(binding.parent.identifier),
        "function": names.watch_function(binding.name),
    }
    found: dict[str, bool] = dict(db.rows(binding.alias, query("schema", "triggers"), values))
    wanted = {names.watch_update(binding.name), names.watch_insert(binding.name)}
    if not wanted <= set(found):
        return State.MISSING
    if db.scalar(binding.alias, query("schema", "function_comment"), values) != stamp(source(binding)):
        return State.OUTDATED
    return State.CURRENT if all(found.values()) else State.DISABLED


def install(binding: Binding) -> None:
    """Make the function and its triggers; nothing where they are current.

    Raises:
        Busy: the lock on the parent was not obtained; the message names who holds it.
    """
    if state(binding) is State.CURRENT:
        return
    statements = script(binding)

    def work() -> None:
        for statement in statements:
            db.run(binding.alias, statement)

    # Not SHARE ROW EXCLUSIVE, which would do for a trigger: see Note [Lockers go first].
    locks.short_lock(binding.alias, work, [Wanted(binding.parent.identifier, Mode.EXCLUSIVE)])


def script(binding: Binding) -> list[db.Statement]:
    """The statements that make the function and its triggers, whatever is there."""
    statements = source(binding)
    return [*statements, comment(binding, statements)]


def script_back(name: str, table: sql.Composable) -> list[sql.Composed]:
    """The statements that remove them."""
    function = query("watch", "drop_function", function=sql.Identifier(names.watch_function(name)))
    return [*trigger_removals(name, table), function]


def remove(alias: str, name: str, table: sql.Composable) -> None:
    """Drop the triggers and the function, where they are.

    Raises:
        Busy: the lock on the parent was not obtained.
    """
    values = {"relation": names.text(table), "function": names.watch_function(name)}
    if db.rows(alias, query("schema", "triggers"), values):
        locks.short_lock(alias, lambda: drop_triggers(alias, name, table), [Wanted(table)])
    db.run(alias, query("watch", "drop_function", function=sql.Identifier(names.watch_function(name))))


def drop_triggers(alias: str, name: str, table: sql.Composable) -> None:
    """Drop the triggers in the caller's transaction."""
    for statement in trigger_removals(name, table):
        db.run(alias, statement)


def trigger_removals(name: str, table: sql.Composable) -> list[sql.Composed]:
    triggers = map(sql.Identifier, (names.watch_update(name), names.watch_insert(name)))
    return [query("watch", "drop_trigger", trigger=each, table=table) for each in triggers]


def source(binding: Binding) -> list[str]:
    """The statements that make the function and its triggers, rendered; their hash goes into the comment."""
    parts: dict[str, sql.Composable] = {
        "function": sql.Identifier(names.watch_function(binding.name)),
        "table": binding.parent.identifier,
        "pk": sql.Identifier(binding.parent.pk),
        "column": sql.Identifier(binding.column),
        "cast": sql.SQL("" if binding.storage == "jsonb" else "::text"),
    }
    update = sql.Identifier(names.watch_update(binding.name))
    insert = sql.Identifier(names.watch_insert(binding.name))
    statements = (
        query("watch", "function", **parts, **function_parts(binding)),
        query("watch", "close", **parts),
        query("watch", "update_trigger", **parts, trigger=update),
        query("watch", "insert_trigger", **parts, trigger=insert),
    )
    return [db.render(statement) for statement in statements]


def function_parts(binding: Binding) -> dict[str, sql.Composable]:
    """What the function says of this cutover: its name, its lists, and from which phase on it rejects."""
    schema = db.scalar(binding.alias, query("schema", "toolkit_schema"))
    if schema is None:
        raise CutoverError("The toolkit's tables are missing.", hint="Run `manage.py migrate cutover` first.")
    rejects = binding.cutover.foreign_writes == "reject"
    where = f"{binding.parent.alias}.{binding.column}"
    fact = f"{where} belongs to the cutover {binding.name}; a write that does not go through it touched parent "
    hint = f"Write with cutover.use({binding.name!r}).append, .extend or .replace, or go back with `cutover rollback`."
    return {
        "schema": sql.Identifier(schema),
        "cutover": literal(binding.name),
        "holds": holds(binding),
        "changed": changed(binding),
        "rejects_from": literal(int(Phase.STOP_JSON_WRITES if rejects else Phase.BACKFILL_AND_DROP)),
        "column_text": literal(binding.column),
        "fact": literal(fact),
        "hint": literal(hint),
    }


def holds(binding: Binding) -> sql.Composable:
    """Whether the new document has something in a place that a stream claims, or is no JSON at all."""
    new = document.stored_document(binding, "new")
    tests = [
        sql.SQL("EXISTS (SELECT FROM {} l WHERE l.list <> '[]'::jsonb)").format(document.lists(stream, new))
        for stream in binding.streams
    ]
    unreadable = sql.SQL("({} IS NULL AND btrim({}::text) <> '')").format(new, sql.Identifier("new", binding.column))
    return sql.SQL("(COALESCE({}, FALSE) OR {})").format(unreadable, sql.SQL(" OR ").join(tests))


def changed(binding: Binding) -> sql.Composable:
    """Whether what the streams claim differs between the old document and the new; a text that is no JSON, as a whole."""
    old, new = (document.stored_document(binding, side) for side in ("old", "new"))
    old_text, new_text = (sql.SQL("{}::text").format(sql.Identifier(side, binding.column)) for side in ("old", "new"))
    return sql.SQL(
        "CASE WHEN ({old} IS NULL AND {old_text} IS NOT NULL) OR ({new} IS NULL AND {new_text} IS NOT NULL)"
        " THEN {old_text} IS DISTINCT FROM {new_text} ELSE {claimed_before} IS DISTINCT FROM {claimed_after} END"
    ).format(
        old=old,
        new=new,
        old_text=old_text,
        new_text=new_text,
        claimed_before=claimed(binding.streams, old),
        claimed_after=claimed(binding.streams, new),
    )


def claimed(streams: tuple[BoundStream, ...], value: sql.Composable) -> sql.Composable:
    """What all streams claim of a document, as one jsonb value."""
    lists = [
        sql.SQL("(SELECT jsonb_agg(jsonb_build_array(l.key, l.list)) FROM {} l)").format(document.lists(stream, value))
        for stream in streams
    ]
    return sql.SQL("jsonb_build_array({})").format(sql.SQL(", ").join(lists))


def stamp(statements: list[str]) -> str:
    """The comment that tells which source the function was made from."""
    return "cutover watch " + hashlib.sha256("\n".join(statements).encode()).hexdigest()


def comment(binding: Binding, statements: list[str]) -> sql.Composable:
    function = sql.Identifier(names.watch_function(binding.name))
    return query("watch", "comment", function=function, text=literal(stamp(statements)))
