"""All 6 x 6 moves, forwards and backwards: one step to a neighbour, or nothing."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

import stages
from cutover import backfill, ledger, runner, verify
from cutover.errors import Refused
from cutover.mapping import Binding, bind
from cutover.phase import Phase

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _no_quiet_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bind("job_logs").cutover, "quiet", timedelta(0))


def prepared(phase: Phase) -> Binding:
    """A cutover at the phase with every flag on, backfilled and verified as far as the phase allows."""
    binding = stages.at_phase("job_logs", phase)
    stages.set_flags("job_logs", Phase.BACKFILL_AND_DROP)
    if phase >= Phase.DUAL_WRITE:
        for _ in backfill.run(binding):
            pass
    for _ in verify.run(binding):
        pass
    return binding


def went(mover: Callable[[runner.Order], Iterator[runner.Event]], binding: Binding, to: Phase) -> bool:
    """Whether the move was made; a refusal changes nothing and names both phases."""
    before = ledger.read("default", "job_logs")
    refusal = refused(mover, binding, to)
    after = ledger.read("default", "job_logs")
    if refusal is None:
        assert (after.phase, after.settled) == (to, True)
        return True
    assert (after.phase, after.epoch) == (before.phase, before.epoch)
    assert before.phase.name in str(refusal)
    assert to.name in str(refusal)
    return False


def refused(mover: Callable[[runner.Order], Iterator[runner.Event]], binding: Binding, to: Phase) -> Refused | None:
    try:
        list(mover(runner.Order(binding, to, why="a test")))
    except Refused as error:
        return error
    return None


@pytest.mark.parametrize("to", Phase, ids=lambda phase: f"to_{phase.name}")
@pytest.mark.parametrize("start", Phase, ids=lambda phase: f"from_{phase.name}")
def test_advance_goes_to_the_next_phase_and_nowhere_else(start: Phase, to: Phase) -> None:
    assert went(runner.advance, prepared(start), to) == (to - start in (0, 1))


@pytest.mark.parametrize("to", Phase, ids=lambda phase: f"to_{phase.name}")
@pytest.mark.parametrize("start", Phase, ids=lambda phase: f"from_{phase.name}")
def test_rollback_goes_to_the_phase_before_and_nowhere_else(start: Phase, to: Phase) -> None:
    assert went(runner.rollback, prepared(start), to) == (to - start in (0, -1))
