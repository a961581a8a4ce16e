"""What can be found wrong before anything runs: Django's system checks, and `cutover check` in CI.

One small function per finding; each has an id, a fact and a hint. Those that ask a database are tagged so, and say nothing
where their database is not named.
"""

from typing import Any

from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as Caution

from cutover.checks.connections import check_connections
from cutover.checks.database import check_database
from cutover.checks.declaration import check_declarations
from cutover.checks.flags import check_flags
from cutover.checks.migrations import check_migrations
from cutover.checks.source import check_source

__all__ = [
    "check_connections",
    "check_database",
    "check_declarations",
    "check_flags",
    "check_migrations",
    "check_source",
    "register_all",
]


def register_all() -> None:
    """Make them Django's: `manage.py check`, and with `--database default` also what the database says."""
    register(check_flags)
    register(check_declarations, Tags.models)
    register(check_connections)
    register(check_migrations)
    register(check_source)
    register(advise, Tags.database)


def advise(**options: Any) -> list[CheckMessage]:
    """What the database says, as warnings: Django asks it before `migrate`, which may be the cure."""
    return [
        Caution(found.msg, hint=found.hint, obj=found.obj, id=found.id) if found.is_serious() else found
        for found in check_database(**options)
    ]
