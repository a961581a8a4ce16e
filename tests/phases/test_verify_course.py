"""A verification on its way: chunks, resuming, what is stored, and when it refuses."""

from datetime import timedelta

import pytest

from bothsides import NAMES, kinds, parent, verified, visited
from cutover import ledger, verify
from cutover.chunk import Pace
from cutover.errors import Busy, Refused
from cutover.mapping import Binding
from cutover.phase import Phase
from cutover.verify import course, result
from databases import Database
from stages import at_phase, move_only


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "Pace", lambda **_: Pace(parents=2, largest=2))


def filled(name: str, parents: int = 5) -> Binding:
    binding = at_phase(name, 2)
    visited(binding)
    for number in range(parents):
        made = parent(binding, number)
        made.write_json([made.element(n) for n in range(3)])
        made.add_rows([made.element(n) for n in range(3)])
    return binding


@pytest.mark.parametrize("name", NAMES)
def test_every_parent_is_visited_once_in_chunks(name: str, database: Database, small_chunks: None) -> None:
    binding = filled(name)
    steps = list(verify.run(binding))
    assert [step.parents for step in steps] == [2, 2, 1]
    assert steps[-1].result.parents == 5
    assert steps[-1].result.json_elements == 15
    assert verify.latest(binding.alias, binding.name) == steps[-1].result


@pytest.mark.parametrize("name", NAMES)
def test_one_that_was_cut_short_goes_on_behind_its_last_chunk(
    name: str, database: Database, small_chunks: None
) -> None:
    binding = filled(name)
    began = next(verify.run(binding)).result
    assert verify.latest(binding.alias, binding.name) is None
    steps = list(verify.run(binding))
    assert [step.parents for step in steps] == [2, 1]
    assert steps[-1].result.id == began.id
    assert steps[-1].result.started_at == began.started_at
    whole = verified(binding)
    assert (whole.json_checksum, whole.json_elements) == (
        steps[-1].result.json_checksum,
        steps[-1].result.json_elements,
    )


def test_one_of_an_earlier_epoch_begins_anew(database: Database, small_chunks: None) -> None:
    binding = filled("job_logs")
    next(verify.run(binding))
    at_phase("job_logs", 3)
    *_, last = verify.run(binding)
    assert last.result.parents == 5


def test_a_second_one_is_told_that_another_is_running(database: Database, small_chunks: None) -> None:
    binding = filled("job_logs")
    first = verify.run(binding)
    next(first)
    list(verify.run(binding))
    with pytest.raises(Busy, match="Another verification of this cutover is running"):
        next(first)


def test_a_move_meanwhile_ends_it(database: Database, small_chunks: None) -> None:
    binding = filled("job_logs")
    first = verify.run(binding)
    next(first)
    move_only("job_logs", 3)
    with pytest.raises(Busy, match="job_logs was moved to another phase during the verification"):
        next(first)


def test_after_the_drop_there_is_nothing_to_compare(database: Database) -> None:
    binding = at_phase("job_logs", 5)
    ledger.set_dropped(binding.alias, binding.name, True)
    with pytest.raises(Refused, match="The column logs was dropped at"):
        next(verify.run(binding))


def test_an_empty_table_is_clean(database: Database) -> None:
    binding = at_phase("account_tags", 2)
    found = verified(binding)
    assert (found.parents, kinds(found), found.clean) == (0, {}, True)
    assert found.finished_at is not None
    assert found.finished_at - found.started_at < timedelta(minutes=1)


def test_classes_block_their_gates_and_no_others() -> None:
    from datetime import UTC, datetime

    found = result.Result(id=1, epoch=1, started_at=datetime.now(UTC))
    found.found = dict.fromkeys([*result.DIFFERENCES, "pending", "after_json", "beyond_cap", "waived"], 1)
    assert found.blocks(Phase.ADD_TABLE) == []
    assert found.blocks(Phase.DUAL_WRITE) == ["stale", "missing_in_json", "after_json", "unencodable"]
    assert found.blocks(Phase.PROPERTY_SHIM) == [
        "stale",
        "missing_in_table",
        "value_differs",
        "order_differs",
        "unencodable",
    ]
    assert found.blocks(Phase.STOP_JSON_WRITES) == []
    assert found.blocks(Phase.BACKFILL_AND_DROP) == [
        "missing_in_table",
        "pending",
        "undecodable",
        "orphan",
        "value_differs",
        "unencodable",
    ]
