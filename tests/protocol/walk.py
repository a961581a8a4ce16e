"""Walks every state that the model can reach, breadth first, and keeps the way. It knows no rule itself."""

from collections import deque
from dataclasses import dataclass, field
from functools import cache

from protocol.model import Protocol, State, steps, wrong


@dataclass
class Walk:
    """What became of the walk: the states and steps that there are, and the shortest way to a state in which a reader errs."""

    states: int = 0
    violation: str = ""
    trace: list[str] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        numbered = [f"{number:3}. {label}" for number, label in enumerate(self.trace, start=1)]
        return "\n".join([f"{self.states} states; {self.violation or 'no reader errs'}", *numbered])


@cache
def explore(protocol: Protocol, start: State) -> Walk:
    """Walk every state that can be reached, breadth first, until a reader errs."""
    came_by: dict[State, tuple[State, str] | None] = {start: None}
    labels: set[str] = set()
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        if found := wrong(protocol, state):
            return Walk(len(came_by), found, trace(came_by, state), labels)
        for label, following in steps(protocol, state):
            labels.add(label)
            if following not in came_by:
                came_by[following] = (state, label)
                waiting.append(following)
    return Walk(len(came_by), labels=labels)


def trace(came_by: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    labels = []
    while (step := came_by[state]) is not None:
        state, label = step
        labels.append(label)
    return labels[::-1]
