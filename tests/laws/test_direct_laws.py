"""The fast way of decoding in SQL says the same as Python, or fails: it never takes an element that Python refuses."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from codec_elements import BOUND, CODECS, KINDS, KNOWN, json_texts, leaves, likely, special, strings
from cutover.codecs import Codec, Text, Undecodable
from cutover.codecs.element import loads

EXAMPLES = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(scope="module")
def pg(server_uri: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server_uri, autocommit=True) as connection:
        connection.execute("SET timezone = 'Asia/Kolkata'")
        connection.execute("SET datestyle = 'ISO, DMY'")
        psycopg.types.json.set_json_loads(
            lambda data: loads(data if isinstance(data, str) else data.decode()), connection
        )
        yield connection


def directly(pg: psycopg.Connection[Any], codec: Codec, element: str) -> list[Any] | None:
    """The columns of one element, times in UTC; None where it is refused or makes the statement fail."""
    value = sql.SQL("(value #>> '{{}}')").format() if codec.textual else sql.SQL("value")
    names = {field: sql.Identifier(f"c{number}") for number, field in enumerate(codec.columns)}
    decoded = codec.direct_sql(value)
    shown = [
        sql.SQL("{}{}").format(names[field], sql.SQL(" AT TIME ZONE 'UTC'" if KINDS[field].aware else ""))
        for field in codec.columns
    ]
    query = sql.SQL(
        "SELECT {proof}, {shown} FROM (SELECT value, {columns} FROM (SELECT %s::jsonb) e(value) OFFSET 0) d"
    ).format(
        proof=codec.proof_sql(value, names),
        shown=sql.SQL(", ").join(shown),
        columns=sql.SQL(", ").join(sql.SQL("{} AS {}").format(decoded[field], names[field]) for field in codec.columns),
    )
    try:
        found = pg.execute(query, [element]).fetchone()
    except psycopg.DataError:
        return None
    assert found is not None
    return list(found[1:]) if found[0] else None


def plain(value: object) -> object:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def check(pg: psycopg.Connection[Any], codec: Codec, element: str) -> None:
    found = pg.execute("SELECT %s::jsonb::text", [element]).fetchone()
    assert found is not None
    value = loads(found[0])
    if codec.textual and not codec.unmistakable and not isinstance(value, str):
        return  # the whole list is left alone then
    try:
        row = codec.decode(value)
    except Undecodable:
        assert directly(pg, codec, element) is None
        return
    assert directly(pg, codec, element) == [plain(row[field]) for field in codec.columns]


@pytest.mark.parametrize("name", CODECS)
@EXAMPLES
@given(elements=st.lists(json_texts | strings | likely | leaves, min_size=1, max_size=12))
def test_python_and_the_fast_sql_decode_every_element_alike(
    pg: psycopg.Connection[Any], name: str, elements: list[str]
) -> None:
    for element in elements:
        check(pg, BOUND[name], element)


@pytest.mark.parametrize("name", CODECS)
def test_values_at_the_edges(pg: psycopg.Connection[Any], name: str) -> None:
    numbers = [*special, "7" * 5000, "0." + "3" * 5000, "1" + "0" * 38, "9" * 38, "1.5", "5.0", "1e2"]
    elements = [
        *numbers,
        *(f'"{n}"' for n in numbers),
        *(f'{{"a": {n}}}' for n in numbers),
        *(f"[{n}, null]" for n in numbers),
    ]
    elements += [json.dumps(KNOWN[name])] if name in KNOWN else []
    for element in elements:
        check(pg, BOUND[name], element)


TIMES = [
    "2024-02-29 12:00:00", "2023-02-29 12:00:00", "2024-02-30 12:00:00", "2024-12-31 23:59:60", "2024-12-31 24:00:00",
    "0000-01-01 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "10000-01-01 00:00:0", "2024-1-01 00:00:000",
    "2024-01-01T00:00:00", "2024-01-01  0:00:00", " 2024-01-01 00:00:0", "           infinity", "                now",
    "2024-01-01 00:00+05", "2024-01-01 12:00 AM", "2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-001 00:00:00  ",
    "12/31/2024 00:00:00", "2024-01-01 00:00:0٣", "20240101 000000.000", "J2451187 00:00:00  ", "0044-03-15 00:00 BC",
]  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
@pytest.mark.parametrize("time", TIMES)
def test_times_that_postgresql_would_read_and_the_format_does_not_say(
    pg: psycopg.Connection[Any], zone: str, time: str
) -> None:
    for template in ("[{created_at:%Y-%m-%d %H:%M:%S}] {level} {message}", "{created_at:%Y-%m-%dT%H:%M:%S}{message}"):
        codec = Text(template, tz=zone).bind(KINDS)
        for line in (f"[{time}] INFO x y", f"[{time}] INFO", f"{time}] INFO x", f"[{time}]  x", f"{time} x", f"{time}"):
            check(pg, codec, json.dumps(line))
