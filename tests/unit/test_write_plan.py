"""The plan of a rewrite: whatever the lists are, carrying it out leaves the wanted list, and nothing moves without need."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutover.pairing import distinct_view
from cutover.write.plan import Plan, plan

LIST = st.lists(st.sampled_from("abcd"), max_size=7)


def carried_out(todo: Plan, wanted: list[str], rows: list[str]) -> list[str]:
    """The rows afterwards, newest first."""
    moved = {number for what, number in todo.tail if what == "row"}
    left = [text for number, text in enumerate(rows) if number not in todo.gone and number not in moved]
    tail = [rows[number] if what == "row" else wanted[number] for what, number in todo.tail]
    return tail[::-1] + left


@given(wanted=LIST, rows=LIST, standing=st.lists(st.booleans(), min_size=7, max_size=7))
@settings(max_examples=200)
def test_rows_become_the_wanted_list(wanted: list[str], rows: list[str], standing: list[bool]) -> None:
    todo = plan(wanted, rows, may_stay=standing[: len(rows)], distinct=False)
    assert carried_out(todo, wanted, rows) == wanted


@pytest.mark.parametrize("cap", [None, 3])
@given(wanted=LIST, rows=LIST)
@settings(max_examples=200)
def test_rows_of_a_distinct_list_show_the_wanted_list(cap: int | None, wanted: list[str], rows: list[str]) -> None:
    todo = plan(wanted, rows, may_stay=[True] * len(rows), distinct=True, cap=cap)
    after = carried_out(todo, wanted, rows)
    assert [after[n] for n in distinct_view(after, cap=cap)] == [wanted[n] for n in distinct_view(wanted, cap=cap)]
    assert {rows[number] for number in todo.gone} == set(rows) - set(wanted)


@given(rows=LIST)
@settings(max_examples=50)
def test_list_that_is_as_it_was_moves_nothing(rows: list[str]) -> None:
    assert plan(rows, rows, may_stay=[True] * len(rows), distinct=False) == Plan((), ())


def test_trimming_at_either_end_and_adding_at_the_newest_move_nothing() -> None:
    assert plan(["c", "b"], ["d", "c", "b", "a"], may_stay=[True] * 4, distinct=False) == Plan((0, 3), ())
    assert plan(["new", "b", "a"], ["b", "a"], may_stay=[True] * 2, distinct=False) == Plan((), (("element", 0),))


def test_row_that_may_not_stay_moves_with_all_that_is_newer() -> None:
    todo = plan(["c", "b", "a"], ["c", "b", "a"], may_stay=[True, False, True], distinct=False)
    assert todo == Plan((), (("row", 1), ("row", 0)))


def test_nothing_moves_where_rows_have_no_positions() -> None:
    todo = plan(["a", "new", "b"], ["b", "a"], may_stay=[True] * 2, distinct=False, movable=False)
    assert todo == Plan((), (("element", 1),))
