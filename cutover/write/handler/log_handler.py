"""A logging handler that appends. It never raises a database error into the application, and never logs through itself.

Only errors of the database and of the toolkit are caught. Any other exception may be one that a signal raised inside a query,
such as a soft time limit: it passes through, and the connection is at rest.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import transaction

from cutover import db
from cutover.errors import CutoverError, DeclarationError
from cutover.mapping import Binding, bind
from cutover.write.handler import delivery, held, records
from cutover.write.handler.kept import Kept, Line
from cutover.write.handler.records import Fields, Find

KEPT = 1000
WAIT = timedelta(minutes=1)
OWN_LOGGERS = ("cutover", "django.db", "psycopg")
AGAIN = 1.0  # seconds until a line is tried again whose parent was not there, unless it is asked for
SLOW = 1.0  # seconds; a try that failed faster than this may be repeated at once
LONGEST_PAUSE = 30.0  # seconds

logger = logging.getLogger("cutover.handler")
_writing = threading.local()


class LogHandler(logging.Handler):
    """`LogHandler("job_logs", job)`: each record becomes a row of that parent, and what the streams make of it.

    What could not be written is kept, at most `keep` lines, for the next record, the end of the transaction, `flush` or `close`.

    Args:
        parent: an instance or its key, for all records; or else
        find: where a record says its parent: the name that `extra` gives it, a function of the record, or its dotted path.
            Records without a parent are not this handler's.
        fields: the fields of the row for a record, a function or its dotted path; by default `level`, `message` and
            `created_at`, as far as the child has them.
        own_connection: from STOP_JSON_WRITES on, a line inside a transaction is written on a second connection, and stays
            when the transaction is rolled back.
        wait: how long a line waits for a parent that has not been committed; seconds, or a timedelta.

    Attributes:
        dropped: how many lines were given up.
        last_error: what was caught last.
    """

    def __init__(
        self,
        cutover_name: str,
        parent: Any = None,
        fields: Fields | str | None = None,
        *,
        find: Find | str | None = None,
        own_connection: bool = False,
        keep: int = KEPT,
        wait: timedelta | float = WAIT,
        level: int | str = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        records.check(parent, find)
        self.cutover_name = cutover_name
        self.parent = parent
        self.find = find
        self.fields = fields
        self.own_connection = own_connection
        self.wait = wait if isinstance(wait, timedelta) else timedelta(seconds=wait)
        self.last_error: BaseException | None = None
        self._kept = Kept(keep)
        self._pause = 0.0
        held.start()

    @property
    def binding(self) -> Binding:
        return bind(self.cutover_name)

    @property
    def pending(self) -> int:
        """How many lines wait for the next try."""
        return len(self._kept)

    @property
    def dropped(self) -> int:
        return self._kept.dropped

    def handle(self, record: logging.LogRecord) -> Any:
        """As the base class, but without its lock.

        A thread that waits for the parent's row must not keep out the thread that has the row locked and logs.
        """
        found: Any = self.filter(record)  # from Python 3.12 on a record may take the place of True
        if found:
            self.emit(found if isinstance(found, logging.LogRecord) else record)
        return found

    def emit(self, record: logging.LogRecord) -> None:
        if own(record.name) or getattr(_writing, "now", False):
            return
        try:
            _writing.now = True  # what the writing itself logs is not for this kind of handler
            line = self.line_of(record)
            if line is not None:
                self._kept.put(line)
                self.write_lines(line, record)
        finally:
            _writing.now = False

    def line_of(self, record: logging.LogRecord) -> Line | None:
        """The record as a line; None where it has no parent, or cannot be made a line of."""
        try:
            parent = records.parent_of(record, self.parent, self.find)
            if parent is None:
                return None
            if self.fields is None:
                fields: Mapping[str, Any] = self.default_fields(record)
            else:
                fields = records.fields_function(self.fields)(record)
        except (*records.UNFORMATTED, CutoverError) as error:
            self.last_error = error
            self._kept.count()
            self.handleError(record)
            return None
        return Line(parent, fields, (record.pathname, record.lineno), chosen=self.fields is not None)

    def default_fields(self, record: logging.LogRecord) -> Mapping[str, Any]:
        return records.default_fields(record, self.format(record))

    def write_lines(self, line: Line, record: logging.LogRecord) -> None:
        """Write what was kept, and then the line; inside a transaction only the line, for a rollback would take the others."""
        if not apps.ready or time.monotonic() < self._pause:
            self.leave(line)
            return
        alias = self.alias()
        inside = alias is not None and db.in_transaction(alias)
        first = inside or self.write_kept(line)
        behind = (not inside or self.own_connection) and self._kept.waits(line)
        if first and not behind:
            self.write(line, record)
        self.leave(line)
        if inside and self._kept:
            transaction.on_commit(self.flush, using=alias)

    def alias(self) -> str | None:
        """The database of the lines; None where the declaration does not fit, which the write will say."""
        try:
            return self.binding.alias
        except DeclarationError:
            return None

    def write_kept(self, newest: Line | None = None, *, last: bool = False) -> bool:
        """Try again what was kept, oldest first, up to the newest; whether the database is well."""
        skip: set[Any] = set()
        while (line := self._kept.next(skip, newest, last=last)) is not None:
            if line is newest:
                return True
            error = self.write(line, None)
            self.leave(line)
            if error is not None and not delivery.waits(error):
                return False
            if error is not None:
                line.not_before = time.monotonic() + AGAIN
                skip.add(line.key)
        return True

    def write(self, line: Line, record: logging.LogRecord | None) -> BaseException | None:
        """One try. The error after which the line needs another; None where it was written, or never can be."""
        started = time.monotonic()
        try:
            delivery.deliver(self.binding, line, own_connection=self.own_connection)
        except delivery.CAUGHT as error:
            self.last_error = error
            if isinstance(error, delivery.HOPELESS) or self.waited_enough(line, error):
                self.give_up(line, record)
                return None
            if not delivery.waits(error):
                self.pause(time.monotonic() - started)
            return error
        return None

    def waited_enough(self, line: Line, error: BaseException) -> bool:
        return delivery.waits(error) and time.monotonic() - line.since > self.wait.total_seconds()

    def pause(self, seconds: float) -> None:
        """After a try that has cost time, leave the database alone for as long: the application has other things to do."""
        if seconds > SLOW:
            self._pause = time.monotonic() + min(seconds, LONGEST_PAUSE)

    def give_up(self, line: Line, record: logging.LogRecord | None) -> None:
        self._kept.give_up(line)
        if record is not None:
            self.handleError(record)
        else:
            logger.error("%s: a line is given up: %s", self.cutover_name, self.last_error)

    def leave(self, line: Line) -> None:
        """A try is over; where that means that lines are given up, say so once."""
        before = self._kept.dropped
        if self._kept.leave(line) and not before:
            text = "%s: more than %s lines wait to be written, the oldest are given up; the last error: %s"
            logger.error(text, self.cutover_name, self._kept.most, self.last_error)

    def flush(self) -> None:
        """Try again what was kept, unless a transaction is open."""
        self.try_kept()

    def try_kept(self, *, last: bool = False) -> None:
        alias = self.alias() if self._kept and apps.ready else None
        if alias is None or getattr(_writing, "now", False) or db.in_transaction(alias):
            return
        try:
            _writing.now = True
            self.write_kept(last=last)
        finally:
            _writing.now = False

    def close(self) -> None:
        """Try again what was kept, for the last time; say how much is lost."""
        self.try_kept(last=True)
        lost = self._kept.give_up_all()
        if lost:
            why = self.last_error or "the applications were not loaded"
            logger.error("%s: %s lines were not written: %s", self.cutover_name, lost, why)
        super().close()


def own(name: str | None) -> bool:
    """Whether a logger is one that a write itself uses. A record that was made by hand may have none."""
    return name is not None and any(name == each or name.startswith(f"{each}.") for each in OWN_LOGGERS)
