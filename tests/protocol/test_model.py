"""Every interleaving of the model keeps every reader right; without any one ingredient some interleaving does not."""

from dataclasses import fields, replace

import pytest

from cutover.phase import Phase
from protocol import model, walk
from protocol.model import Protocol, Writer

FULL = Protocol()
HISTORY_AND_TWO_WRITERS = model.begin((1, 0), (Writer(0), Writer(1)))

# The ingredient that is taken out, the reader who errs first, and in how many steps at most.
ABLATIONS = [
    ("fence", "DUAL_WRITE", 16),
    ("settling", "DUAL_WRITE", 16),
    ("only_settled", "DUAL_WRITE", 13),
    ("neighbours", "DUAL_WRITE", 8),
    ("union", "PROPERTY_SHIM", 8),
    ("stands", "PROPERTY_SHIM", 11),
    ("rehydration", "DUAL_WRITE", 16),
    ("completeness", "BACKFILL_AND_DROP", 11),
    ("fleet", "DUAL_WRITE", 11),
    ("held_at_shim", "DUAL_WRITE", 13),
]


@pytest.mark.parametrize(
    ("history", "writers"),
    [
        pytest.param((1, 0), (Writer(0), Writer(1)), id="one equal to history and one new"),
        pytest.param((1,), (Writer(0), Writer(0)), id="both equal to history"),
        pytest.param((2,), (Writer(0, left=2),), id="two equal ones twice"),
    ],
)
def test_no_reader_errs_in_any_state(history: tuple[int, ...], writers: tuple[Writer, ...]) -> None:
    found = walk.explore(FULL, model.begin(history, writers))
    assert not found.violation, str(found)
    assert found.states > 1000


@pytest.mark.parametrize(("ingredient", "reader", "steps"), ABLATIONS, ids=[ablation[0] for ablation in ABLATIONS])
def test_a_reader_errs_without(ingredient: str, reader: str, steps: int) -> None:
    found = walk.explore(replace(FULL, **{ingredient: False}), HISTORY_AND_TWO_WRITERS)
    assert found.violation.startswith(f"a reader at {reader} sees "), str(found)
    assert len(found.trace) <= steps, str(found)


def test_every_ingredient_is_taken_out_once() -> None:
    assert [ablation[0] for ablation in ABLATIONS] == [each.name for each in fields(Protocol)]


def test_the_walk_goes_everywhere() -> None:
    done = walk.explore(FULL, HISTORY_AND_TWO_WRITERS).labels
    assert {f"writer 1 lands at {phase.name}" for phase in Phase if phase >= model.FIRST} <= done
    assert {f"{phase.name} has settled" for phase in Phase if phase >= model.FIRST} <= done
    assert {
        "writer 0 finds the ledger moved",
        "the backfill finds {a x 2} without a row",
        "the backfill inserts {a x 2}",
        "the backfill is complete",
        "JSON regains {a x 1, b x 1}",
    } <= done
