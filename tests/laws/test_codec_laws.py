"""The laws of the codecs: what decodes comes back the same, and Python and the compiled SQL agree, for all elements.

Each example is one query over a list of elements. The session's time zone is an odd one on purpose: it must not matter.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from cutover.codecs import Codec, Kind, Object, Scalar, Text, Time, Tuple, Undecodable
from cutover.codecs.element import loads, same

KINDS: dict[str, Kind] = {
    "created_at": Kind("at%", "time", "timestamp with time zone", aware=True),
    "local": Kind("local", "time", "timestamp without time zone", nullable=True),
    "level": Kind("lvl", "text", "varchar(10)", max_length=10),
    "message": Kind("value", "text", "text"),
    "note": Kind("note", "text", "varchar(3)", nullable=True, max_length=3),
    "small": Kind("small", "integer", "smallint", bits=16),
    "big": Kind("big", "integer", "bigint", nullable=True, bits=64),
    "ratio": Kind("ratio", "float", "double precision", nullable=True),
    "price": Kind("price", "decimal", "numeric(6, 2)", nullable=True, digits=6, places=2),
    "amount": Kind("amount", "decimal", "numeric(38, 0)", digits=38, places=0),
    "done": Kind("done", "boolean", "boolean", nullable=True),
    "key": Kind("key", "uuid", "uuid", nullable=True),
    "data": Kind("data", "json", "jsonb", nullable=True),
    "extra": Kind("extra", "json", "jsonb"),
}
LOG = "[{created_at:%Y-%m-%d %H:%M:%S}] {level} {message}"
CODECS: dict[str, Codec] = {
    "log": Text(LOG, tz="UTC"),
    "summer": Text("{created_at:%Y%m%d%H%M} {message}", tz="Europe/Berlin"),
    "half an hour": Text("{created_at:%d.%m.%Y %H:%M:%S.%f}", tz="Australia/Lord_Howe"),
    "naive": Text('{{{local:"%%\\%f%SYYYY%M%HTH%d%m%Y}}}{level}', tz="Europe/Berlin"),
    "line": Text("{message}"),
    "numbers": Text("{small}, {big}={key}%{message}!"),
    "many": Text("{level}  {message} {note}aab{small}%{big} {key}"),
    **{f"scalar {name}": Scalar(name) for name in KINDS if name not in ("created_at", "local")},
    "scalar time": Scalar(Time("local", "%Y-%m-%d")),
    "scalar zone": Scalar(Time("created_at", "%Y-%m-%dT%H:%M", tz="America/New_York")),
    "closed object": Object({"a": "small", "b%": "note", "": "data"}),
    "open object": Object({"m": "message", "n": "note", "d": "data", "t": Time("local"), "r": "ratio"}, rest="extra"),
    "tuple": Tuple(Time("created_at", "%Y-%m-%d", tz="UTC"), "note", "data", "price", "ratio"),
    "pair": Tuple("small", "done"),
}
BOUND = {name: codec.bind(KINDS) for name, codec in CODECS.items()}
EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
texts = st.text(characters, max_size=14)
special = [
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "0.0",
    "-0.0",
    "1.50",
    "100",
    "1e2",
    "1E-7",
    "0.1",
    "0.30000000000000004",
    "0.1234567890123456789",
    "5e-324",
    "1e-400",
    "1e400",
    "1e-300",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "1e23",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9999.99",
    "10000",
    "9999.995",
    "1700000000.1234567",
]
numbers = (
    st.sampled_from([*special, "7" * 5000, "0." + "3" * 5000])
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers().map(str)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?", fullmatch=True, alphabet=st.characters(max_codepoint=99))
)
pieces = st.sampled_from(
    [
        "[2024-02-29 23:59:59] ",
        "INFO ",
        "aab",
        "  ",
        "%",
        "!",
        ", ",
        "=",
        "}",
        "-1",
        "0",
        "12",
        "007",
        "1",
        " ",
        "é",
        "\n",
        "01234567-89ab-cdef-0123-456789abcdef",
        "2024-02-30",
        "2024-12-31",
        "202403310230 ",
        "0001-01-01",
        "9999-12-31",
    ]
)
years = st.integers(0, 9999) | st.sampled_from([0, 1, 1900, 2000, 2023, 2024, 9999])


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Text that some template nearly or really takes."""
    year, month, day = draw(years), draw(st.integers(0, 13)), draw(st.integers(0, 32) | st.integers(27, 31))
    hour, minute, second = draw(st.integers(0, 24)), draw(st.integers(0, 60)), draw(st.integers(0, 60))
    date, clock = f"{year:04}-{month:02}-{day:02}", f"{hour:02}:{minute:02}:{second:02}"
    rest = draw(texts) + draw(st.sampled_from(["", " "])) + draw(texts)
    shapes = [
        f"[{date} {clock}] {rest}",
        f"{year:04}{month:02}{day:02}{hour:02}{minute:02} {rest}",
        f"{day:02}.{month:02}.{year:04} {clock}.{draw(st.integers(0, 999999)):06}",
        f'{{"%\\000001{second:02}YYYY{minute:02}{hour:02}TH{day:02}{month:02}{year:04}}}{rest}',
        date,
        f"{date} {clock}",
        f"{date}T{clock[:5]}",
        f"{draw(st.integers(-40000, 40000))}, {draw(st.integers())}={draw(st.uuids())}%{rest}!",
        f"{draw(texts)}  {draw(texts)} xyzaab{draw(st.integers(0, 9))}%{draw(st.integers(0, 9))} {draw(st.uuids())}",
    ]
    return draw(st.sampled_from(shapes))


strings = (texts | lines() | st.lists(pieces, max_size=6).map("".join) | st.uuids().map(str)).map(json.dumps)
leaves = st.sampled_from(["null", "true", "false", "{}", "[]"]) | numbers | strings
keys = st.sampled_from(["a", "b%", "", "m", "n", "d", "t", "r", "x"]).map(json.dumps)


def lists_of(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """JSON lists and objects as text."""
    objects = st.dictionaries(keys, inner, max_size=5).map(lambda d: ",".join(f"{k}:{v}" for k, v in d.items()))
    return st.lists(inner, max_size=5).map(lambda items: f"[{','.join(items)}]") | objects.map("{{{}}}".format)


json_texts = st.recursive(leaves, lists_of, max_leaves=8)
dates = st.dates().map(lambda date: json.dumps(date.isoformat())) | strings
small_ints = st.integers(-33000, 33000).map(str)
short = st.text(characters, max_size=4).map(json.dumps) | st.just("null")
likely = (
    st.tuples(dates, short, leaves, numbers, numbers).map(lambda items: f"[{','.join(items)}]")
    | st.tuples(small_ints, leaves).map(lambda items: f"[{','.join(items)}]")
    | st.tuples(small_ints, short).map(lambda items: f'{{"a": {items[0]}, "b%": {items[1]}}}')
    | st.tuples(strings, short, leaves, numbers, keys, json_texts).map(
        lambda i: f'{{{i[4]}: {i[5]}, "m": {i[0]}, "n": {i[1]}, "d": {i[2]}, "r": {i[3]}}}'
    )
)


@pytest.fixture(scope="module")
def pg(server_uri: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose settings a codec must not depend on."""
    with psycopg.connect(server_uri, autocommit=True) as connection:
        connection.execute("SET timezone = 'Asia/Kolkata'")
        connection.execute("SET datestyle = 'SQL, DMY'")
        yield connection


def types_of(codec: Codec) -> list[sql.Composable]:
    """What the test reads of each column: times in UTC, for a session's clock may be past the year 9999."""
    return [
        sql.SQL("{}{} AS {}").format(
            sql.Identifier("d", KINDS[field].column.replace("%", "%%")),
            sql.SQL(" AT TIME ZONE 'UTC'" if KINDS[field].aware else ""),
            sql.Identifier(f"field {field}"),
        )
        for field in codec.columns
    ]


def decoded_by_sql(pg: psycopg.Connection[Any], codec: Codec, elements: list[str]) -> list[tuple[Any, ...]]:
    """For each element: its text as jsonb prints it, ok, the encoding of what it decodes to, and the columns."""
    decoded = codec.decode_sql(sql.Identifier("value"))
    columns = [
        sql.SQL("{} AS {}").format(expression, sql.Identifier(KINDS[field].column.replace("%", "%%")))
        for field, expression in decoded.columns.items()
    ]
    query = sql.SQL(
        "SELECT element, ok, CASE WHEN ok THEN ({encoded})::text END, {types} FROM ("
        " SELECT value::text AS element, {ok} AS ok, {columns}, at"
        " FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS e (value, at) OFFSET 0) AS d ORDER BY at"
    ).format(
        encoded=codec.encode_sql("d"),
        types=sql.SQL(", ").join(types_of(codec)),
        ok=decoded.ok,
        columns=sql.SQL(", ").join(columns),
    )
    return pg.execute(query, [f"[{','.join(elements)}]"]).fetchall()


def plain(value: object) -> object:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def check(codec: Codec, text: str, ok: bool, encoded: str | None, columns: tuple[Any, ...]) -> None:
    element = loads(text)
    if not ok:
        with pytest.raises(Undecodable):
            codec.decode(element)
        return
    row = codec.decode(element)
    assert encoded == text
    assert same(codec.encode(row), element)
    assert [plain(row[field]) for field in codec.columns] == list(columns)


@pytest.fixture(scope="module", autouse=True)
def _json_as_we_read_it(pg: psycopg.Connection[Any]) -> None:
    psycopg.types.json.set_json_loads(lambda data: loads(data if isinstance(data, str) else data.decode()), pg)


@pytest.mark.parametrize("name", CODECS)
@EXAMPLES
@given(elements=st.lists(json_texts | strings | likely | leaves, min_size=1, max_size=25))
def test_python_and_sql_decode_every_element_alike(pg: psycopg.Connection[Any], name: str, elements: list[str]) -> None:
    codec = BOUND[name]
    rows = decoded_by_sql(pg, codec, elements)
    assert len(rows) == len(elements)
    for text, ok, encoded, *columns in rows:
        check(codec, text, ok, encoded, tuple(columns))


KNOWN: dict[str, object] = {
    "log": "[2024-02-29 23:59:59] INFO 100% done\n  Traceback",
    "summer": "202410270230 in an hour that Berlin saw twice",
    "half an hour": "31.12.1999 23:59:59.999999",
    "naive": '{"%\\00000159YYYY5900TH29022024}INFO',
    "line": "",
    "numbers": "-32768, 9223372036854775807=01234567-89ab-cdef-0123-456789abcdef%a!",
    "many": "INFO  a b aaab-1%0 01234567-89ab-cdef-0123-456789abcdef",
    "scalar time": "0001-01-01",
    "scalar zone": "2024-07-01T12:30",
    "closed object": {"a": 5, "": {"b": None, "c": [None]}},
    "open object": {"m": "", "n": None, "d": None, "t": "2024-02-29 00:00:00", "r": 0.5, "x": {"y": None}},
    "tuple": ["9999-12-31", None, None, 9999.99, 0.30000000000000004],
    "pair": [-32768, None],
    "scalar ratio": 1700000000.1234567,
    "scalar price": -9999.99,
    "scalar amount": 10**38 - 1,
    "scalar data": {"a": [1, "7" * 5000]},
}


@pytest.mark.parametrize("name", KNOWN)
def test_an_element_as_it_was_meant_decodes_on_both_sides(pg: psycopg.Connection[Any], name: str) -> None:
    ((text, ok, encoded, *columns),) = decoded_by_sql(pg, BOUND[name], [json.dumps(KNOWN[name])])
    assert ok
    check(BOUND[name], text, ok, encoded, tuple(columns))


@pytest.mark.parametrize("name", CODECS)
def test_numbers_at_the_edges_decode_alike(pg: psycopg.Connection[Any], name: str) -> None:
    long = ["7" * 5000, "-" + "7" * 5000, "0." + "3" * 5000, "1" + "0" * 38, "9" * 38]
    numbers = [*special, *long]
    elements = [
        *numbers,
        *(f'"{n}"' for n in numbers),
        *(f"[{n}, null]" for n in numbers),
        *(f'{{"a": {n}}}' for n in numbers),
    ]
    for text, ok, encoded, *columns in decoded_by_sql(pg, BOUND[name], elements):
        check(BOUND[name], text, ok, encoded, tuple(columns))


@pytest.mark.parametrize(
    ("name", "element", "is_sql_null"),
    [("scalar data", None, False), ("open object", {"m": "", "d": None}, True), ("open object", {"m": ""}, True)],
)
def test_json_null_is_kept_apart_from_sql_null(
    pg: psycopg.Connection[Any], name: str, element: object, is_sql_null: bool
) -> None:
    decoded = BOUND[name].decode_sql(sql.SQL("value"))
    query = sql.SQL("SELECT {}, {} IS NULL FROM (SELECT %s::jsonb AS value) AS e").format(
        decoded.ok, decoded.columns["data"]
    )
    assert pg.execute(query, [json.dumps(element)]).fetchone() == (True, is_sql_null)


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"]


@pytest.mark.parametrize("zone", ZONES)
def test_every_quarter_of_an_hour_means_the_same_instant_on_both_sides(pg: psycopg.Connection[Any], zone: str) -> None:
    codec = Text("{created_at:%Y-%m-%d %H:%M}", tz=zone).bind(KINDS)
    clock = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 15, 30, 45)]
    days = [
        f"{year}-{month:02}-{day:02}"
        for year in (1985, 2007, 2024, 2045)
        for month in (3, 4, 10, 11)
        for day in range(1, 32)
    ]
    rows = decoded_by_sql(pg, codec, [f'"{day} {time}"' for day in days for time in clock])
    for text, ok, encoded, *columns in rows:
        check(codec, text, ok, encoded, tuple(columns))
    assert any(ok for _, ok, *_ in rows)


@EXAMPLES
@given(
    values=st.lists(
        st.floats(-(2.0**53), 2.0**53) | st.floats(-1, 1) | st.integers(-(2**53), 2**53).map(float), max_size=200
    )
)
def test_both_sides_print_a_float_alike(pg: psycopg.Connection[Any], values: list[float]) -> None:
    codec = BOUND["scalar ratio"]
    query = sql.SQL("SELECT ({})::text FROM unnest(%s::float8[]) AS d (ratio)").format(codec.encode_sql("d"))
    printed = [text for (text,) in pg.execute(query, [values])]
    assert all(same(loads(text), codec.encode({"ratio": value})) for text, value in zip(printed, values, strict=True))


moments = st.datetimes(timezones=st.just(UTC)) | st.sampled_from(
    [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), datetime(2024, 10, 27, 0, 30, tzinfo=UTC)]
)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts, lambda s: st.lists(s, max_size=3), max_leaves=3
)
values: dict[str, st.SearchStrategy[Any]] = {
    "created_at": moments,
    "local": st.none() | st.datetimes(),
    "level": st.text(characters, max_size=10),
    "message": texts,
    "note": st.none() | st.text(characters, max_size=3),
    "small": st.integers(-(2**15), 2**15 - 1),
    "big": st.none() | st.integers(-(2**63), 2**63 - 1),
    "ratio": st.none() | st.floats(-1e15, 1e15) | st.sampled_from([math.nan, math.inf, -math.inf, 5.0, -0.0]),
    "price": st.none() | st.decimals(-9999, 9999, places=2) | st.just(Decimal("NaN")),
    "amount": st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
    "done": st.none() | st.booleans(),
    "key": st.none() | st.uuids(),
    "data": jsons,
    "extra": jsons | st.dictionaries(st.sampled_from("amnx"), jsons, max_size=3),
}


def encoded_by_sql(pg: psycopg.Connection[Any], codec: Codec, row: Mapping[str, Any]) -> str | None:
    columns = sql.SQL(", ").join(
        sql.SQL("%s::{} AS {}").format(
            sql.SQL(KINDS[field].sql_type),  # type: ignore[arg-type]
            sql.Identifier(KINDS[field].column.replace("%", "%%")),
        )
        for field in codec.columns
    )
    query = sql.SQL("SELECT ({})::text FROM (SELECT {}) AS d").format(codec.encode_sql("d"), columns)
    given = [Jsonb(row[f]) if KINDS[f].family == "json" and row[f] is not None else row[f] for f in codec.columns]
    found = pg.execute(query, given).fetchone()
    assert found is not None
    return found[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CODECS)
@EXAMPLES
@given(data=st.data())
def test_python_and_sql_encode_every_row_alike(pg: psycopg.Connection[Any], name: str, data: st.DataObject) -> None:
    codec = BOUND[name]
    row = data.draw(st.fixed_dictionaries({field: values[field] for field in codec.columns}))
    by_sql = encoded_by_sql(pg, codec, row)
    try:
        by_python = codec.encode(row)
    except ValueError:
        assert by_sql is None
        return
    assert by_sql is not None
    assert same(loads(by_sql), by_python), (by_sql, by_python)


def log_lines() -> list[str]:
    """Lines as applications write them; real files, if a directory of them is named."""
    made = [
        f"[2024-0{month}-{day:02} {hour:02}:0{month}:59] {level} {message}"
        for month in range(1, 10)
        for day in (1, 28, 29, 30)
        for hour in (0, 2, 23)
        for level in ("INFO", "WARNING", "ERROR", "CRITICAL", "A_LEVEL_TOO_LONG", "")
        for message in ("Started", " two  spaces", "100% done\n  Traceback:\n\tx", "", "[x] ] é 日本 😀", "a" * 3000)
    ]
    directory = os.environ.get("CUTOVER_TEST_LOGS")
    real = (
        [
            line
            for path in sorted(Path(directory).glob("*.log"))
            for line in path.read_text("utf-8", "replace").splitlines()
        ]
        if directory
        else []
    )
    return made + real + [f"[2024-02-29 12:00:00] INFO {line}" for line in real]


@pytest.mark.parametrize(
    "template", [LOG, "{message}", "{level} {message}", "{created_at:%Y-%m-%d %H:%M:%S},{message}"]
)
def test_log_lines_are_read_alike_and_many_of_them(pg: psycopg.Connection[Any], template: str) -> None:
    codec = Text(template, tz="UTC").bind(KINDS)
    elements = [json.dumps(line) for line in log_lines() if "\x00" not in line]
    rows = decoded_by_sql(pg, codec, elements)
    for text, ok, encoded, *columns in rows:
        check(codec, text, ok, encoded, tuple(columns))
    if template in (LOG, "{message}"):
        assert sum(ok for _, ok, *_ in rows) > len(rows) // 3
