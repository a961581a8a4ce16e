"""Who is in the way of a lock: as much as an ordinary role may see, and what it may not see is said to be hidden."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

SHOWN = 128  # characters of a query
HIDDEN = "<insufficient privilege>"  # what pg_stat_activity says in the place of another role's query
RETRY = "then run the same again; nothing was changed"


@dataclass(frozen=True)
class Blocker:
    """A session or a prepared transaction that holds a conflicting lock; what the role may not see is None.

    Attributes:
        age: seconds since its transaction began, or was prepared.
        query: its statement; where it is idle, its last.
        vacuums: whether it is a vacuum, by hand or not: any role may know that.
    """

    pid: int | None
    application_name: str | None
    user: str | None
    state: str | None
    age: float | None
    query: str | None
    gid: str | None
    vacuums: bool
    mode: str

    @property
    def key(self) -> object:
        return self.gid or self.pid

    @property
    def hidden(self) -> bool:
        return self.gid is None and (self.query == HIDDEN or self.age is None)

    def described(self, seen_for: float) -> str:
        """One phrase.

        Args:
            seen_for: seconds between the first try and the last that found it here.
        """
        parts = [self.who]
        if self.age is not None:
            parts.append(f"{self.state or 'there'} for {self.age:.0f} s")
        elif seen_for >= 1:
            parts.append(f"there for {seen_for:.0f} s at least")
        if self.hidden:
            parts.append("its query is hidden from this role")
        said = " ".join((self.query or "").split())
        return ", ".join(parts) + (f": {cut(said)}" if said and self.query != HIDDEN else "")

    @property
    def who(self) -> str:
        if self.gid is not None:
            return f"prepared transaction {self.gid!r} of {self.user}"
        if self.vacuums:
            return f"a vacuum, pid {self.pid}"
        return f"pid {self.pid}, {self.application_name or 'no application_name'} as {self.user}"


@dataclass
class Seen:
    """The blockers that the tries have found: the last ones, and since when each was there."""

    last: Sequence[Blocker] = ()
    since: dict[object, float] = field(default_factory=dict)

    def take(self, found: Sequence[Blocker]) -> None:
        """What one try has found; nothing leaves what is known: it may have gone in the instant since."""
        now = time.monotonic()
        for each in found:
            self.since.setdefault(each.key, now)
        self.last = found or self.last

    def __str__(self) -> str:
        now = time.monotonic()
        told = {each.key: each.described(now - self.since[each.key]) for each in self.last}
        return "; ".join(told.values()) or "nobody who is still there"

    @property
    def hint(self) -> str:
        ways = []
        if any(each.gid is None for each in self.last) or not self.last:
            ways.append("end them (pg_terminate_backend)")
        if any(each.gid is not None for each in self.last):
            ways.append("end what is prepared (COMMIT PREPARED or ROLLBACK PREPARED)")
        hint = f"Wait for them or {' and '.join(ways)}, {RETRY}."
        if any(each.hidden for each in self.last):
            hint += " With GRANT pg_read_all_stats the role sees what others run, and since when."
        return hint


def cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
