"""What the database and its replicas suffer: reasons to wait, and what is only worth saying. Each is asked of the database."""

from collections.abc import Iterator

import psycopg
from django.db import DatabaseError

from cutover import conf, db
from cutover.errors import DeclarationError
from cutover.sql import query

MISTAKES = (psycopg.ProgrammingError, psycopg.DataError)


def reasons(alias: str) -> Iterator[str]:
    """Every reason to wait.

    Raises:
        DeclarationError: a setting is not what it should be, or its query fails.
    """
    for each in (lag, archiver, backlog, old_transaction, custom):
        found = each(alias)
        if found:
            yield found


def notes(alias: str) -> Iterator[str]:
    """What is worth saying and no reason to wait."""
    for each in (reported_transaction, hidden):
        found = each(alias)
        if found:
            yield found


def lag(alias: str) -> str | None:
    """A replica that is further behind than it should be."""
    most, own = conf.replica_lag(), conf.replica_lag_sql()
    if most is None:
        return None
    if own is not None:
        seconds = number("CUTOVER_REPLICA_LAG_SQL", asked(alias, "CUTOVER_REPLICA_LAG_SQL", own))
        return f"A replica is {seconds:.1f} s behind." if seconds > most.total_seconds() else None
    found = db.one(alias, query("throttle", "lag"), {"seconds": most.total_seconds()})
    return f"The replica {found[0]} is {found[1]:.1f} s behind." if found else None


def archiver(alias: str) -> str | None:
    """An archiver of WAL that fails."""
    found = db.one(alias, query("throttle", "archiver"))
    return f"The archiving of WAL fails at {found[0]}." if found else None


def backlog(alias: str) -> str | None:
    """An archiver of WAL that does not keep up, where the role may see it."""
    most = conf.archive_backlog()
    if most is None or db.one(alias, query("throttle", "may_see_backlog")) != (True, True):
        return None
    waiting = db.scalar(alias, query("throttle", "backlog"))
    return f"{waiting} files of WAL wait to be archived." if waiting > most else None


def old_transaction(alias: str) -> str | None:
    """A transaction that is older than the backfill goes on beside; by default there is no such age."""
    most = conf.old_transaction_wait()
    return None if most is None else oldest(alias, most.total_seconds())


def reported_transaction(alias: str) -> str | None:
    """A transaction that is older than what goes without saying."""
    most = conf.old_transaction_report()
    return None if most is None else oldest(alias, most.total_seconds())


def oldest(alias: str, seconds: float) -> str | None:
    found = db.one(alias, query("throttle", "oldest"), {"seconds": seconds})
    return f"The transaction {found[0]} is {found[1]:.0f} s old; dead rows stay until it ends." if found else None


def custom(alias: str) -> str | None:
    """What the project's own query says."""
    own = conf.throttle_sql()
    found = None if own is None else asked(alias, "CUTOVER_THROTTLE_SQL", own)
    return None if found is None else str(found)


def hidden(alias: str) -> str | None:
    """What this role may not see."""
    sessions = db.scalar(alias, query("throttle", "hidden_sessions"))
    unseen = [f"whether {sessions} other sessions are at work"] if sessions > 1 else []
    unseen += ["whether another session is at work"] if sessions == 1 else []
    if conf.replica_lag() is not None and conf.replica_lag_sql() is None:
        count = db.scalar(alias, query("throttle", "hidden_replicas"))
        unseen += [f"how far {count} replicas are behind"] if count else []
    if conf.archive_backlog() is not None and db.one(alias, query("throttle", "may_see_backlog")) == (True, False):
        unseen.append("how much WAL waits to be archived")
    return f"This role may not see {' nor '.join(unseen)}: grant it pg_monitor." if unseen else None


def asked(alias: str, setting: str, text: str) -> object:
    """The first value of a query of the project's.

    Raises:
        DeclarationError: the query is wrong; a connection that is gone is no such error.
    """
    try:
        return db.scalar(alias, text.replace("%", "%%"))
    except DatabaseError as error:
        cause = db.driver_error(error)
        if not isinstance(cause, MISTAKES):
            raise
        raise DeclarationError(f"{setting} fails: {cause.diag.message_primary}.", hint="Mend the query.") from error


def number(setting: str, value: object) -> float:
    """Seconds; none are 0. Raises DeclarationError."""
    try:
        return 0.0 if value is None else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DeclarationError(f"{setting} gives {value!r}.", hint="Let it give a number of seconds.") from None
