"""Do the connections on which a cutover writes survive their server's end? Needs no database."""

from typing import Any

from django.core.checks import CheckMessage
from django.core.checks import Warning as Caution
from django.db import connections

from cutover import spec
from cutover.errors import DeclarationError
from cutover.mapping import bind


def check_connections(**_: Any) -> list[CheckMessage]:
    """W014: connections outlive a request or a task, and nobody asks whether they still live."""
    aliases: dict[str, str] = {}
    for name in spec.names():
        try:
            aliases.setdefault(bind(name).alias, name)
        except DeclarationError:
            continue  # E010 says so
    return [unasked(alias, name) for alias, name in aliases.items() if is_unasked(connections.settings[alias])]


def is_unasked(settings: dict[str, Any]) -> bool:
    return settings.get("CONN_MAX_AGE", 0) != 0 and not settings.get("CONN_HEALTH_CHECKS", False)


def unasked(alias: str, name: str) -> CheckMessage:
    age = connections.settings[alias]["CONN_MAX_AGE"]
    return Caution(
        f"DATABASES[{alias!r}] has CONN_MAX_AGE = {age} and no CONN_HEALTH_CHECKS: a connection that the server has ended,"
        f" idle in transaction for too long, fails the next task that uses it.",
        hint="Set CONN_HEALTH_CHECKS = True beside it.",
        obj=name,
        id="cutover.W014",
    )
