"""What the server refuses is said as what it is, with its exit code and what to do; then the same command ends the work."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest

from cutover.demo.server import Server
from damage import refusals
from damage.stage import Stage, staged
from databases import Database

Made = Callable[..., AbstractContextManager[Stage]]


@pytest.fixture
def made(database: Database, server: Server) -> Made:
    return partial(staged, server, database.uri)


def test_a_deadlock_with_a_live_writer_is_tried_again(made: Made) -> None:
    with made("ticket_history", 2_000) as stage:
        found = refusals.deadlocks(stage, 3)
    assert found.bad == []


def test_a_parent_that_stays_locked_is_busy(made: Made) -> None:
    with made("ticket_history", 200) as stage:
        assert refusals.locked_parent(stage).bad == []


def test_workers_without_patience_for_locks_say_so_or_end_the_work(made: Made) -> None:
    with made("ticket_history", 2_000) as stage:
        assert refusals.short_patience(stage).bad == []


def test_chunks_that_a_statement_timeout_ends_get_smaller(made: Made) -> None:
    with made("device_events", 200) as stage:
        assert refusals.slow_rows(stage).bad == []


def test_an_element_that_takes_too_long_alone_is_a_timeout_and_no_quarantine(made: Made) -> None:
    with made("device_events", 100) as stage:
        assert refusals.one_slow_row(stage).bad == []


def test_a_full_disk_is_named_and_once_there_is_room_the_work_ends(made: Made) -> None:
    with made("device_events", 3_000) as stage:
        found = refusals.full_disk(stage)
    if found is None:
        pytest.skip("no file system can be mounted by this account")
    assert found.bad == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("53100", "The server's disk is full"),
        ("53200", "The server's memory is used up"),
        ("53400", "A limit of the server is reached"),
        ("58030", "The server cannot use its files"),
    ],
)
def test_an_error_of_the_server_is_no_fault_of_an_element(made: Made, state: str, words: str) -> None:
    with made("device_events", 100) as stage:
        found = refusals.raised(stage, state, "as the trigger says", words)
    assert found.bad == []


def test_a_database_that_takes_no_writes_is_named(made: Made) -> None:
    with made("device_events", 8_000) as stage:
        assert refusals.read_only(stage).bad == []
