"""SQL over the rows of the child table, under its own name: their order, whom they stand for, what they look like."""

from psycopg import sql

from cutover.mapping.binding import Binding, BoundStream

STANDS = 1  # the lowest bit of a live position: the statement that wrote the row wrote the JSON as well


def stands(binding: Binding) -> sql.Composable:
    """Whether a row can stand for a JSON element: history, or written together with JSON.

    A table that was adopted without positions cannot say; there every row may.
    """
    if binding.position is None:
        return sql.SQL("TRUE")
    position = binding.child.column(binding.position)
    return sql.SQL("({position} < 0 OR {position} & 1 = 1)").format(position=position)


def next_position(*, stands_in_json: bool) -> sql.SQL:
    """A new position: drawn from the one sequence, with the bit that says whether JSON was written by the same statement."""
    return sql.SQL(
        "(nextval('cutover_position_v1') * 2 + 1)" if stands_in_json else "(nextval('cutover_position_v1') * 2)"
    )


def newest_first(binding: Binding) -> sql.Composable:
    """For ORDER BY."""
    return sql.SQL(", ").join(sql.SQL("{} DESC").format(binding.child.column(column)) for column in binding.ordering)


def oldest_first(binding: Binding) -> sql.Composable:
    return sql.SQL(", ").join(binding.child.column(column) for column in binding.ordering)


def parent_key(binding: Binding) -> sql.Composable:
    return binding.child.column(binding.fk)


def element(binding: Binding, stream: BoundStream) -> sql.Composable:
    """A row as an element of the stream, jsonb; only for codecs that compile."""
    return stream.codec.encode_sql(binding.child.alias)


def key(binding: Binding, stream: BoundStream) -> sql.Composable:
    """The dynamic key of a row as text, or NULL for a fixed path."""
    if stream.key_field is None:
        return sql.SQL("NULL::text")
    return sql.SQL("{}::text").format(binding.child.column(stream.column(stream.key_field)))
