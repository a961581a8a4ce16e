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

from codec_elements import (
    BOUND,
    CODECS,
    KINDS,
    KNOWN,
    LOG,
    characters,
    json_texts,
    leaves,
    likely,
    special,
    strings,
    texts,
)
from cutover.codecs import Codec, Text, Undecodable
from cutover.codecs.element import loads, same

EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(scope="module")
def pg(server_uri: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose settings a codec must not depend on."""
    with psycopg.connect(server_uri, autocommit=True) as connection:
        connection.execute("SET timezone = 'Asia/Kolkata'")
        connection.execute("SET datestyle = 'SQL, DMY'")
        yield connection


def types_of(codec: Codec) -> list[sql.Composable]:
    """What the test reads of each column: times in UTC, for a session's clock may be past the year 9999.

    The subquery has computed them for all elements, so that one which raises is found.
    """
    return [
        sql.SQL("CASE WHEN ok THEN {}{} END AS {}").format(
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
    in_parts = sql.SQL(
        "SELECT value::text AS element, {ok} AS ok, {columns}, at"
        " FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS e (value, at) OFFSET 0"
    ).format(ok=decoded.ok, columns=sql.SQL(", ").join(columns))
    at_once = sql.SQL(
        "SELECT e.value::text AS element, x.cutover_ok AS ok, x.*, e.at"
        " FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS e (value, at) CROSS JOIN LATERAL {decoding} x OFFSET 0"
    ).format(decoding=codec.decoding_sql(sql.Identifier("e", "value")))
    read = sql.SQL(
        "SELECT element, ok, CASE WHEN ok THEN ({encoded})::text END, {types} FROM ({elements}) AS d ORDER BY at"
    )
    parts = {"encoded": codec.encode_sql("d"), "types": sql.SQL(", ").join(types_of(codec))}
    found, again = (
        pg.execute(read.format(elements=each, **parts), [f"[{','.join(elements)}]"]).fetchall()
        for each in (in_parts, at_once)
    )
    assert again == found
    return found


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


@pytest.mark.parametrize("name", KNOWN)
def test_an_element_as_it_was_meant_decodes_on_both_sides(pg: psycopg.Connection[Any], name: str) -> None:
    ((text, ok, encoded, *columns),) = decoded_by_sql(pg, BOUND[name], [json.dumps(KNOWN[name])])
    assert ok
    check(BOUND[name], text, ok, encoded, tuple(columns))


@pytest.mark.parametrize("name", CODECS)
def test_values_at_the_edges_decode_alike(pg: psycopg.Connection[Any], name: str) -> None:
    long = ["7" * 5000, "-" + "7" * 5000, "0." + "3" * 5000, "1" + "0" * 38, "9" * 38]
    times = ["9999-12-31T18:59", "9999-12-31T19:00", "0001-01-01T00:00", "000101010000 x", "000101010200 x"]
    numbers = [*special, *long]
    elements = [
        *numbers,
        *(f'"{n}"' for n in numbers),
        *(f"[{n}, null]" for n in numbers),
        *(f'{{"a": {n}}}' for n in numbers),
    ]
    elements += map(json.dumps, times)
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
            sql.SQL(KINDS[field].sql_type),
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
