"""What an operation says of the locks that it takes: for the reader of a migration, and for `sqlmigrate`. It takes none."""

from dataclasses import dataclass

from cutover.schema.locks import Mode

PARENTS, ROWS = "the parents", "the rows"
INSTANT = "for an instant"
HOT = (Mode.SHARE_ROW_EXCLUSIVE, Mode.EXCLUSIVE, Mode.ACCESS_EXCLUSIVE)  # those that make writers wait


@dataclass(frozen=True)
class Taken:
    """A lock on a table: the strongest that the operation takes on it, and for how long it is held once it is obtained."""

    table: str
    mode: Mode
    how_long: str = INSTANT

    def __str__(self) -> str:
        return f"{self.mode.value} on {self.table}, {self.how_long}"

    @property
    def hot(self) -> bool:
        return self.mode in HOT


def said(locks: tuple[Taken, ...]) -> str:
    """One line for all of them."""
    return f"Locks: {'; '.join(map(str, locks))}." if locks else "Locks no table that is in use."
