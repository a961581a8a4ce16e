"""The SQL that makes 64 bits of an element and of a row, so that equal elements have equal bits; and what is no list."""

from psycopg import sql

from cutover.codecs.quote import literal
from cutover.mapping import Binding, BoundStream, document, rows


def of_element(stream: BoundStream, element: sql.Composable, key: sql.Composable) -> sql.Composable:
    """The bits of a jsonb expression. Strings are taken without their quotes where the stream has nothing else; whatever is no
    string there gets another seed, for "1" is not 1."""
    if stream.codec.json_type != "string":
        return of_text(sql.SQL("{}::text").format(element), seed(stream, key))
    text = sql.SQL("({} #>> '{{}}')").format(element)
    return sql.SQL("CASE jsonb_typeof({}) WHEN 'string' THEN {} ELSE {} END").format(
        element,
        of_text(text, seed(stream, key)),
        of_text(sql.SQL("{}::text").format(element), sql.SQL("({} # 1)").format(seed(stream, key))),
    )


def of_row(binding: Binding, stream: BoundStream) -> sql.Composable:
    """The bits of a row as an element; NULL where it makes none."""
    if stream.codec.json_type == "string":
        text = stream.codec.text_sql(binding.child.alias)
    else:
        text = sql.SQL("({})::text").format(rows.element(binding, stream))
    return of_text(text, seed(stream, rows.key(binding, stream)))


def seed(stream: BoundStream, key: sql.Composable) -> sql.Composable:
    """The dynamic key is part of what is hashed."""
    if stream.key_field is None:
        return sql.SQL("0")
    return sql.SQL('COALESCE(hashtextextended({} COLLATE "C", 1), 0)').format(key)


def of_text(text: sql.Composable, seed: sql.Composable) -> sql.Composable:
    """COLLATE "C", for other collations may not hash."""
    return sql.SQL('hashtextextended({} COLLATE "C", {})').format(text, seed)


def odd(stream: BoundStream, stored: sql.Composable) -> sql.Composable:
    """Whether something else stands where a list of the stream, or the way to it, should be."""
    if stream.key_field is None:
        return sql.SQL("NOT {}").format(document.fits(stream, stored, None))
    before, _ = document.split(stream)
    way = [document.at(stored, before[:place]) for place in range(len(before))]
    tests = [sql.SQL("COALESCE(jsonb_typeof({}) NOT IN ('object', 'null'), FALSE)").format(each) for each in way]
    lists = document.lists(stream, stored)
    tests.append(sql.SQL("EXISTS (SELECT FROM {} o WHERE jsonb_typeof(o.list) <> 'array')").format(lists))
    return sql.SQL("({})").format(sql.SQL(" OR ").join(tests))


def within_cap(stream: BoundStream) -> sql.Composable:
    return sql.SQL("TRUE") if stream.cap is None else sql.SQL("rank <= {}").format(literal(stream.cap))
