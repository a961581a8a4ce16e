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

from cutover.errors import DeclarationError

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
    connections.close_all()  # what the project asked while it began has its own name


@contextmanager
def named(command: str) -> Iterator[None]:
    """Connections made within are called `cutover COMMAND` in pg_stat_activity, whatever the project calls its own."""
    before = {alias: connections.settings[alias]["OPTIONS"] for alias in connections if postgresql(alias)}
    for alias, options in before.items():
        connections.settings[alias]["OPTIONS"] = {**options, "application_name": f"cutover {command}"}
    try:
        yield
    finally:
        for alias, options in before.items():
            connections.settings[alias]["OPTIONS"] = options


def postgresql(alias: str) -> bool:
    try:
        return connections[alias].vendor == "postgresql"
    except (ImproperlyConfigured, ImportError):  # a database of no concern here, whose driver is not here either
        return False


def from_manage(file: Path) -> str | None:
    """The settings that a `manage.py` names."""
    found = DEFAULT.search(file.read_text(encoding="utf8")) if file.is_file() else None
    return None if found is None else found.group(1)
