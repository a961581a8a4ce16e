"""What can be found wrong before anything runs: Django's system checks, and `cutover check` in CI.

One small function per finding; each has an id, a fact and a hint. Those that ask a database are tagged so, and say nothing
where their database is not named. They are imported when they are asked: every process of the application loads this module.
"""

from importlib import import_module
from typing import Any

from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as Caution

Found = list[CheckMessage]

__all__ = [
    "check_connections",
    "check_database",
    "check_declarations",
    "check_flags",
    "check_migrations",
    "check_source",
    "register_all",
]


def check_connections(**options: Any) -> Found:
    return run("connections", **options)


def check_database(**options: Any) -> Found:
    return run("database", **options)


def check_declarations(**options: Any) -> Found:
    return run("declaration", "declarations", **options)


def check_flags(**options: Any) -> Found:
    return run("flags", **options)


def check_migrations(**options: Any) -> Found:
    return run("migrations", **options)


def check_source(**options: Any) -> Found:
    return run("source", **options)


def run(module: str, name: str = "", **options: Any) -> Found:
    check = getattr(import_module(f"cutover.checks.{module}"), f"check_{name or module}")
    return list(check(**options))


def register_all() -> None:
    """Make them Django's: `manage.py check`, and with `--database default` also what the database says."""
    register(check_flags)
    register(check_declarations, Tags.models)
    register(check_connections)
    register(check_migrations)
    register(check_source)
    register(advise, Tags.database)


def advise(**options: Any) -> Found:
    """What the database says, as warnings: Django asks it before `migrate`, which may be the cure."""
    return [
        Caution(found.msg, hint=found.hint, obj=found.obj, id=found.id) if found.is_serious() else found
        for found in check_database(**options)
    ]
