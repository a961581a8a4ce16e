"""Find the Django project that a command is run in, and set it up."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from psycopg.pq import TransactionStatus

from cutover.errors import DeclarationError

AT_REST = (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)  # the latter is a connection that is gone
DEFAULT = re.compile(r"""setdefault\(\s*["']DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")


def set_up(settings: str | None) -> None:
    """Set Django up: by `--settings`, the environment, or the `manage.py` of this directory.

    Raises:
        DeclarationError: none of them names the settings.
    """
    if apps.ready:
        return
    sys.path.insert(0, str(Path.cwd()))
    module = settings or os.environ.get("DJANGO_SETTINGS_MODULE") or from_manage(Path("manage.py"))
    if module is None:
        raise DeclarationError(
            "No Django project was found here.",
            hint="Run this beside manage.py, set DJANGO_SETTINGS_MODULE, or give --settings.",
        )
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    django.setup()


@contextmanager
def named(command: str) -> Iterator[None]:
    """Connections are called `cutover COMMAND` in pg_stat_activity within, whatever the project calls its own.

    What was opened before is closed at the beginning, and what was opened within at the end, unless it is inside a transaction.
    """
    before = {alias: connections.settings[alias]["OPTIONS"] for alias in connections if postgresql(alias)}
    for alias, options in before.items():
        connections.settings[alias]["OPTIONS"] = {**options, "application_name": f"cutover {command}"}
        close(alias)
    try:
        yield
    finally:
        for alias, options in before.items():
            connections.settings[alias]["OPTIONS"] = options
            close(alias)


def close(alias: str) -> None:
    """The connection, and the pool in which it would be used again under its old name; not what a transaction is open in."""
    connection = connections[alias]
    opened = connection.connection
    if opened is None or (not connection.in_atomic_block and opened.info.transaction_status in AT_REST):
        connection.close()
        if connection.settings_dict["OPTIONS"].get("pool"):
            connection.close_pool()  # type: ignore[attr-defined]


def postgresql(alias: str) -> bool:
    try:
        return connections[alias].vendor == "postgresql"
    except (ImproperlyConfigured, ImportError):  # a database of no concern here, whose driver is not here either
        return False


def from_manage(file: Path) -> str | None:
    """The settings that a `manage.py` names."""
    found = DEFAULT.search(file.read_text(encoding="utf8")) if file.is_file() else None
    return None if found is None else found.group(1)
