"""Scalars, objects and tuples: which JSON values a column takes, and where null goes."""

import json
import math
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from psycopg import sql

from cutover.codecs import Codec, Kind, Object, Scalar, Time, Tuple, Undecodable, quote
from cutover.codecs.element import loads, plain, same, shown, why_not_jsonb

KINDS = {
    "level": Kind("level", "text", "varchar(5)", max_length=5),
    "note": Kind("note", "text", "text", nullable=True),
    "small": Kind("small", "integer", "smallint", bits=16),
    "ratio": Kind("ratio", "float", "double precision"),
    "price": Kind("price", "decimal", "numeric(6, 2)", digits=6, places=2),
    "done": Kind("done", "boolean", "boolean"),
    "data": Kind("data", "json", "jsonb"),
    "extra": Kind("extra", "json", "jsonb"),
    "at": Kind("at", "time", "timestamp with time zone", nullable=True, aware=True),
}
HUGE = 10**5000


def takes(codec: Codec, element: object) -> bool:
    try:
        row = codec.decode(element)
    except Undecodable:
        return False
    assert same(codec.encode(row), element)
    return True


@pytest.mark.parametrize(
    ("field", "taken", "refused"),
    [
        ("level", ["", "abcde", "日本語日本"], ["abcdef", 1, True, None, [], "a\x00"]),
        ("small", [0, -32768, 32767], [32768, 1.0, True, "1", None, HUGE, -HUGE, Decimal("1.0")]),
        (
            "ratio",
            [0, 5, 0.1, 0.1 + 0.2, 2**53 - 1],
            [5.0, -0.0, 2**53, 1e23, math.nan, math.inf, "1", True, HUGE, 5e-324],
        ),
        ("price", [0, 9999.99, -1, 0.5], [10000, 0.125, 1.0, HUGE, "0.5", True, Decimal("1.50")]),
        ("done", [True, False], [0, 1, "true", None]),
        ("data", [None, 0, {"a": [None, HUGE, 1.0]}, "x"], [{"a": ["\x00"]}, {"\ud800": 1}, [math.nan], {1: 2}, (1,)]),
    ],
)
def test_a_column_takes_what_comes_back_the_same(field: str, taken: list[Any], refused: list[Any]) -> None:
    codec = Scalar(field).bind(KINDS)
    assert [element for element in taken if not takes(codec, element)] == []
    assert [shown(element) for element in refused if takes(codec, element)] == []


def test_null_in_a_scalar_is_null_where_the_column_takes_it() -> None:
    assert Scalar("note").bind(KINDS).decode(None) == {"note": None}
    with pytest.raises(Undecodable, match=r"^level takes no null: None\.$"):
        Scalar("level").bind(KINDS).decode(None)


def test_a_whole_float_is_written_without_a_point() -> None:
    written = Scalar("ratio").bind(KINDS).encode({"ratio": 5.0})
    assert (type(written), written) == (int, 5)


def test_a_decimal_is_written_without_trailing_zeros_and_never_rounded() -> None:
    codec = Scalar("price").bind(KINDS)
    assert same(codec.encode({"price": Decimal("12.50")}), 12.5)
    assert same(codec.encode({"price": Decimal("12.00")}), 12)
    assert same(codec.encode({"price": Decimal("0.12345678901234567890123")}), Decimal("0.12345678901234567890123"))


OPEN = Object({"msg": "level", "note": "note", "ts": Time("at", "%Y-%m-%d", tz="UTC")}, rest="extra").bind(KINDS)
CLOSED = Object({"msg": "level", "note": "note"}).bind(KINDS)


def test_unknown_keys_and_nulls_stay_in_the_rest() -> None:
    element = {"msg": "x", "note": None, "who": {"id": 1}}
    row = OPEN.decode(element)
    assert row == {"level": "x", "note": None, "at": None, "extra": {"note": None, "who": {"id": 1}}}
    assert OPEN.encode(row) == element


def test_an_absent_key_is_null_and_the_rest_is_empty() -> None:
    assert OPEN.decode({"msg": "x"}) == {"level": "x", "note": None, "at": None, "extra": {}}
    assert OPEN.encode({"level": "x", "note": None, "at": None, "extra": None}) == {"msg": "x"}


def test_a_column_goes_before_the_same_key_in_the_rest() -> None:
    row = {"level": "x", "note": "new", "at": None, "extra": {"note": None}}
    assert OPEN.encode(row) == {"msg": "x", "note": "new"}


@pytest.mark.parametrize(
    "element", [{}, {"msg": None}, {"msg": "too long"}, {"msg": 1}, {"msg": "x", "ts": "2024-02-30"}, [], "x", None]
)
def test_a_value_that_does_not_fit_is_undecodable_and_not_put_into_the_rest(element: object) -> None:
    assert not takes(OPEN, element)


@pytest.mark.parametrize("element", [{"msg": "x", "who": 1}, {"msg": "x", "note": None}])
def test_without_a_rest_unknown_keys_and_nulls_are_undecodable(element: object) -> None:
    assert takes(CLOSED, {"msg": "x"})
    assert not takes(CLOSED, element)


def test_a_rest_that_is_no_object_cannot_be_written() -> None:
    with pytest.raises(ValueError, match=r"^extra is \[\]; the rest of an element is an object\.$"):
        OPEN.encode({"level": "x", "note": None, "at": None, "extra": []})


def test_a_tuple_has_exactly_its_items() -> None:
    codec = Tuple(Time("at", "%Y-%m-%d", tz="UTC"), "level").bind(KINDS)
    assert takes(codec, ["2024-02-29", "x"])
    assert takes(codec, [None, "x"])
    assert [e for e in ([], ["2024-02-29"], [None, "x", 1], [None, None], {"0": 1}, "x") if takes(codec, e)] == []


@pytest.mark.parametrize(
    "make", [Tuple, lambda: Tuple("a", "a"), lambda: Object({}), lambda: Object({"k": "a"}, rest="a")]
)
def test_columns_are_named_once(make: Any) -> None:
    with pytest.raises(ValueError, match="needs at least one column, and each only once"):
        make()


def test_the_rest_needs_a_json_column() -> None:
    with pytest.raises(ValueError, match=r"^note is of type text; the rest needs a JSON column\.$"):
        Object({"msg": "level"}, rest="note").bind(KINDS)


def test_a_reason_never_shows_more_than_it_may() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(HUGE) == "<int that is too large to show>"
    assert len(shown({"a": "x" * 1000})) == 128
    assert why_not_jsonb(deep) is None
    assert shown(deep) == "<list that is too large to show>"
    while deep:  # taken apart by hand: freeing it at once recurses in some versions of Python
        deep = deep[0]


def test_loads_keeps_what_a_float_would_lose() -> None:
    assert same(loads("[1.5, 1, 5.0]"), [1.5, 1, 5.0])
    assert same(loads("[1.50, 0.1234567890123456789]"), [Decimal("1.50"), Decimal("0.1234567890123456789")])
    assert loads("1" + "0" * 5000) == HUGE
    with pytest.raises(json.JSONDecodeError):
        loads("[")


def test_a_literal_survives_a_statement_with_parameters() -> None:
    assert quote.literal("100% o'clock").as_string(None) == "'100%% o''clock'"
    assert sql.SQL("{}").format(quote.identifier("a%")).as_string(None) == '"a%%"'


def test_elements_are_the_same_only_if_jsonb_prints_them_alike() -> None:
    assert same({"a": [1, None], "b": "x"}, {"b": "x", "a": [1, None]})
    for one, other in ((1, 1.0), (1, True), (0, False), ([1], [1, 1]), ({"a": 1}, {"a": 1.0}), ({}, [])):
        assert not same(one, other)


class Level(StrEnum):
    HIGH = "high"


@pytest.mark.parametrize(
    "value", ["", "ü", 0, -(2**62), True, None, {}, [], {"a": [1, {"b": "c"}], "": None}, [[["x"]]]]
)
def test_what_any_json_library_gives_back_is_plain(value: object) -> None:
    assert plain(value)
    assert same(loads(json.dumps(value)), value)


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        1.0,
        Decimal("1.50"),
        2**64,
        pytest.param(10**5000, id="5,001 digits"),
        Level.HIGH,
        {1: "a"},
        [{"a": 0.1}],
        (1,),
        {"a": (1,)},
    ],
)
def test_what_may_come_back_as_another_is_not_plain(value: object) -> None:
    assert not plain(value)


def test_objects_are_the_same_with_the_same_keys_alone() -> None:
    assert same({"a": 1, "b": None}, {"b": None, "a": 1})
    assert not same({"a": 1, "b": None}, {"a": 1, "c": None})
    assert not same({"a": 1}, {"a": 1, "b": None})
    assert not same({"a": 1}, {"a": True})
    assert not same({"a": {"b": 1}}, {"a": {"b": 1.0}})
