"""The plan of a rewrite: whatever the lists are, carrying it out leaves the wanted list, and nothing is touched without need."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutover.pairing import distinct_view
from cutover.write.merging import merge
from cutover.write.placing import Spot, place
from cutover.write.plan import Plan, Step, plan

LIST = st.lists(st.sampled_from("abcd"), max_size=7)


def expanded(todo: Plan) -> list[Step]:
    """Where a row of a distinct list moves, its equals as well."""
    found: list[Step] = []
    for step in todo.steps:
        found += [Step(each) for each in step.equals] if step.equals and not step.stays else [step]
    return found


def carried_out(todo: Plan, wanted: list[str], rows: list[str]) -> list[str]:
    """The rows afterwards, newest first; those of which nothing is said stand where they stood, behind the one that shows."""
    return [
        rows[step.row] if step.row is not None and step.element is None else wanted[step.element or 0]
        for step in expanded(todo)[::-1]
    ]


def touched(todo: Plan) -> int:
    return len(todo.gone) + sum(step.element is not None or not step.stays for step in todo.steps)


@given(wanted=LIST, rows=LIST, standing=st.lists(st.booleans(), min_size=7, max_size=7))
@settings(max_examples=100)
def test_rows_become_the_wanted_list(wanted: list[str], rows: list[str], standing: list[bool]) -> None:
    todo = plan(wanted, rows, may_stay=standing[: len(rows)], distinct=False)
    assert carried_out(todo, wanted, rows) == wanted
    named = [*todo.gone, *(step.row for step in todo.steps if step.row is not None)]
    assert sorted(named) == list(range(len(rows)))
    staying = [step.row or 0 for step in todo.steps if step.stays]
    assert staying == sorted(staying, reverse=True)
    assert all(standing[row] for row in staying)


@pytest.mark.parametrize("cap", [None, 3])
@given(wanted=LIST, rows=LIST)
@settings(max_examples=100)
def test_rows_of_a_distinct_list_show_the_wanted_list(cap: int | None, wanted: list[str], rows: list[str]) -> None:
    todo = plan(wanted, rows, may_stay=[True] * len(rows), distinct=True, cap=cap)
    after = carried_out(todo, wanted, rows)
    assert [after[n] for n in distinct_view(after, cap=cap)] == [wanted[n] for n in distinct_view(wanted, cap=cap)]
    edited = {step.row for step in todo.steps if step.element is not None}
    assert {rows[number] for number in {*todo.gone, *edited} if number is not None} == set(rows) - set(wanted)


@given(rows=LIST)
@settings(max_examples=50)
def test_list_that_is_as_it_was_touches_nothing(rows: list[str]) -> None:
    assert touched(plan(rows, rows, may_stay=[True] * len(rows), distinct=False)) == 0


def test_one_deletion_one_insertion_and_one_edit_touch_one_row_each() -> None:
    rows, stay = ["d", "c", "b", "a"], [True] * 4
    assert touched(plan(["d", "b", "a"], rows, may_stay=stay, distinct=False)) == 1
    assert touched(plan(["d", "c", "new", "b", "a"], rows, may_stay=stay, distinct=False)) == 1
    todo = plan(["d", "c", "B", "a"], rows, may_stay=stay, distinct=False)
    assert (todo.gone, touched(todo), todo.steps[1]) == ((), 1, Step(2, 2, stays=True))


def test_row_that_comes_from_one_end_to_the_other_is_the_only_one_that_moves() -> None:
    todo = plan(["a", "d", "c", "b"], ["d", "c", "b", "a"], may_stay=[True] * 4, distinct=False)
    assert touched(todo) == 1
    assert todo.steps[-1] == Step(3)


def test_of_several_rows_that_go_the_one_that_is_alike_is_edited() -> None:
    rows = ["newest", "something else", "user 17 came in", "oldest"]
    todo = plan(["newest", "user 18 came in", "oldest"], rows, may_stay=[True] * 4, distinct=False)
    assert todo == Plan((1,), (Step(3, stays=True), Step(2, 1, stays=True), Step(0, stays=True)))


def test_an_element_that_does_not_decode_takes_no_row() -> None:
    todo = plan(["odd"], ["a"], may_stay=[True], distinct=False, decodes=lambda _: False)
    assert todo == Plan((0,), (Step(None, 0),))


def test_nothing_moves_where_rows_have_no_positions() -> None:
    todo = plan(["a", "new", "b"], ["b", "a"], may_stay=[True] * 2, distinct=False, movable=False)
    assert [step for step in todo.steps if not step.stays] == [Step(None, 1)]


# --- positions ---


@st.composite
def spots(draw: Any) -> list[Spot]:
    """Rows in their order, some of which may stay, and new ones between them."""
    numbers = draw(st.lists(st.integers(-4, 12), max_size=6).map(sorted))
    bit = draw(st.dictionaries(st.integers(0, 12), st.booleans()))
    stays = draw(st.lists(st.booleans(), min_size=6, max_size=6))
    found: list[Spot] = []
    for key, (number, may) in enumerate(zip(numbers, stays, strict=False)):
        new = draw(st.lists(st.booleans(), max_size=2))
        found += [Spot(stands) for stands in new]
        stood = number < 0 or bit.get(number, True)
        position = number if number < 0 else 2 * number + stood
        stands = stood if may else draw(st.booleans())
        found.append(Spot(stands, position, key, may))
    return found + [Spot(stands) for stands in draw(st.lists(st.booleans(), max_size=2))]


@given(given=spots(), ties=st.booleans())
@settings(max_examples=150)
def test_positions_are_in_the_order_of_the_list_and_say_what_they_have_to(given: list[Spot], ties: bool) -> None:
    found = place(given, ties=ties)
    drawn, order = 1000, []
    for number, (spot, position) in enumerate(zip(given, found, strict=True)):
        drawn += position is None
        at = 2 * drawn + spot.stands if position is None else position
        assert (at < 0 or at & 1 == 1) is spot.stands
        order.append((at, number if spot.key is None else spot.key - 1000, number))
        if not ties and position is not None and spot.key is None:
            assert found.count(position) == 1
    assert order == sorted(order)
    stamped = [(at if at < 0 else at | 1, key, number) for at, key, number in order]
    assert stamped == sorted(stamped), "rehydration would change the order"


def test_new_rows_find_room_without_moving_others() -> None:
    rows = [Spot(True, 2 * n + 1, n, stays=True) for n in (10, 11, 14)]
    between = [rows[0], Spot(True), Spot(True), rows[1], Spot(True), rows[2]]
    assert place(between, ties=True) == [21, 21, 21, 23, 27, 29]
    assert place([Spot(True), Spot(True), *rows], ties=False) == [-2, -1, 21, 23, 29]
    assert place([*rows, Spot(True)], ties=True) == [21, 23, 29, None]


def test_where_there_is_no_room_the_shorter_side_moves() -> None:
    rows = [Spot(True, -n, 10 - n, stays=True) for n in range(9, 0, -1)]
    assert place([*rows[:7], Spot(True), *rows[7:]], ties=False)[:7] == list(range(-9, -2))
    assert place([*rows[:2], Spot(True), *rows[2:]], ties=False) == list(range(-10, 0))


# --- three sides ---


@given(base=LIST, wanted=LIST)
@settings(max_examples=100)
def test_where_nobody_else_wrote_the_list_is_the_applications(base: list[str], wanted: list[str]) -> None:
    assert merge(base, base, wanted, own=[False] * len(base), distinct=False) == wanted


@pytest.mark.parametrize(
    ("wanted", "base", "now", "cap", "expected"),
    [
        ("cb", "cba", "xcba", None, "xcb"),
        ("cXba", "cba", "cba", None, "cXba"),
        ("cba", "cba", "ca", None, "ca"),
        ("dcba", "cba", "cYba", None, "dcYba"),
        ("dcba", "cba", "xcba", None, "dxcba"),
        ("dcb", "cba", "cbaold", 3, "dcbaold"),
        ("cb", "cba", "cbaold", 3, "cb"),
        ("", "cba", "cbaold", 3, ""),
        ("ca", "cba", "cbaold", 3, "caold"),
        ("aa", "a", "aa", None, "aaa"),
    ],
)
def test_what_others_did_meanwhile_stays(wanted: str, base: str, now: str, cap: int | None, expected: str) -> None:
    assert "".join(merge(now, base, wanted, own=[False] * len(now), distinct=False, cap=cap)) == expected
