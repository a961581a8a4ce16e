"""A child table that was there before and has no positions: its order is that of time, and any row may stand for JSON."""

from dataclasses import replace

import pytest

from bothsides import Pair, kinds, parent, verified, visited
from cutover import verify
from cutover.mapping import Binding, bind
from databases import Database
from stages import at_phase


@pytest.fixture
def adopted(database: Database) -> Binding:
    at_phase("job_logs", 2)
    binding = replace(bind("job_logs"), position=None, ordering=("created_at", "id"))
    visited(binding)
    return binding


def filled(binding: Binding) -> Pair:
    made = parent(binding)
    made.write_json([made.element(n) for n in (0, 2, 1)])
    made.add_rows([made.element(n) for n in (0, 1, 2)])
    return made


def test_the_order_is_not_compared(adopted: Binding) -> None:
    filled(adopted)
    assert kinds(verified(adopted)) == {}


def test_rows_from_before_are_not_stale(adopted: Binding) -> None:
    made = filled(adopted)
    at_phase("job_logs", 1)
    assert kinds(verified(adopted)) == {}
    assert list(verify.repair(adopted, apply=True)) == []
    assert len(made.rows()) == 3


def test_json_gets_the_elements_of_its_rows(adopted: Binding) -> None:
    made = filled(adopted)
    made.add_row(made.element(5), 0)
    assert kinds(verified(adopted)) == {"missing_in_json": 1}
    assert verify.rehydrated(adopted) == 1
    at_phase("job_logs", 3)
    list(verify.rehydrate(adopted))
    assert verify.rehydrated(adopted) == 0
    assert made.listed() == [made.element(n) for n in (0, 2, 1, 5)]
