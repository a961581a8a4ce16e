"""Laws of what a reader sees: the short ways of `view` show what the long one shows, and strings are named as tokens are."""

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from cutover.mapping import BoundStream
from cutover.pairing import distinct_view, pair, token, union
from cutover.read import view
from cutover.read.view import Listed

LAW = settings(max_examples=500)
words = st.sampled_from(["a", "b", "c", 1, 1.0, True, "1"])
lists = st.lists(words, max_size=7)


@st.composite
def streams(draw: st.DrawFn) -> BoundStream:
    cap, distinct = draw(st.none() | st.integers(1, 6)), draw(st.booleans())
    return cast(BoundStream, SimpleNamespace(cap=cap, distinct=distinct, newest_first=draw(st.booleans())))


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[Any], Listed]:
    """Any two lists; or, as most are, JSON that holds the rows that stand, and history below them."""
    rows = draw(lists)
    bits = draw(st.lists(st.sampled_from("01"), min_size=len(rows), max_size=len(rows)))
    if draw(st.booleans()):
        return draw(lists), Listed(rows, "".join(bits))
    standing = [each for each, bit in zip(rows, bits, strict=True) if bit == "1"]
    return standing + draw(st.just([]) | lists), Listed(rows, "".join(bits))


def the_long_way(stream: BoundStream, values: list[Any], rows: Listed) -> list[Any]:
    elements = values if stream.newest_first else values[::-1]
    tokens = [token(e) for e in elements], [token(e) for e in rows.elements]
    pairing = pair(*tokens, stands=[each == "1" for each in rows.stands], distinct=stream.distinct)
    merged = [elements[n] if side == "element" else rows.elements[n] for side, n in union(pairing)]
    if stream.distinct:
        merged = [merged[n] for n in distinct_view([token(e) for e in merged], cap=stream.cap)]
    merged = merged[: stream.cap]
    return merged if stream.newest_first else merged[::-1]


@LAW
@given(streams(), sides())
def test_the_short_ways_show_what_the_long_one_shows(stream: BoundStream, both: tuple[list[Any], Listed]) -> None:
    found = view.shown(stream, *both)
    assert [token(e) for e in found] == [token(e) for e in the_long_way(stream, *both)]


@LAW
@given(lists)
def test_elements_have_one_name_where_they_have_one_token(elements: list[Any]) -> None:
    names, tokens = view.names(elements), [token(e) for e in elements]
    assert [[a == b for b in names] for a in names] == [[a == b for b in tokens] for a in tokens]


def test_a_list_that_both_sides_hold_is_not_made_again() -> None:
    stream = cast(BoundStream, SimpleNamespace(cap=3, distinct=True, newest_first=True))
    values = ["b", "a"]
    assert view.shown(stream, values, Listed(["b", "a"], "11")) is values
    assert view.shown(stream, values, Listed(["b", "a"], "10")) is not values
