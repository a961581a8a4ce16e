"""Processes, connections and the server are hit again and again: nothing is lost or doubled, one chunk at most is done again."""

from collections.abc import Iterator

import pytest

from cutover.demo.server import Server
from damage import blows
from damage.stage import Stage, staged
from databases import Database


@pytest.fixture
def stage(database: Database, server: Server, request: pytest.FixtureRequest) -> Iterator[Stage]:
    with staged(server, database.uri, "device_events", request.param) as made:
        yield made


@pytest.mark.parametrize("stage", [20_000], indirect=True)
def test_killed_twenty_times_in_one_backfill(stage: Stage) -> None:
    found = blows.kills(stage, 20)
    assert found.bad == []
    assert found.times >= 20


@pytest.mark.parametrize("stage", [12_000], indirect=True)
def test_workers_outlive_the_end_of_their_connections(stage: Stage) -> None:
    found = blows.terminations(stage, 15)
    assert found.bad == []
    assert found.times


@pytest.mark.parametrize("stage", [12_000], indirect=True)
def test_workers_outlive_the_restarts_of_the_server(stage: Stage) -> None:
    found = blows.restarts(stage, 2)
    assert found.bad == []
    assert found.times == 2


@pytest.mark.parametrize("stage", [12_000], indirect=True)
def test_one_that_slept_past_its_lease_notices_that_it_was_replaced(stage: Stage) -> None:
    found = blows.stops(stage, 2)
    assert found.bad == []
    assert found.times


@pytest.mark.parametrize("stage", [1_000], indirect=True)
def test_one_that_sleeps_inside_a_chunk_does_not_keep_its_segment(stage: Stage) -> None:
    found = blows.stop_in_a_chunk(stage)
    assert found.bad == []
    assert found.account.silenced == 1
