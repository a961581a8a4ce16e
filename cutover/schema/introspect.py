"""What the catalogue says about the objects of a cutover. It reads; gates and operations decide."""

from dataclasses import dataclass

from psycopg import sql

from cutover import db
from cutover.mapping import Binding
from cutover.schema import names
from cutover.sql import query


@dataclass(frozen=True)
class Column:
    """A column as the catalogue has it; `default` is the text of its expression, or None."""

    type: str
    nullable: bool
    default: str | None


def exists(alias: str, table: sql.Composable) -> bool:
    """Whether a table (or any relation) of this name is there."""
    return bool(db.scalar(alias, query("schema", "relation_exists"), {"relation": names.text(table)}))


def find_column(alias: str, table: sql.Composable, column: str) -> Column | None:
    """A column of a table, or None where either is missing."""
    found = db.one(alias, query("schema", "column"), {"relation": names.text(table), "column": column})
    return None if found is None else Column(*found)


def columns(alias: str, table: sql.Composable) -> set[str]:
    """The names of all columns of a table."""
    return {name for (name,) in db.rows(alias, query("schema", "columns"), {"relation": names.text(table)})}


def comment(alias: str, table: sql.Composable) -> str:
    """The comment on a table; empty where there is none."""
    return db.scalar(alias, query("schema", "relation_comment"), {"relation": names.text(table)}) or ""


def empty(alias: str, table: sql.Composable) -> bool:
    """Whether a table holds no row."""
    return not db.scalar(alias, query("schema", "any_row", table=table))


def table_exists(binding: Binding) -> bool:
    """Whether the child table is there."""
    return exists(binding.alias, binding.child.identifier)


def column(binding: Binding) -> Column | None:
    """The JSON column, or None once it has been dropped."""
    return find_column(binding.alias, binding.parent.identifier, binding.column)


def column_exists(binding: Binding) -> bool:
    return column(binding) is not None


def column_relaxed(binding: Binding) -> bool:
    """Whether code that does not know the column can insert a parent: it is gone, may be NULL, or has a default."""
    found = column(binding)
    return found is None or found.nullable or found.default is not None


def has_rows(binding: Binding) -> bool:
    """Whether the child table holds a row."""
    return table_exists(binding) and not empty(binding.alias, binding.child.identifier)


def index_ready(binding: Binding) -> bool:
    """Whether any valid index, ours or another, begins with the parent and the order of its rows."""
    columns = [binding.fk, *binding.ordering[:-1]]
    values = {"relation": names.text(binding.child.identifier), "columns": columns}
    return bool(db.scalar(binding.alias, query("schema", "index_ready"), values))


def index_valid(binding: Binding) -> bool | None:
    """Whether the toolkit's index is valid; None where there is none."""
    values = {"relation": names.text(binding.child.identifier), "index": names.order_index(binding.name)}
    found = db.scalar(binding.alias, query("schema", "index_valid"), values)
    return None if found is None else bool(found)


def constraint_validated(binding: Binding) -> bool | None:
    """Whether a foreign key from the rows to their parents is validated; None where there is none."""
    found = foreign_keys(binding)
    return None if not found else any(found.values())


def foreign_keys(binding: Binding) -> dict[str, bool]:
    """The foreign keys from the rows to their parents: name to whether it is validated."""
    values = {
        "relation": names.text(binding.child.identifier),
        "parent": names.text(binding.parent.identifier),
        "column": binding.fk,
    }
    return {name: bool(valid) for name, valid in db.rows(binding.alias, query("schema", "foreign_keys"), values)}
