"""The five flags: prefixes, the 26 sets that are none, and how far they let a process go."""

import itertools

import pytest

from cutover import flags
from cutover.phase import FLAGGED, Phase

ALL = [dict(zip(FLAGGED, values, strict=True)) for values in itertools.product((False, True), repeat=5)]
PREFIXES = [{phase: phase <= last for phase in FLAGGED} for last in Phase]
BROKEN = [values for values in ALL if values not in PREFIXES]


def test_there_are_26_inconsistent_combinations() -> None:
    assert len(BROKEN) == 26


@pytest.mark.parametrize("values", PREFIXES, ids=flags.furthest)
def test_a_prefix_is_no_problem(values: flags.Flags) -> None:
    assert flags.problem(values) is None


@pytest.mark.parametrize("values", BROKEN, ids=lambda values: "".join(str(int(on)) for on in values.values()))
def test_the_hint_names_flags_whose_change_makes_a_prefix(values: dict[Phase, bool]) -> None:
    problem = flags.problem(values)
    assert problem is not None
    mended = {phase: on != (phase in problem.change) for phase, on in values.items()}
    assert flags.problem(mended) is None
    assert all(phase.name in problem.hint for phase in problem.change)
    assert not any(phase.name in problem.hint for phase in FLAGGED if phase not in problem.change)
    assert ("on." in problem.hint) == mended[problem.change[0]]


@pytest.mark.parametrize("values", BROKEN, ids=lambda values: "".join(str(int(on)) for on in values.values()))
def test_no_smaller_change_would_do(values: dict[Phase, bool]) -> None:
    problem = flags.problem(values)
    assert problem is not None
    for few in itertools.chain.from_iterable(itertools.combinations(FLAGGED, n) for n in range(len(problem.change))):
        assert {phase: on != (phase in few) for phase, on in values.items()} not in PREFIXES


def test_the_whole_message() -> None:
    problem = flags.problem({phase: phase in (Phase.ADD_TABLE, Phase.PROPERTY_SHIM) for phase in FLAGGED})
    assert problem is not None
    assert problem.fact == "PROPERTY_SHIM is on while DUAL_WRITE is off."
    assert problem.hint == "Turn PROPERTY_SHIM off."


@pytest.mark.parametrize("ledger", Phase)
@pytest.mark.parametrize("reached", Phase)
def test_a_flag_that_is_off_holds_a_process_one_phase_back(ledger: Phase, reached: Phase) -> None:
    at = flags.effective(ledger, {phase: phase <= reached for phase in FLAGGED})
    assert ledger - 1 <= at <= ledger
    assert at is ledger or reached < ledger
    assert at >= Phase.DUAL_WRITE or ledger < Phase.DUAL_WRITE
    if reached < ledger and ledger is not Phase.DUAL_WRITE:
        assert at == ledger - 1


def test_a_process_is_not_held_back_from_the_shim_while_json_may_lack_rows_of_phase_4() -> None:
    behind = {phase: phase <= Phase.DUAL_WRITE for phase in FLAGGED}
    assert flags.effective(Phase.PROPERTY_SHIM, behind, Phase.STOP_JSON_WRITES) is Phase.PROPERTY_SHIM
    assert flags.effective(Phase.PROPERTY_SHIM, behind, Phase.DUAL_WRITE) is Phase.DUAL_WRITE
