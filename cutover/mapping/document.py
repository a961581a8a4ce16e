"""SQL over a document: the lists in it, and the document with another list in it. Total: it never raises on any value.

Every expression is meant for a statement that has parameters (`%` doubled).
"""

from psycopg import sql

from cutover.codecs.quote import literal
from cutover.mapping.binding import Binding, BoundStream
from cutover.spec.stream import Key

EMPTY_OBJECT = sql.SQL("'{}'::jsonb")
EMPTY_LIST = sql.SQL("'[]'::jsonb")


def stored_document(binding: Binding, alias: str | None = None) -> sql.Composable:
    """The column of the parent as jsonb; NULL where it is SQL NULL, or text that is no JSON."""
    column = sql.Identifier(alias or binding.parent.alias, binding.column)
    if binding.storage == "jsonb":
        return column
    return sql.SQL("cutover_jsonb_v1({}::text)").format(column)


def to_storage(binding: Binding, document: sql.Composable) -> sql.Composable:
    """A jsonb expression in the type of the column."""
    return document if binding.storage == "jsonb" else sql.SQL("({})::{}").format(document, sql.SQL(binding.storage))


def at(document: sql.Composable, steps: tuple[str, ...]) -> sql.Composable:
    """The value at fixed keys, or NULL; a step never indexes an array."""
    for step in steps:
        document = sql.SQL("({} -> {}::text)").format(document, literal(step))
    return document


def split(stream: BoundStream) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The fixed keys before the dynamic one, and those after it (None where the path is fixed)."""
    steps = stream.steps
    for place, step in enumerate(steps):
        if isinstance(step, Key):
            return fixed(steps[:place]), fixed(steps[place + 1 :])
    return fixed(steps), None


def fixed(steps: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(str(step) for step in steps)


def lists(stream: BoundStream, document: sql.Composable) -> sql.Composable:
    """A subquery `(key text, list jsonb)`: the value at every place where the stream's list may stand, whatever its type.

    SQL NULL and JSON null are no value. Where a dynamic key should be and there is no object, the value that is there
    instead comes with key NULL.
    """
    before, after = split(stream)
    value = at(document, before)
    if after is None:
        return sql.SQL(
            "(SELECT NULL::text AS key, v.value AS list FROM (SELECT {value}) v(value)"
            " WHERE v.value IS NOT NULL AND jsonb_typeof(v.value) <> 'null')"
        ).format(value=value)
    return sql.SQL(
        "(SELECT k.key AS key, i.value AS list FROM (SELECT {value}) v(value)"
        " CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(v.value) WHEN 'object' THEN v.value ELSE '{{}}'::jsonb END) k"
        " CROSS JOIN LATERAL (SELECT {inner}) i(value)"
        " WHERE i.value IS NOT NULL AND jsonb_typeof(i.value) <> 'null'"
        " UNION ALL SELECT NULL, v.value FROM (SELECT {value}) v(value)"
        " WHERE jsonb_typeof(v.value) NOT IN ('object', 'null'))"
    ).format(value=value, inner=at(sql.SQL("k.value"), after))


def elements(stream: BoundStream, document: sql.Composable) -> sql.Composable:
    """A subquery `(key text, element jsonb, ordinal bigint, age bigint)`: every element of the stream's lists.

    `ordinal` counts from 1 in the order of the list; `age` counts from 1 at the newest element of its list.
    """
    age = "e.ordinality" if stream.newest_first else "l.length - e.ordinality + 1"
    # OFFSET 0: without it the list is taken out of the document, and counted, once for each of its elements.
    return sql.SQL(
        "(SELECT l.key AS key, e.value AS element, e.ordinality AS ordinal, ({age})::bigint AS age FROM ("
        "SELECT x.key, x.list, jsonb_array_length(x.list) AS length FROM ("
        "SELECT y.key, CASE jsonb_typeof(y.list) WHEN 'array' THEN y.list ELSE '[]'::jsonb END AS list"
        " FROM {lists} y OFFSET 0) x OFFSET 0) l"
        " CROSS JOIN LATERAL jsonb_array_elements(l.list) WITH ORDINALITY e(value, ordinality))"
    ).format(age=sql.SQL(age), lists=lists(stream, document))


def list_at(stream: BoundStream, document: sql.Composable, key: sql.Composable | None) -> sql.Composable:
    """The value at the stream's path, with a dynamic key put in; NULL where there is none."""
    before, after = split(stream)
    value = at(document, before)
    if after is None or key is None:
        return value
    return at(sql.SQL("({} -> ({})::text)").format(value, key), after)


def with_list(
    stream: BoundStream, document: sql.Composable, key: sql.Composable | None, new: sql.Composable
) -> sql.Composable:
    """The document with another list at the stream's path; objects on the way that are absent or null are made."""
    before, after = split(stream)
    steps: list[sql.Composable] = [literal(step) for step in before]
    if after is not None and key is not None:
        steps += [key, *(literal(step) for step in after)]
    return put(document, steps, new)


def put(document: sql.Composable, steps: list[sql.Composable], new: sql.Composable) -> sql.Composable:
    if not steps:
        return new
    object_ = sql.SQL("COALESCE(NULLIF({}, 'null'::jsonb), '{{}}'::jsonb)").format(document)
    inner = sql.SQL("({} -> ({})::text)").format(object_, steps[0])
    return sql.SQL("jsonb_set({}, ARRAY[({})::text], {}, true)").format(object_, steps[0], put(inner, steps[1:], new))


def emptied(binding: Binding, document: sql.Composable) -> sql.Composable:
    """The document with the claimed lists of fixed paths empty; what is no list at its place stays."""
    for stream in binding.streams:
        before, after = split(stream)
        if after is None:
            inner = sql.Identifier("s", "d")
            new = put(inner, [literal(step) for step in before], EMPTY_LIST)
            # OFFSET 0: without it the document would be made once for each time that it is named.
            document = sql.SQL(
                "(SELECT CASE WHEN jsonb_typeof({}) = 'array' THEN {} ELSE s.d END FROM (SELECT {} AS d OFFSET 0) s)"
            ).format(at(inner, before), new, document)
    return document


def fits(stream: BoundStream, document: sql.Composable, key: sql.Composable | None) -> sql.Composable:
    """Whether a list can be put there: every value on the way is an object, and the value at the end a list; or absent."""
    before, after = split(stream)
    steps: list[sql.Composable] = [literal(step) for step in before]
    if after is not None and key is not None:
        steps += [key, *(literal(step) for step in after)]
    tests: list[sql.Composable] = []
    value = document
    for step in steps:
        tests.append(sql.SQL("COALESCE(jsonb_typeof({}) IN ('object', 'null'), TRUE)").format(value))
        value = sql.SQL("({} -> ({})::text)").format(value, step)
    tests.append(sql.SQL("COALESCE(jsonb_typeof({}) IN ('array', 'null'), TRUE)").format(value))
    return sql.SQL("({})").format(sql.SQL(" AND ").join(tests))
