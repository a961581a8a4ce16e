"""Laws of pairing and of the union, by generation; the oracle is a small history of a list and its table."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from cutover.pairing import Pairing, distinct_view, pair, places, token, union

LAW = settings(max_examples=200)
texts = st.lists(st.sampled_from("abcd"), max_size=8)
capped = st.none() | st.integers(1, 6)


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[str], list[str], list[bool], bool]:
    elements, rows = draw(texts), draw(texts)
    stands = draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    return elements, rows, stands, draw(st.booleans())


Sides = tuple[list[str], list[str], list[bool], bool]


def paired(given_sides: Sides) -> Pairing:
    elements, rows, stands, distinct = given_sides
    return pair(elements, rows, stands=stands, distinct=distinct)


@LAW
@given(sides())
def test_only_equals_are_paired_and_only_rows_that_stand(given_sides: Sides) -> None:
    elements, rows, stands, _ = given_sides
    found = paired(given_sides)
    assert len(found.row_of) == len(elements)
    assert len(found.element_of) == len(rows)
    for element, row in enumerate(found.row_of):
        assert row is None or (elements[element] == rows[row] and stands[row])
    for number, paired_with in enumerate(found.element_of):
        assert paired_with is None or (elements[paired_with] == rows[number] and stands[number])


@LAW
@given(sides())
def test_a_multiset_pairs_as_many_as_both_sides_have(given_sides: Sides) -> None:
    elements, rows, stands, _ = given_sides
    found = pair(elements, rows, stands=stands, distinct=False)
    standing = Counter(row for row, can in zip(rows, stands, strict=True) if can)
    both = Counter(elements) & standing
    assert Counter(elements[number] for number in found.missing) == Counter(elements) - both
    assert Counter(rows[number] for number in found.surplus) == Counter(rows) - both
    assert len({row for row in found.row_of if row is not None}) == sum(both.values())


@LAW
@given(sides())
def test_a_set_pairs_every_element_that_a_standing_row_equals(given_sides: Sides) -> None:
    elements, rows, stands, _ = given_sides
    found = pair(elements, rows, stands=stands, distinct=True)
    standing = {row for row, can in zip(rows, stands, strict=True) if can}
    assert {elements[number] for number in found.missing} == set(elements) - standing
    assert all(not stands[number] or rows[number] not in elements for number in found.surplus)


@LAW
@given(sides())
def test_the_union_has_every_element_and_every_surplus_row_once(given_sides: Sides) -> None:
    found = paired(given_sides)
    merged = union(found)
    assert [number for side, number in merged if side == "element"] == list(range(len(given_sides[0])))
    assert sorted(number for side, number in merged if side == "row") == found.surplus


@LAW
@given(sides())
def test_the_union_keeps_surplus_rows_of_one_place_in_their_order(given_sides: Sides) -> None:
    found = paired(given_sides)
    for (first, one), (second, two) in zip(union(found), union(found)[1:], strict=False):
        assert not first == second == "row" or one < two


@LAW
@given(texts, st.booleans())
def test_the_union_of_equal_sides_is_either(elements: list[str], distinct: bool) -> None:
    assert union(pair(elements, elements, distinct=distinct)) == [("element", n) for n in range(len(elements))]


@LAW
@given(texts, st.booleans())
def test_the_union_with_nothing_is_the_other_side(values: list[str], distinct: bool) -> None:
    assert union(pair(values, [], distinct=distinct)) == [("element", n) for n in range(len(values))]
    assert union(pair([], values, distinct=distinct)) == [("row", n) for n in range(len(values))]


@dataclass(frozen=True)
class Written:
    """One element: whether JSON has it, and whether a row has it, written by the same statement or alone."""

    text: str
    json: bool
    row: bool

    @property
    def stands(self) -> bool:
        return self.json


@st.composite
def histories(draw: st.DrawFn) -> list[Written]:
    """Newest first: JSON alone, then both, then rows alone, as the phases come and go."""
    kinds = st.sampled_from([(True, True), (True, False), (False, True)])
    return [Written(draw(st.sampled_from("abc")), *draw(kinds)) for _ in range(draw(st.integers(0, 8)))]


@LAW
@given(histories())
def test_nothing_committed_is_missing_or_shown_twice(history: list[Written]) -> None:
    elements = [each.text for each in history if each.json]
    rows = [each for each in history if each.row]
    found = pair(elements, [e.text for e in rows], stands=[e.stands for e in rows], distinct=False)
    shown = [elements[n] if side == "element" else rows[n].text for side, n in union(found)]
    assert Counter(shown) == Counter(each.text for each in history)


@LAW
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))
def test_the_union_is_in_the_order_of_writing(history: int, dual: int, alone: int) -> None:
    """All elements different: JSON alone, then both sides, then rows alone, as the phases come."""
    written = [str(number) for number in range(alone + dual + history)]
    elements, rows = written[alone:], written[: alone + dual]
    found = pair(elements, rows, stands=[number >= alone for number in range(len(rows))], distinct=False)
    assert [elements[n] if side == "element" else rows[n] for side, n in union(found)] == written


@LAW
@given(texts, capped)
def test_a_distinct_view_shows_every_value_once(values: list[str], cap: int | None) -> None:
    kept = distinct_view(values, cap=cap)
    assert kept == sorted(kept)
    assert sorted(values[n] for n in kept) == sorted(set(values))
    assert distinct_view([values[n] for n in kept], cap=cap) == list(range(len(kept)))


@LAW
@given(texts)
def test_a_distinct_view_is_what_the_legacy_writer_left(values: list[str]) -> None:
    """It skips an element that the list holds, and puts others at the head."""
    legacy: list[str] = []
    for each in reversed(values):
        if each not in legacy:
            legacy.insert(0, each)
    assert [values[n] for n in distinct_view(values, cap=None)] == legacy


@LAW
@given(sides(), st.lists(st.integers(-20, 20), min_size=8, max_size=8, unique=True))
def test_places_put_elements_where_the_union_shows_them(given_sides: Sides, drawn: list[int]) -> None:
    """Once backfilled, rows alone hold the elements of the list in its order, where its pairs are in order too."""
    elements, rows, _, _ = given_sides
    found = pair(elements, rows, distinct=False)
    positions = sorted(drawn[: len(rows)], reverse=True)
    crossing = [row for row in found.row_of if row is not None]
    placed = places(found, positions, min([0, *positions]))
    assert sorted(placed) == found.missing
    if crossing == sorted(crossing):
        where = [placed[n] if row is None else positions[row] for n, row in enumerate(found.row_of)]
        assert where == sorted(where, reverse=True)


@LAW
@given(sides())
def test_places_of_history_without_pairs_lie_below_the_floor(given_sides: Sides) -> None:
    elements = given_sides[0]
    placed = places(pair(elements, [], distinct=False), [], floor=-5)
    in_order = [placed[n] for n in range(len(elements))]
    assert in_order == sorted(in_order, reverse=True)
    assert set(in_order) == set(range(-5 - len(elements), -5))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@LAW
@given(json_values, json_values)
def test_tokens_are_equal_for_equal_values_alone(one: object, other: object) -> None:
    import json

    assert (token(one) == token(other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))
