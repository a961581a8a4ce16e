"""The class that a project subclasses to declare one cutover."""

import re
from datetime import timedelta
from typing import ClassVar

from cutover.errors import DeclarationError
from cutover.spec.stream import Stream

NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")  # 30 characters leave room for the names of triggers and functions


class Cutover:
    """One JSON column that becomes a table.

    Attributes:
        name: `job_logs` for `class JobLogs`, unless given; used in settings, on the command line and in the ledger.
        source: `app.Model.field` of the parent model and its JSON field.
        target: `app.Model` of the child model.
        parent: the name of the foreign key on the child.
        ordering: the position field of the child, or, for a table adopted without one, the fields that order it by time.
        streams: the lists of the document.
        rewrites: whether `replace` and `clear` are used while JSON is written; the backfill then locks its parents.
        on_mutation: `raise`, or `capture`: what a full save does with a document that was changed in memory.
        foreign_writes: `record`, or `reject`: what the watch trigger does from STOP_JSON_WRITES on.
        column, storage: the column and its type (`jsonb`, `json`, `text`); asked only once the field has left the model.
        buffer: whether appends wait in a stream of Redis (`CUTOVER_REDIS_URL`) until `cutover flush` moves them.
        quiet: how long no foreign write may have been seen before DUAL_WRITE.
    """

    name: ClassVar[str] = ""
    source: ClassVar[str] = ""
    target: ClassVar[str] = ""
    parent: ClassVar[str] = ""
    ordering: ClassVar[str | tuple[str, ...]] = "position"
    streams: ClassVar[tuple[Stream, ...]] = ()
    rewrites: ClassVar[bool] = False
    on_mutation: ClassVar[str] = "raise"
    foreign_writes: ClassVar[str] = "record"
    column: ClassVar[str] = ""
    storage: ClassVar[str] = ""
    buffer: ClassVar[bool] = False
    quiet: ClassVar[timedelta] = timedelta(seconds=60)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def check(cutover: type[Cutover]) -> None:
    """Refuse a declaration that cannot be understood on its own.

    Raises:
        DeclarationError: naming the attribute and what it should hold.
    """
    where = cutover.__qualname__
    if not NAME.fullmatch(cutover.name):
        raise DeclarationError(f"{where}.name is {cutover.name!r}.", hint="Use at most 30 of a-z, 0-9 and _.")
    for attribute, parts, example in (("source", 3, "jobs.Job.logs"), ("target", 2, "jobs.JobLog")):
        value = getattr(cutover, attribute)
        if len(value.split(".")) != parts:
            raise DeclarationError(f"{where}.{attribute} is {value!r}.", hint=f"Write it like {example!r}.")
    if not cutover.parent:
        raise DeclarationError(f"{where}.parent is empty.", hint="Name the foreign key of the child model.")
    if not cutover.streams:
        raise DeclarationError(f"{where}.streams is empty.", hint="Declare a Stream for each list of the document.")
    for attribute, allowed in (("on_mutation", ("raise", "capture")), ("foreign_writes", ("record", "reject"))):
        if getattr(cutover, attribute) not in allowed:
            value = getattr(cutover, attribute)
            raise DeclarationError(f"{where}.{attribute} is {value!r}.", hint=f"Use one of {', '.join(allowed)}.")
    check_streams(cutover)


def check_streams(cutover: type[Cutover]) -> None:
    seen: set[str] = set()
    paths: list[tuple[object, ...]] = []
    for stream in cutover.streams:
        if stream.name in seen:
            raise DeclarationError(
                f"{cutover.name} declares {stream.name} twice.", hint="Give each stream its own name."
            )
        for path in paths:
            if path == stream.steps[: len(path)] or stream.steps == path[: len(stream.steps)]:
                raise DeclarationError(
                    f"{cutover.name}.{stream.name} lies on the path of another stream.", hint="One list is one stream."
                )
        seen.add(stream.name)
        paths.append(stream.steps)
