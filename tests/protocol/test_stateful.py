"""The protocol on a real database: whatever the order of writers, operator and backfill, every reader sees what was committed."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings as project
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from cutover.mapping import bind
from protocol.lists import SHAPES, Shape
from protocol.machine import Machine

# More of them, to look for what is rare: CUTOVER_TEST_WALKS=200.
WALKS = settings(
    max_examples=int(os.environ.get("CUTOVER_TEST_WALKS", "8")),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # a step takes a tenth of a second; shrinking would take minutes
)


@pytest.mark.slow
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_every_reader_sees_what_was_committed(
    shape: Shape,
    connect: Callable[..., psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bind(shape.name).cutover, "quiet", timedelta(0))
    monkeypatch.setattr(project, "CUTOVER_LEASE_SECONDS", 0.02)
    run_state_machine_as_test(lambda: Machine(shape, connect), settings=WALKS)  # type: ignore[arg-type]
