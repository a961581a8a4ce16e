"""Times that no clock has shown are kept; all others mean what the codec declares, whatever the session or the project says."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from backfilling import execute, parent, to_the_end
from content import WAYS, Bad, comes_over, document, go, lines
from cutover import db
from cutover.backfill import chunk
from cutover.backfill.missing import Filled
from cutover.mapping import Binding, resolve
from databases import Database

FIRST, LAST = "[2024-01-02 03:04:05] INFO first", "[2024-12-31 23:59:59] INFO last"
BERLIN, LORD_HOWE, SAO_PAULO = "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"
IMPOSSIBLE = (
    "2024-02-30 00:00:00",
    "2023-02-29 12:00:00",
    "1900-02-29 12:00:00",
    "2024-04-31 12:00:00",
    "2024-00-10 12:00:00",
    "2024-13-01 12:00:00",
    "2024-01-00 12:00:00",
    "2024-01-32 12:00:00",
    "2024-01-01 24:00:00",
    "2024-01-01 23:60:00",
    "2024-01-01 23:59:60",
    "2016-12-31 23:59:60",  # a leap second that was one
    "0000-01-01 00:00:00",
    "-001-01-01 00:00:0",
    "2024-01-01 +1:00:00",
    "2024-01-01 1_:00:00",
)
SKIPPED = {
    BERLIN: ("2024-03-31 02:00:00", "2024-03-31 02:59:59", "1980-04-06 02:30:00"),
    LORD_HOWE: ("2024-10-06 02:00:00", "2024-10-06 02:29:59"),  # by half an hour
    SAO_PAULO: ("2018-11-04 00:00:00", "2018-11-04 00:59:59"),  # the day begins at 1
}
SHOWN = {  # what the clock has shown, and when that was; an hour that comes twice is its second one
    BERLIN: (
        ("2024-03-31 01:59:59", datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC)),
        ("2024-03-31 03:00:00", datetime(2024, 3, 31, 1, tzinfo=UTC)),
        ("2024-10-27 01:59:59", datetime(2024, 10, 26, 23, 59, 59, tzinfo=UTC)),
        ("2024-10-27 02:00:00", datetime(2024, 10, 27, 1, tzinfo=UTC)),
        ("2024-10-27 02:59:59", datetime(2024, 10, 27, 1, 59, 59, tzinfo=UTC)),
        ("2024-10-27 03:00:00", datetime(2024, 10, 27, 2, tzinfo=UTC)),
    ),
    LORD_HOWE: (
        ("2024-10-06 01:59:59", datetime(2024, 10, 5, 15, 29, 59, tzinfo=UTC)),
        ("2024-10-06 02:30:00", datetime(2024, 10, 5, 15, 30, tzinfo=UTC)),
        ("2024-04-07 01:45:00", datetime(2024, 4, 6, 15, 15, tzinfo=UTC)),
    ),
    SAO_PAULO: (
        ("2018-11-03 23:59:59", datetime(2018, 11, 4, 2, 59, 59, tzinfo=UTC)),
        ("2018-11-04 01:00:00", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ),
}


def line(time: str) -> str:
    return f"[{time}] INFO x"


def newest_first(times: list[str]) -> str:
    return document([json.dumps(each) for each in times])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tz", ["UTC", BERLIN])
def test_impossible_times_are_kept_and_their_neighbours_move(
    database: Database, monkeypatch: pytest.MonkeyPatch, tz: str, way: str
) -> None:
    go(monkeypatch, way)
    listed = [LAST, *map(line, IMPOSSIBLE), FIRST]
    reason = "created_at takes a time like %Y-%m-%d %H:%M:%S"
    bad = [Bad(f"$.stdout[{n}]", reason, json.dumps(line(time))) for n, time in enumerate(IMPOSSIBLE, 1)]
    comes_over(lines(tz=tz), newest_first(listed), [FIRST, LAST], bad)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tz", [BERLIN, LORD_HOWE, SAO_PAULO])
def test_an_hour_that_the_zone_skips_is_kept_and_one_that_it_repeats_is_the_second(
    database: Database, monkeypatch: pytest.MonkeyPatch, tz: str, way: str
) -> None:
    go(monkeypatch, way)
    times = [*SKIPPED[tz], *(time for time, _ in SHOWN[tz])]
    reason = f"created_at takes times that the clocks of {tz} have shown"
    bad = [Bad(f"$.stdout[{n}]", reason, json.dumps(line(time))) for n, time in enumerate(SKIPPED[tz])]
    good = [line(time) for time, _ in reversed(SHOWN[tz])]
    comes_over(lines(tz=tz), newest_first([line(time) for time in times]), good, bad)
    found = execute(None, "SELECT created_at FROM jobs_joblog WHERE job_id = 2 ORDER BY position DESC, id DESC")
    assert [at.astimezone(UTC) for (at,) in found] == [at for _, at in SHOWN[tz]]


def test_the_hour_that_utc_never_skips_moves(database: Database) -> None:
    times = [line(time) for time in SKIPPED[BERLIN]]
    comes_over(lines(), newest_first(times), times[::-1], [])


@pytest.fixture
def resolved_anew() -> Iterator[None]:
    """A project with other settings is another process, which has resolved nothing yet."""
    resolve.forget()
    yield
    resolve.forget()


TOLD = ["[2024-07-01 12:00:00] INFO summer", "[2024-03-31 02:30:00] INFO x", "[2024-01-01 12:00:00] INFO winter"]
KEPT = Bad("$.stdout[1]", f"created_at takes times that the clocks of {BERLIN} have shown", json.dumps(TOLD[1]))
IN_UTC = "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM jobs_joblog WHERE job_id = 2 ORDER BY 1"
STYLES = (
    ("UTC", "ISO, MDY", "postgres"),
    ("America/New_York", "ISO, DMY", "iso_8601"),
    ("Pacific/Kiritimati", "ISO, YMD", "sql_standard"),
    ("Asia/Kolkata", "ISO, DMY", "postgres_verbose"),
)


@pytest.mark.usefixtures("resolved_anew")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("use_tz", [True, False])
@pytest.mark.parametrize(("zone", "date_style", "interval_style"), STYLES)
def test_a_time_means_what_the_codec_declares_whatever_the_session_is(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    use_tz: bool,
    zone: str,
    date_style: str,
    interval_style: str,
) -> None:
    """Django itself reads times in the ISO style alone, in whichever order; the rest stands in the database for each session."""
    go(monkeypatch, way)
    for name, value in (("TimeZone", zone), ("DateStyle", date_style), ("IntervalStyle", interval_style)):
        execute(None, f"ALTER DATABASE {database.name} SET {name} = '{value}'")
    connection.close()
    with override_settings(USE_TZ=use_tz, TIME_ZONE=zone):
        comes_over(lines(tz=BERLIN), newest_first(TOLD), TOLD[::-2], [KEPT])
    connection.close()
    assert execute(None, "SHOW IntervalStyle") == [(interval_style,)]
    assert execute(None, IN_UTC) == [("2024-01-01 11:00:00",), ("2024-07-01 10:00:00",)]


@pytest.mark.parametrize("date_style", ["SQL, DMY", "SQL, MDY", "German", "Postgres, YMD"])
def test_the_database_reads_times_alike_in_every_style(
    database: Database, monkeypatch: pytest.MonkeyPatch, date_style: str
) -> None:
    filled = chunk.fill

    def in_that_style(binding: Binding, keys: Sequence[str], *more: Any, **options: Any) -> Filled:
        db.set_local("default", "DateStyle", date_style)
        try:
            return filled(binding, keys, *more, **options)
        finally:
            db.set_local("default", "DateStyle", "ISO")

    monkeypatch.setattr(chunk, "fill", in_that_style)
    comes_over(lines(tz=BERLIN), newest_first(TOLD), TOLD[::-2], [KEPT])
    assert execute(None, IN_UTC) == [("2024-01-01 11:00:00",), ("2024-07-01 10:00:00",)]


def test_times_are_those_of_the_list_and_rows_get_no_other(database: Database) -> None:
    binding = lines(tz=BERLIN)
    parent(binding, 1, {"stdout": ["[0001-01-02 00:00:00] INFO x", "[9999-12-31 23:59:59] INFO y"]})
    to_the_end(binding)
    found = execute(None, "SELECT (created_at AT TIME ZONE 'Europe/Berlin')::text FROM jobs_joblog ORDER BY position")
    assert found == [("9999-12-31 23:59:59",), ("0001-01-02 00:00:00",)]
