"""What a codec says is certain of a row is what encoding and decoding prove of it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.codecs import Codec, Kind, Text
from cutover.codecs.element import same

KINDS = {
    "at": Kind("at", "time", "timestamp with time zone", aware=True),
    "local": Kind("local", "time", "timestamp without time zone"),
    "word": Kind("word", "text", "varchar(8)", max_length=8),
    "rest": Kind("rest", "text", "text", nullable=True),
    "number": Kind("number", "integer", "smallint", bits=16),
    "id": Kind("id", "uuid", "uuid"),
}
CODECS = [
    Text(template, tz="UTC").bind(KINDS)
    for template in (
        "[{at:%Y-%m-%d %H:%M:%S}] {word} {rest}",
        "{word}aa{rest}",
        "{rest}aba{word}",
        "{number}1{word}",
        "{number}-{rest}",
        "{local:%Y%m%d}{word}{{}}{number}",
        "{word}ü{rest}.",
        "<{id}> {rest}",
    )
] + [Text("{at:%Y-%m-%d %H:%M} {word}", tz="Europe/Berlin").bind(KINDS)]
PIECES = st.lists(st.sampled_from(["a", "b", "ab", " ", "1", "-", "[", "]", "ü", ".", "{}"]), max_size=8).map("".join)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5)), timezone(timedelta(hours=-11))])
ROWS = st.fixed_dictionaries(
    {
        "at": st.datetimes(timezones=ZONES),
        "local": st.one_of(st.datetimes(), st.datetimes(timezones=ZONES)),
        "word": PIECES.filter(lambda text: len(text) <= 8),
        "rest": st.one_of(st.none(), PIECES),
        "number": st.integers(-(2**15), 2**15 - 1),
        "id": st.uuids(),
    }
)


def proven(codec: Codec, row: dict[str, Any]) -> bool:
    """Whether the row's element is read back as the row, at the precision of the codec."""
    element = codec.encode(row)
    back = codec.decode_exactly(element)
    return all(same(codec.encode({**row, field: value}), element) for field, value in back.items())


@pytest.mark.parametrize("codec", CODECS, ids=repr)
@given(row=ROWS)
def test_what_is_certain_is_proven(codec: Codec, row: dict[str, Any]) -> None:
    if codec.certain(row):
        assert proven(codec, row)


def test_a_usual_line_is_certain_and_an_ambiguous_one_is_not() -> None:
    row = {"at": datetime(2026, 1, 2, tzinfo=UTC), "word": "INFO", "rest": "all is well"}
    assert CODECS[0].certain(row)
    for change in ({"word": "A B"}, {"rest": None}, {"word": "too long for it"}):
        assert not CODECS[0].certain({**row, **change})
    assert not CODECS[1].certain({"word": "xa", "rest": "y"})
    assert not CODECS[-1].certain(row)
