"""The one place where cursors are opened: run a statement, translate the driver's errors, open a transaction.

Statements are `psycopg.sql` objects, or text that was rendered from them once. Every statement is run with parameters, so a
literal `%` in it is doubled. Nothing here relies on session state: it works behind a transaction pooler. Whatever exception
passes through a statement, a soft time limit too, leaves the connection at rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import Error, connections, transaction
from psycopg import sql
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.string import TextLoader

from cutover import interrupted
from cutover.errors import CutoverError, Refused
from cutover.sqlstates import TOLD

Statement = sql.Composable | str
Row = tuple[Any, ...]


def render(statement: Statement) -> str:
    """The text of a statement; worth keeping where it is run often."""
    return statement if isinstance(statement, str) else statement.as_string(None)


@contextmanager
def cursor(alias: str) -> Iterator[Any]:
    """A cursor that loads a value as the column has it: aware times whatever USE_TZ says, JSON as text."""
    with interrupted.at_rest(alias), connections[alias].cursor() as wrapper:
        adapters = wrapper.cursor.adapters
        adapters.register_loader("timestamptz", TimestamptzLoader)
        adapters.register_loader("json", TextLoader)
        adapters.register_loader("jsonb", TextLoader)
        yield wrapper


@contextmanager
def often(alias: str) -> Iterator[Any]:
    """A cursor for a statement that is run again and again: prepared, where the project lets it be.

    Django tells the driver to prepare nothing, for behind a transaction pooler the next statement may reach another backend.
    `prepare_threshold` among the OPTIONS of the database says otherwise; only then the values are bound by the server.
    """
    wrapper = connections[alias]
    if not prepares(wrapper):
        with interrupted.at_rest(alias), wrapper.cursor() as opened:
            yield opened
        return
    wrapper.validate_thread_sharing()
    wrapper.close_if_health_check_failed()
    wrapper.ensure_connection()
    with wrapper.wrap_database_errors:
        driver: Any = psycopg.Cursor(wrapper.connection)
    make = wrapper.make_debug_cursor if wrapper.queries_logged else wrapper.make_cursor
    with interrupted.at_rest(alias), make(driver) as opened:
        yield opened


def prepares(wrapper: Any) -> bool:
    """Whether statements may be prepared. A connection without cursors on the server is behind a transaction pooler."""
    options = wrapper.settings_dict
    return options["OPTIONS"].get("prepare_threshold") is not None and not options.get("DISABLE_SERVER_SIDE_CURSORS")


def rows(alias: str, statement: Statement, params: Mapping[str, object] | None = None) -> list[Row]:
    """All rows of a query."""
    with cursor(alias) as opened:
        opened.execute(render(statement), params or {})
        return list(opened.fetchall())


def one(alias: str, statement: Statement, params: Mapping[str, object] | None = None) -> Row | None:
    """The first row of a query, or None."""
    with cursor(alias) as opened:
        opened.execute(render(statement), params or {})
        return opened.fetchone()  # type: ignore[no-any-return]


def repeat(alias: str, statement: str, params: Mapping[str, object]) -> tuple[int, Row | None]:
    """Run a statement that is run often: how many rows it touched, and the first that it gives, numbers and truths, or text."""
    with often(alias) as opened:
        opened.execute(statement, params)
        return int(opened.rowcount), opened.fetchone() if opened.description else None


def scalar(alias: str, statement: Statement, params: Mapping[str, object] | None = None) -> Any:
    """The first column of the first row, or None."""
    found = one(alias, statement, params)
    return None if found is None else found[0]


def run(alias: str, statement: Statement, params: Mapping[str, object] | None = None) -> int:
    """Run a statement; the number of rows it touched."""
    with interrupted.at_rest(alias), connections[alias].cursor() as opened:
        opened.execute(render(statement), dict[str, Any](params or {}))
        return int(opened.rowcount)


@contextmanager
def copying(alias: str, statement: Statement, params: Mapping[str, object] | None = None) -> Iterator[Any]:
    """The driver's `COPY`, in or out. The values are put in by the driver: COPY takes no parameters."""
    wrapper = connections[alias]
    with (
        interrupted.at_rest(alias),
        wrapper.cursor() as opened,
        wrapper.wrap_database_errors,
        opened.cursor.copy(render(statement), params) as copy,
    ):
        yield copy


def copy_in(alias: str, statement: Statement, records: Iterator[Sequence[object]]) -> int:
    """Stream records into `COPY ... FROM STDIN`; their number. Memory is that of one record."""
    count = 0
    with copying(alias, statement) as copy:
        for record in records:
            copy.write_row(record)
            count += 1
    return count


def copy_blocks(alias: str, statement: Statement, blocks: Iterator[bytes]) -> int:
    """Hand bytes on to `COPY ... FROM STDIN`; the number of rows that they were."""
    wrapper = connections[alias]
    with interrupted.at_rest(alias), wrapper.cursor() as opened, wrapper.wrap_database_errors:
        with opened.cursor.copy(render(statement)) as copy:
            for block in blocks:
                copy.write(block)
        return int(opened.rowcount)


@contextmanager
def server_cursor(alias: str, name: str, statement: Statement, params: Mapping[str, object]) -> Iterator[Any]:
    """A cursor that the server keeps, so that a result is read piece by piece; in a transaction. Yields the driver's cursor."""
    wrapper = connections[alias]
    wrapper.ensure_connection()
    with interrupted.at_rest(alias), wrapper.wrap_database_errors, wrapper.connection.cursor(name=name) as opened:
        opened.execute(render(statement), params)
        yield opened


def in_transaction(alias: str) -> bool:
    return bool(connections[alias].in_atomic_block)


def manual(alias: str) -> bool:
    """Whether autocommit is off, outside of `atomic`: there the application commits, and nobody can be told of it."""
    wrapper = connections[alias]
    return not wrapper.in_atomic_block and not wrapper.get_autocommit()


def require_commits(alias: str, work: str) -> None:
    """Refuse work that commits step by step where autocommit is off.

    Raises:
        Refused: `work` ("a move", "a chunk") would not be committed.
    """
    if manual(alias):
        raise Refused(
            f"The connection {alias!r} does not autocommit: {work} would not be committed.",
            hint="Run it without AUTOCOMMIT = False on this connection.",
        )


@contextmanager
def read_committed(alias: str) -> Iterator[None]:
    """A transaction of the toolkit's own, at READ COMMITTED whatever the project's default is.

    Raises:
        RuntimeError: the caller is inside a transaction already.
    """
    with interrupted.committed(alias), transaction.atomic(using=alias, durable=True):
        run(alias, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        yield


@contextmanager
def one_snapshot(alias: str) -> Iterator[None]:
    """A read-only transaction in which every statement sees the same state."""
    with interrupted.committed(alias), transaction.atomic(using=alias, durable=True):
        run(alias, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        set_local(
            alias, "jit", "off"
        )  # the planner's costs of JSON lists are guesses; compiling takes longer than running
        yield


@contextmanager
def savepoint(alias: str) -> Iterator[None]:
    """A savepoint inside the caller's transaction, without Django's bookkeeping.

    An exception that a signal raises in the middle of that would leave the caller's transaction open for ever.
    """
    run(alias, "SAVEPOINT cutover_line")
    try:
        yield
    except BaseException:
        wrapper = connections[alias]
        wrapper.needs_rollback, before = False, wrapper.needs_rollback
        try:
            run(alias, "ROLLBACK TO SAVEPOINT cutover_line")
            run(alias, "RELEASE SAVEPOINT cutover_line")
        except Error:
            wrapper.needs_rollback = before or wrapper.in_atomic_block
        raise
    run(alias, "RELEASE SAVEPOINT cutover_line")


@contextmanager
def part(alias: str, setting: str) -> Iterator[None]:
    """A transaction of our own; or a savepoint of the caller's, after which this setting is what it was.

    `SET LOCAL` holds until the end of the transaction, also behind the release of the savepoint in which it was said.
    """
    if not in_transaction(alias):
        with read_committed(alias):
            yield
        return
    before = str(scalar(alias, "SELECT current_setting(%(setting)s)", {"setting": setting}))
    with transaction.atomic(using=alias):
        yield
        set_local(alias, setting, before)


def set_local(alias: str, setting: str, value: str) -> None:
    """A setting until the end of this transaction."""
    run(alias, "SELECT set_config(%(setting)s, %(value)s, true)", {"setting": setting, "value": value})


def set_locals(alias: str, settings: Mapping[str, str]) -> None:
    """Several of them, in one round trip."""
    run(
        alias,
        "SELECT set_config(s.name, s.value, true) FROM unnest(%(names)s::text[], %(values)s::text[]) s(name, value)",
        {"names": list(settings), "values": list(settings.values())},
    )


def driver_error(error: BaseException) -> psycopg.Error | None:
    """The driver's error behind one of Django's."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    return cause if isinstance(cause, psycopg.Error) else None


def constraint_name(error: BaseException) -> str | None:
    """The constraint that an error names, by its own field and never by its text."""
    cause = driver_error(error)
    return None if cause is None else cause.diag.constraint_name


def sqlstate(error: BaseException) -> str:
    """The five characters by which the database names what happened; empty where it said nothing, as where it is not there."""
    cause = driver_error(error)
    return (None if cause is None else cause.sqlstate) or ""


def translate(error: BaseException) -> CutoverError | None:
    """What the operator is told, or None where the error is a bug and keeps its traceback."""
    cause = driver_error(error)
    if cause is None:
        return None
    state = sqlstate(error)
    if state in TOLD:
        kind, fact, hint = TOLD[state]
        return kind(f"{fact}: {said(cause)}.", hint=hint)
    if not isinstance(cause, psycopg.OperationalError):
        return None
    if state and state[:2] not in ("08", "57"):
        return CutoverError(
            f"The database gave up: {said(cause)}.", hint="What was committed stays; see the server's log."
        )
    return CutoverError(
        f"The database cannot be reached: {said(cause)}.", hint="Check the connection; what was committed stays."
    )


def said(cause: psycopg.Error) -> str:
    """The database's own words, or the driver's; one line without its full stop."""
    return (cause.diag.message_primary or str(cause)).strip().partition("\n")[0].rstrip(".")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into the toolkit's, once, at the edge."""
    try:
        yield
    except Error as error:
        told = translate(error)
        if told is None:
            raise
        raise told from error
