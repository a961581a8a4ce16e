"""Who puts entries into the streams: a connection with a name of its own, that counts what it wrote to each stream.

The number tells a flusher what it has seen before, whatever becomes of Redis. It ascends only while every answer is known: a
writer that does not know whether Redis took an entry ends with it, and another takes its place (Note [Doubt]).

Note [Doubt]: where no answer came, Redis may have taken the entry, or may take it later (a process that was stopped reads what
waits in its sockets). Nobody can say, so nobody guesses: the entry goes to PostgreSQL under the same name and number, and
the flusher, who sees both sides, writes it once. As it is the last of its writer, it lets no later one pass.
"""

from __future__ import annotations

import os
import select
import socket
import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any

from cutover.buffer import streams
from cutover.errors import DeclarationError

IDLE_SECONDS = 3600.0  # a writer at rest for longer gives way: its number may be forgotten one day


class NotTaken(Exception):
    """Redis has not taken the entry, and never will; the text says why."""


class Doubtful(Exception):
    """Nobody knows whether Redis took the entry; the text says why."""

    def __init__(self, reason: str, writer: str, number: int) -> None:
        super().__init__(reason)
        self.writer = writer
        self.number = number


@dataclass
class Ticket:
    """Under which name and number an entry was sent; number 0 while it was not."""

    writer: str = ""
    number: int = 0


class Writer:
    """One connection. Used by one thread at a time."""

    def __init__(self, pool: Any) -> None:
        self.name = uuid.uuid4().hex
        self.pool = pool
        self.connection = pool.make_connection()
        self.counts: dict[str, int] = {}
        self.used = time.monotonic()

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self.used < IDLE_SECONDS

    def connect(self) -> None:
        """Raises NotTaken."""
        from redis.exceptions import RedisError

        try:
            self.connection.connect()
            if self.spoiled():
                self.connection.disconnect()
                self.connection.connect()
        except RedisError as error:
            raise NotTaken(said(error)) from error

    def spoiled(self) -> bool:
        """Whether the connection was closed meanwhile, or holds an answer that nobody waits for.

        A plain socket is asked by one poll; the client would try to read, catch the error, and set the timeout twice.
        """
        from redis.exceptions import RedisError

        link = getattr(self.connection, "_sock", None)
        if type(link) is socket.socket:
            poll = select.poll()
            poll.register(link, select.POLLIN)
            return bool(poll.poll(0))
        try:
            return bool(self.connection.can_read())
        except RedisError:
            return True

    def add(self, stream: str, parent_key: str, payload: str, ticket: Ticket) -> str:
        """Its id. One command, one answer. Raises NotTaken, Doubtful."""
        from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

        number = self.counts.get(stream, 0) + 1
        words = ("XADD", stream, "*", "k", parent_key, "w", f"{self.name}:{number}", "v", payload)
        ticket.writer, ticket.number = self.name, number
        try:
            self.connection.send_packed_command([packed(*words)], check_health=False)
            found = self.connection.read_response()
        except (ResponseError, BusyLoadingError, AuthenticationError) as error:
            raise NotTaken(said(error)) from error
        except RedisError as error:
            raise Doubtful(said(error), self.name, number) from error
        self.counts[stream] = number
        self.used = time.monotonic()
        return str(found)

    def close(self) -> None:
        self.connection.disconnect()


def packed(*words: str) -> bytes:
    """A command as the protocol has it: its words, each behind its length in bytes. The client's own takes any type and size."""
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded])


def said(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


_resting: deque[Writer] = deque()


def add(stream: str, parent_key: str, payload: str, ticket: Ticket) -> str:
    """Put an entry into a stream; its id. Whatever fails or is interrupted ends the writer.

    Raises:
        NotTaken, Doubtful.
    """
    try:
        writer = resting(streams.pool())
    except DeclarationError as unusable:
        raise NotTaken(str(unusable).rstrip(".")) from unusable
    try:
        writer.connect()
        found = writer.add(stream, parent_key, payload, ticket)
    except BaseException:
        writer.close()
        raise
    _resting.append(writer)
    return found


def resting(pool: Any) -> Writer:
    """A writer that has nothing to do, or a new one."""
    while True:
        try:
            found = _resting.pop()
        except IndexError:
            return Writer(pool)
        if found.pool is pool and found.fresh:
            return found
        found.close()


def forget() -> None:
    """Let all writers at rest go; in the child of a fork, where they are the parent's."""
    _resting.clear()


os.register_at_fork(after_in_child=forget)
