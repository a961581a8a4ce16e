"""Text templates: how a line is read, and what is said about one that does not fit."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import pytest

from cutover.codecs import Codec, Kind, Text, Undecodable

KINDS = {
    "created_at": Kind("created_at", "time", "timestamp with time zone", aware=True),
    "level": Kind("level", "text", "varchar(10)", max_length=10),
    "message": Kind("message", "text", "text"),
    "code": Kind("code", "integer", "smallint", bits=16),
    "key": Kind("key", "uuid", "uuid"),
    "ratio": Kind("ratio", "float", "double precision"),
}
LOG = Text("[{created_at:%Y-%m-%d %H:%M:%S}] {level} {message}", tz="UTC").bind(KINDS)


def reason(codec: Codec, element: object) -> str:
    with pytest.raises(Undecodable) as caught:
        codec.decode(element)
    return caught.value.reason


def test_a_log_line_fills_its_columns_and_comes_back() -> None:
    line = "[2024-02-29 23:59:59] INFO Started {} 100%\n  at once"
    row = LOG.decode(line)
    at = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
    assert row == {"created_at": at, "level": "INFO", "message": "Started {} 100%\n  at once"}
    assert LOG.encode(row) == line


def test_a_field_ends_where_its_separator_first_occurs() -> None:
    codec = Text("{level}: {message}").bind(KINDS)
    assert codec.decode("a:b: c: d") == {"level": "a:b", "message": "c: d"}


def test_double_braces_stand_for_braces() -> None:
    codec = Text("{{{level}}}").bind(KINDS)
    assert codec.decode("{x}") == {"level": "x"}
    assert codec.encode({"level": "x"}) == "{x}"


def test_whole_numbers_and_uuids_have_one_text() -> None:
    codec = Text("{code} {key}").bind(KINDS)
    key = UUID("01234567-89ab-cdef-0123-456789abcdef")
    assert codec.decode(f"-7 {key}") == {"code": -7, "key": key}
    for line in (
        f"+7 {key}",
        f"07 {key}",
        f"-0 {key}",
        f"٧ {key}",
        f"32768 {key}",
        f"7 {str(key).upper()}",
        f"7 {key}\n",
    ):
        reason(codec, line)


@pytest.mark.parametrize(
    ("element", "said"),
    [
        (5, "the element is not a string: 5."),
        ("x", "'[' is not where the template has it: 'x'."),
        ("[2024-02-29 23:59:59] INFO", "' ' does not follow level: '[2024-02-29 23:59:59] INFO'."),
        ("[2024-02-29 23:59:59] MUCH_TOO_LONG x", "level takes 10 characters and would get 13: 'MUCH_TOO_LONG'."),
        ("[2023-02-29 23:59:59] INFO x", "created_at takes a time like %Y-%m-%d %H:%M:%S: '2023-02-29 23:59:59'."),
        ("a\x00", "jsonb cannot hold the element, a string holds the character NUL: 'a\\x00'."),
        ("\ud800", "jsonb cannot hold the element, a string holds a lone surrogate: '\\ud800'."),
    ],
)
def test_what_does_not_fit_is_named(element: object, said: str) -> None:
    assert reason(LOG, element) == said


def test_text_behind_the_template_is_named() -> None:
    assert reason(Text("{level}]").bind(KINDS), "a]b") == "text is left after {level}], 'b': 'a]b'."


def test_a_long_value_is_cut_in_the_reason() -> None:
    said = reason(LOG, "x" * 10**6)
    assert said.endswith("x….")
    assert len(said) < 200


def test_a_missing_value_cannot_be_written() -> None:
    with pytest.raises(ValueError, match=r"^level is NULL; an element cannot be written without it\.$"):
        LOG.encode({"created_at": datetime(2024, 1, 1, tzinfo=UTC), "level": None, "message": ""})


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{level}{message}", "nothing separates level from message in the template '{level}{message}'."),
        ("{level} {level}", "the template '{level} {level}' has the field level twice."),
        ("words", "the template 'words' has no field."),
        ("{level!r}", "the template '{level!r}' has a field 'level'; a field is a column's name."),
        ("{}", "the template '{}' has a field ''; a field is a column's name."),
        ("{created_at:%H:%M}", "the time format '%H:%M' does not give the year."),
    ],
)
def test_a_template_that_cannot_be_read_is_refused(template: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        Text(template)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("codec", "said"),
    [
        (
            Text("{nothing}"),
            "nothing is not a column of the child; it has created_at, level, message, code, key, ratio.",
        ),
        (Text("{ratio}"), "ratio is a column of type double precision; a template takes no such column."),
        (
            Text("{created_at}"),
            "created_at is a column of type timestamp with time zone; write its format after a colon.",
        ),
        (
            Text("{created_at:%Y-%m-%d}"),
            "created_at is a column of type timestamp with time zone; the codec has to say tz, what its times mean.",
        ),
        (Text("{level:%Y%m%d}"), "level is a column of type varchar(10); a time format needs a timestamp."),
    ],
)
def test_a_column_that_does_not_fit_is_named_when_it_is_bound(codec: Text, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        codec.bind(KINDS)
    assert str(caught.value) == said


def test_a_codec_that_is_not_bound_says_so() -> None:
    with pytest.raises(
        RuntimeError, match=r"^Text\('\{level\}', tz=None\) is not bound to columns; call bind\(\) first\.$"
    ):
        Text("{level}").decode("x")


def test_binding_leaves_the_declared_codec_as_it_was() -> None:
    declared = Text("{level}")
    declared.bind(KINDS)
    shorter = declared.bind({"level": dataclasses.replace(KINDS["level"], max_length=1)})
    assert reason(shorter, "ab") == "level takes 1 characters and would get 2: 'ab'."


class Shouted(Codec):
    """A custom codec, with nothing but the meaning."""

    columns = ("message",)

    def decode(self, element: object) -> dict[str, object]:
        return {"message": str(element).lower()}

    def encode(self, row: Mapping[str, object]) -> object:
        return str(row["message"]).upper()


def test_a_custom_codec_needs_only_columns_decode_and_encode() -> None:
    codec = Shouted().bind(KINDS)
    assert not codec.compiles
    assert codec.decode_exactly("ABC") == {"message": "abc"}
    with pytest.raises(Undecodable, match=r"^the element would not come back the same: 'Abc'\.$"):
        codec.decode_exactly("Abc")
    with pytest.raises(ValueError, match="message is not a column"):
        codec.bind({})
