"""A `Q` over the child model as SQL over the child table under its own name. Compiled by Django, in this one place."""

from django.db import connections, models
from django.db.models.sql.query import Query
from psycopg import sql

from cutover.codecs.quote import literal
from cutover.errors import DeclarationError

EVERY = sql.SQL("TRUE")
"""The condition of every row."""


def compile_condition(where: object | None, model: type[models.Model], alias: str) -> sql.Composable:
    """The condition with its values written in; every `%` is doubled, so it goes into a statement that has parameters.

    Raises:
        DeclarationError: `where` is no `Q`, or follows a relation to another table.
    """
    if where is None:
        return EVERY
    if not isinstance(where, models.Q):
        raise DeclarationError(f"where={where!r} is no Q.", hint="Write it as django.db.models.Q(...).")
    query = Query(model)
    node = query.build_where(where)
    connection = connections[alias]
    text, params = query.get_compiler(connection=connection).compile(node)
    if len(query.alias_map) > 1:
        raise DeclarationError(f"where={where!r} follows a relation.", hint="Use the child's own columns only.")
    return sql.Composed([sql.SQL("("), *filled(text, list(params)), sql.SQL(")")])


def filled(text: str, params: list[object]) -> list[sql.Composable]:
    """The pieces of a statement with its `%s` replaced by literals."""
    pieces = text.split("%s")
    found: list[sql.Composable] = [sql.SQL(pieces[0])]
    for value, piece in zip(params, pieces[1:], strict=True):
        found += [literal(value), sql.SQL(piece)]
    return found
