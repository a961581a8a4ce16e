"""What SQL writes of a row is what Python writes, whatever the DateStyle; and what is said of a codec's elements holds."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from cutover.codecs import Codec, Kind, Scalar, Text, Time

KINDS = {
    "at": Kind("at", "time", "timestamp with time zone", aware=True),
    "local": Kind("local", "time", "timestamp without time zone"),
    "word": Kind("word", "text", "text"),
    "maybe": Kind("maybe", "text", "text", nullable=True),
    "number": Kind("number", "integer", "bigint", bits=64),
}
FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f", "%d/%m/%Y")
ZONES = ("UTC", "Europe/Berlin", "Pacific/Kiritimati", "America/New_York")
STYLES = ("ISO, MDY", "ISO, DMY", "SQL, DMY", "German", "Postgres, MDY")
EDGES = [
    datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)
    for year, month, day in [
        (1, 1, 5),
        (1969, 12, 31),
        (1999, 12, 31),
        (2000, 1, 1),
        (2000, 1, 3),
        (2026, 3, 1),
        (9999, 12, 25),
    ]
    for hour, minute, second in [(0, 0, 0), (23, 59, 59)]
    for micro in (0, 1, 499_999, 500_000, 500_001, 999_999)
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("zone", ZONES)
def test_times_are_written_alike_whatever_the_date_style(server_uri: str, style: str, zone: str) -> None:
    codecs: list[tuple[Codec, str, str]] = []
    for each in FORMATS:
        codecs.append((Scalar(Time("at", each, tz=zone)).bind(KINDS), "at", "timestamptz"))
        codecs.append((Scalar(Time("local", each)).bind(KINDS), "local", "timestamp"))
    with psycopg.connect(server_uri, autocommit=True) as connection:
        connection.execute("SELECT set_config('DateStyle', %s, false)", [style])
        for codec, field, type_ in codecs:
            times = [time if field == "at" else time.replace(tzinfo=None) for time in EDGES]
            assert written(connection, codec, field, type_, times) == [codec.encode({field: time}) for time in times]


@pytest.mark.parametrize("value", ["infinity", "-infinity", "0001-01-01 00:00:00 BC", "10000-01-01"])
def test_a_time_that_cannot_be_written_makes_no_element(server_uri: str, value: str) -> None:
    codec = Scalar(Time("local")).bind(KINDS)
    with psycopg.connect(server_uri, autocommit=True) as connection:
        assert written(connection, codec, "local", "timestamp", [value]) == [None]


def written(connection: psycopg.Connection[Any], codec: Codec, field: str, type_: str, values: list[Any]) -> list[Any]:
    """The texts, by `text_sql`, which has to be the text of what `encode_sql` makes."""
    statement = sql.SQL(
        "SELECT {text}, ({element} #>> '{{}}') FROM unnest(%s::text[]) WITH ORDINALITY u(v, n)"
        " CROSS JOIN LATERAL (SELECT u.v::{type} AS {field}) d ORDER BY u.n"
    ).format(
        text=codec.text_sql("d"),
        element=codec.encode_sql("d"),
        type=sql.SQL(type_),
        field=sql.Identifier(field),
    )
    given = [value if isinstance(value, str) else iso(value) for value in values]
    found = connection.execute(statement, [given]).fetchall()
    assert [text for text, _ in found] == [text for _, text in found]
    return [text for text, _ in found]


def iso(value: datetime) -> str:
    return value.isoformat(sep=" ")


@pytest.mark.parametrize(
    ("template", "unmistakable"),
    [
        ("[{at:%Y-%m-%d %H:%M:%S}] {word}", True),
        ("{at:%Y-%m-%d} {word}", True),
        ("<{word}", True),
        ("INFO {word}", True),
        ("{word}", False),
        ("[{word}]", False),
        ("[{at:%Y.%m.%d}] {word}", False),
        ("{at:%Y%m%d}{word}", False),
        ("true {word}", False),
        ("-{word}", False),
        ("{number} {word}", False),
    ],
)
def test_a_line_is_unmistakable_where_no_other_json_begins_like_it(template: str, unmistakable: bool) -> None:
    codec = Text(template, tz="UTC").bind(KINDS)
    assert codec.json_type == "string"
    assert codec.unmistakable is unmistakable


def test_the_elements_of_a_column_are_strings_only_where_none_is_null() -> None:
    assert Scalar("word").bind(KINDS).json_type == "string"
    assert Scalar("maybe").bind(KINDS).json_type is None
    assert Scalar("number").bind(KINDS).json_type is None
