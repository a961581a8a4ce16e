"""The names of the database objects of a cutover: `cutover_<what>_v1`. The name of a cutover has at most 30 characters, so all of
them fit into the 63 bytes that PostgreSQL keeps.
"""

from psycopg import sql


def watch_function(name: str) -> str:
    """The trigger function, and the trigger for updates."""
    return f"cutover_watch_{name}_v1"


def watch_update(name: str) -> str:
    return watch_function(name)


def watch_insert(name: str) -> str:
    return f"cutover_watch_{name}_insert_v1"


def order_index(name: str) -> str:
    """The index that serves the rows of a parent in their order."""
    return f"cutover_{name}_order_v1"


def parent_constraint(name: str) -> str:
    """The foreign key from the rows to their parents."""
    return f"cutover_{name}_parent_v1"


def archive(name: str) -> str:
    """The table that keeps the documents of a dropped column."""
    return f"cutover_archive_{name}_v1"


def archive_manifest(name: str) -> str:
    """The table that says what each chunk of them was."""
    return f"cutover_archive_{name}_manifest_v1"


def archive_table(name: str) -> sql.Identifier:
    return sql.Identifier(archive(name))


def table(name: str) -> sql.Identifier:
    """A table's name as Django has it in `db_table`, with its schema where one is written."""
    return sql.Identifier(*name.replace('"', "").split("."))


def text(identifier: sql.Composable) -> str:
    """The quoted name, as `to_regclass` reads it."""
    return identifier.as_string(None)
