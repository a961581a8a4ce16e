"""Times in elements: fixed width, checked to the day, and meant in the zone that the codec names."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cutover.codecs import Kind, Scalar, Time, Undecodable
from cutover.codecs.codec import Codec

KINDS = {
    "at": Kind("at", "time", "timestamp with time zone", aware=True),
    "local": Kind("local", "time", "timestamp without time zone"),
    "day": Kind("day", "time", "date"),
}
BERLIN = Scalar(Time("at", "%Y-%m-%d %H:%M", tz="Europe/Berlin")).bind(KINDS)
LOCAL = Scalar(Time("local")).bind(KINDS)


def reason(codec: Codec, element: object) -> str:
    with pytest.raises(Undecodable) as caught:
        codec.decode(element)
    return caught.value.reason


def test_a_time_means_what_the_clock_of_its_zone_shows() -> None:
    assert BERLIN.decode("2024-07-01 12:00") == {"at": datetime(2024, 7, 1, 10, tzinfo=UTC)}
    assert BERLIN.encode({"at": datetime(2024, 7, 1, 4, tzinfo=timezone(timedelta(hours=-6)))}) == "2024-07-01 12:00"


def test_an_hour_that_comes_twice_is_the_later_one() -> None:
    assert BERLIN.decode("2024-10-27 02:30") == {"at": datetime(2024, 10, 27, 1, 30, tzinfo=UTC)}


def test_an_hour_that_no_clock_has_shown_is_undecodable() -> None:
    said = "at takes times that the clocks of Europe/Berlin have shown: '2024-03-31 02:30'."
    assert reason(BERLIN, "2024-03-31 02:30") == said


def test_a_column_without_zone_keeps_the_local_time_as_it_is() -> None:
    assert LOCAL.decode("2024-03-31 02:30:00") == {"local": datetime(2024, 3, 31, 2, 30)}  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29 00:00:00",
        "2100-02-29 00:00:00",
        "2024-04-31 00:00:00",
        "0000-01-01 00:00:00",
        "2024-01-01 24:00:00",
        "2024-01-01 00:00:60",
        "2024-1-01 00:00:00",
        "２０２４-01-01 00:00:00",
        "2024-01-01 00:00:00\n",
        "",
    ],
)
def test_times_that_do_not_exist_are_undecodable(text: str) -> None:
    assert reason(LOCAL, text).startswith("local takes a time like")


def test_the_first_and_the_last_year_keep_their_four_digits() -> None:
    for text in ("0001-01-01 00:00:00", "0999-12-31 23:59:59", "9999-12-31 23:59:59"):
        assert LOCAL.encode(LOCAL.decode(text)) == text


def test_an_instant_past_the_last_year_is_undecodable_and_unwritable() -> None:
    codec = Scalar(Time("at", "%Y-%m-%d %H:%M", tz="America/New_York")).bind(KINDS)
    assert reason(codec, "9999-12-31 23:00") == "at takes times of the years 1 to 9999 in UTC: '9999-12-31 23:00'."
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        BERLIN.encode({"at": datetime.max.replace(tzinfo=UTC)})


def test_a_naive_time_for_a_column_with_zone_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="the codec takes a datetime with time zone"):
        BERLIN.encode({"at": datetime(2024, 1, 1)})  # noqa: DTZ001


def test_microseconds_have_six_digits() -> None:
    codec = Scalar(Time("at", "%Y%m%d%H%M%S%f", tz="UTC")).bind(KINDS)
    assert codec.decode("20240229235959000001") == {"at": datetime(2024, 2, 29, 23, 59, 59, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("format", "tz", "said"),
    [
        ("%Y-%m-%d %y", None, "the time format '%Y-%m-%d %y' has %y; it takes %Y %m %d %H %M %S %f %%."),
        ("%Y-%m-%d %", None, "the time format '%Y-%m-%d %' has %; it takes %Y %m %d %H %M %S %f %%."),
        ("%Y-%m-%d %d", None, "the time format '%Y-%m-%d %d' gives the day twice."),
        ("%Y-%m", None, "the time format '%Y-%m' does not give the day."),
        ("%Y%m%d", "CET", "tz 'CET' is neither UTC nor a name like Europe/Berlin."),
        ("%Y%m%d", "Europe/Nowhere", "tz 'Europe/Nowhere' is not a time zone that Python knows."),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(format: str, tz: str | None, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        Time("at", format, tz=tz)
    assert str(caught.value) == said


def test_a_date_column_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^day is a column of type date; a time format needs a timestamp\.$"):
        Scalar(Time("day", "%Y-%m-%d")).bind(KINDS)


def test_a_time_column_needs_its_format() -> None:
    with pytest.raises(
        ValueError, match=r"^at is a column of type timestamp with time zone; write Time\('at', \.\.\.\)"
    ):
        Scalar("at").bind(KINDS)
