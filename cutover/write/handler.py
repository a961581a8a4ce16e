"""A logging handler that appends. It never raises a database error into the application, and never logs through itself.

Only errors of the database and of the toolkit are caught. Any other exception may be one that a signal raised inside a query,
such as a soft time limit: it passes through, and a connection that it left in the middle of a command is closed first.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import DataError, Error, IntegrityError, connections, transaction

from cutover import db
from cutover.errors import CutoverError, NotEncodable
from cutover.mapping import Binding, bind
from cutover.write.append import append

KEPT = 1000
OWN_LOGGERS = ("cutover", "django.db")
CAUGHT = (Error, psycopg.Error, CutoverError)
HOPELESS = (NotEncodable, DataError, IntegrityError)  # the line itself is at fault, and would be at the next try
UNFORMATTED = (TypeError, ValueError, KeyError, AttributeError)

_writing = threading.local()


class LogHandler(logging.Handler):
    """`LogHandler("job_logs", job)`: each record becomes a row of that parent, and what the streams make of it.

    What could not be written is kept, at most `keep` lines, for the next record, the end of the transaction, `flush` or `close`.

    Args:
        fields: the fields of the row for a record; by default `level`, `message` and `created_at`, as far as the child has them.

    Attributes:
        dropped: how many lines were given up.
        last_error: what was caught last.
    """

    def __init__(
        self,
        cutover_name: str,
        parent: Any,
        fields: Callable[[logging.LogRecord], Mapping[str, Any]] | None = None,
        *,
        keep: int = KEPT,
        level: int | str = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        self.cutover_name = cutover_name
        self.parent = parent
        self.fields = fields or self.default_fields
        self.keep = keep
        self.dropped = 0
        self.last_error: BaseException | None = None
        self._kept: deque[Mapping[str, Any]] = deque()

    @property
    def binding(self) -> Binding:
        return bind(self.cutover_name)

    @property
    def pending(self) -> int:
        """How many lines wait for the next try."""
        return len(self._kept)

    def handle(self, record: logging.LogRecord) -> Any:
        """As the base class, but without its lock.

        A thread that waits for the parent's row must not keep out the thread that has the row locked and logs.
        """
        found: Any = self.filter(record)  # from Python 3.12 on a record may take the place of True
        if found:
            self.emit(found if isinstance(found, logging.LogRecord) else record)
        return found

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(OWN_LOGGERS) or getattr(_writing, "now", False):
            return
        with silent():
            try:
                line = self.fields(record)
            except (*UNFORMATTED, CutoverError) as error:
                self.give_up(error, record)
                return
            self.write_lines(line, record)

    def default_fields(self, record: logging.LogRecord) -> Mapping[str, Any]:
        found = {
            "level": record.levelname,
            "message": storable(self.format(record)),
            "created_at": datetime.fromtimestamp(record.created, UTC),
        }
        return {name: value for name, value in found.items() if name in self.binding.kinds}

    def write_lines(self, line: Mapping[str, Any], record: logging.LogRecord) -> None:
        """Write what was kept, and then the line; inside a transaction only the line, for a rollback would take the others."""
        inside = db.in_transaction(self.binding.alias)
        waited = inside or self.write_kept()
        if not waited or not self.write(line, record):
            self.put_back([line], newest=True)
        if inside and self._kept:
            transaction.on_commit(self.flush, using=self.binding.alias)

    def write_kept(self) -> bool:
        """Try again what was kept, oldest first; whether nothing is left."""
        with self.locked():
            lines = list(self._kept)
            self._kept.clear()
        try:
            while lines and self.write(lines[0], None):
                del lines[0]
        finally:
            self.put_back(lines, newest=False)
        return not lines

    def write(self, line: Mapping[str, Any], record: logging.LogRecord | None) -> bool:
        """Whether the line needs no further try: it was written, or it never can be."""
        try:
            self.append(line)
        except CAUGHT as error:
            if isinstance(error, HOPELESS):
                self.give_up(error, record)
                return True
            self.last_error = error
            if not db.in_transaction(self.binding.alias) and not db.manual(self.binding.alias):
                connections[self.binding.alias].close_if_unusable_or_obsolete()
            return False
        except BaseException:
            # Nobody knows whether it was written. It is kept: two of a line are better than none.
            if record is not None:
                self.put_back([line], newest=True)
            raise
        return True

    def append(self, line: Mapping[str, Any]) -> None:
        """One append; in a transaction behind a savepoint, or an error that is caught would still roll all of it back."""
        alias = self.binding.alias
        inside = db.in_transaction(alias) or db.manual(alias)
        with transaction.atomic(using=alias) if inside else nullcontext():
            try:
                append(self.binding, self.parent, line)
            except CAUGHT:
                raise
            except BaseException:
                close_if_busy(alias)
                raise

    def give_up(self, error: BaseException, record: logging.LogRecord | None) -> None:
        self.last_error = error
        with self.locked():
            self.dropped += 1
        if record is not None:
            self.handleError(record)

    def put_back(self, lines: list[Mapping[str, Any]], *, newest: bool) -> None:
        """Keep lines for the next try; beyond the bound the oldest are given up."""
        with self.locked():
            if newest:
                self._kept.extend(lines)
            else:
                self._kept.extendleft(reversed(lines))
            while len(self._kept) > self.keep:
                self._kept.popleft()
                self.dropped += 1

    @contextmanager
    def locked(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def flush(self) -> None:
        """Try again what was kept, unless a transaction is open."""
        if self._kept and not getattr(_writing, "now", False) and not db.in_transaction(self.binding.alias):
            with silent():
                self.write_kept()

    def close(self) -> None:
        """Try again what was kept, for the last time."""
        self.flush()
        super().close()


@contextmanager
def silent() -> Iterator[None]:
    """No handler of this kind takes a record of this thread: it would come from the writing itself."""
    _writing.now = True
    try:
        yield
    finally:
        _writing.now = False


def close_if_busy(alias: str) -> None:
    """Close a connection that an exception left in the middle of a command, and ask the server to give the command up."""
    wrapper = connections[alias]
    driver = wrapper.connection
    if driver is None or driver.pgconn.transaction_status != psycopg.pq.TransactionStatus.ACTIVE:
        return
    with suppress(psycopg.Error):
        driver.cancel()
    wrapper.close()


def storable(text: str) -> str:
    """The text with what PostgreSQL cannot store replaced: NUL, and halves of characters."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
