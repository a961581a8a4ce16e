"""The errors of the toolkit, in one tree. Each has a fact, a hint and the exit code of the command line.

    CutoverError            1
      DeclarationError      2   a name, a declaration or a flag that does not fit; nothing was tried
      Refused               3   a gate, or an operation that asks the ledger, said no; nothing was changed
      Busy                  4   somebody else holds the lock, the lease or the wheel
      TimedOut              5   the database ended a statement
      Differs               6   the two sides do not hold the same elements
      Incomplete            7   work remains, or is paused
      WriteError            1   an append was not written, and nothing of it was
        ParentMissing           the parent row does not exist
        PhaseMoved              the ledger moved under every try
        NotEncodable            the row does not fit the stream or the table
      MutatedDocument       1   a save would have changed the JSON behind the toolkit's back

Pure: no Django, no psycopg, no click.
"""

from typing import ClassVar


class CutoverError(Exception):
    """A fact, in one sentence with its values, and in `hint` the next action."""

    exit_code: ClassVar[int] = 1

    def __init__(self, fact: str, *, hint: str = "") -> None:
        super().__init__(fact)
        self.hint = hint


class DeclarationError(CutoverError):
    exit_code = 2


class Refused(CutoverError):
    exit_code = 3


class Busy(CutoverError):
    exit_code = 4


class TimedOut(CutoverError):
    exit_code = 5


class Differs(CutoverError):
    exit_code = 6


class Incomplete(CutoverError):
    exit_code = 7


class WriteError(CutoverError):
    """An append that was not written; nothing of it was."""


class ParentMissing(WriteError):
    pass


class PhaseMoved(WriteError):
    pass


class NotEncodable(WriteError):
    pass


class MutatedDocument(CutoverError):
    pass
