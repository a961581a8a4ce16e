"""What a gate says about a move."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from cutover.ledger import Entry
from cutover.mapping import Binding
from cutover.phase import Phase


@dataclass(frozen=True)
class Move:
    """A move that somebody wants to make: of which cutover, from the ledger's entry, to which phase."""

    binding: Binding
    entry: Entry
    to: Phase

    @property
    def name(self) -> str:
        return self.binding.name

    @property
    def alias(self) -> str:
        return self.binding.alias

    @property
    def undoes(self) -> bool:
        """Whether it takes back the last move, which is allowed before that has settled."""
        return not self.entry.settled and self.to is self.entry.came_from


@dataclass(frozen=True)
class Verdict:
    """Whether a gate holds: a fact either way, and a hint with the next action where it does not."""

    gate: str
    holds: bool
    fact: str
    hint: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


Gate = Callable[[Move], Verdict]


def evaluate(gates: Iterable[Gate], move: Move) -> list[Verdict]:
    """Ask every gate, also after one that does not hold: the operator wants the whole list."""
    return [gate(move) for gate in gates]
