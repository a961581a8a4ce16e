"""All that is found, as one list: from the source, and from the loaded project, each with its place in a file."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.core.checks import WARNING, CheckMessage

from cutover import conf, scan, spec
from cutover.checks.connections import check_connections
from cutover.checks.database import check_database
from cutover.checks.declaration import check_declarations
from cutover.checks.flags import check_flags
from cutover.checks.migrations import check_migrations
from cutover.errors import DeclarationError
from cutover.flags import Flags
from cutover.mapping import bind
from cutover.scan import Examined, Finding, Place, Severity


def known_flags() -> dict[str, Flags]:
    """The flags of the running project; those that cannot be read are told by E003."""
    found = {}
    for name in spec.names():
        try:
            found[name] = conf.flags(name)
        except DeclarationError:
            continue
    return found


def with_django(examined: Examined, *, only: str, databases: Sequence[str]) -> Examined:
    """What the source says, and what Django's checks say besides: of one id and one cutover the source has the line."""
    told = {(each.id, each.cutover) for each in examined.findings}
    found = [
        each
        for each in translated(from_django(databases), examined.places)
        if (each.id, each.cutover) not in told and only in ("", each.cutover)
    ]
    return replace(examined, findings=scan.in_order([*examined.findings, *found]))


def from_django(databases: Sequence[str]) -> Iterator[CheckMessage]:
    yield from check_flags()
    yield from check_declarations()
    yield from check_connections()
    yield from check_migrations()
    yield from check_database(databases=databases)


def translated(messages: Iterator[CheckMessage], places: dict[str, Place]) -> Iterator[Finding]:
    """Messages of Django as findings; they stand at the declaration of their cutover."""
    for each in messages:
        level = Severity.ERROR if each.is_serious() else Severity.WARNING if each.level >= WARNING else Severity.NOTE
        name = cutover_of(each.obj)
        path, line, text = places.get(name, ("", 0, ""))
        yield Finding(
            str(each.id), level, path, line, each.msg, each.hint or "", None, name, f"{text} {each.msg}".strip()
        )


def cutover_of(about: object) -> str:
    """The cutover that a message is about: its obj is a name, or the child model."""
    if isinstance(about, str):
        return about
    for name in spec.names():
        try:
            if bind(name).child.model is about:
                return name
        except DeclarationError:
            continue
    return ""
