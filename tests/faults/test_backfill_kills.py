"""Whatever dies, whenever: nothing is lost, nothing is there twice, and no error is taken for the end of the work."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, ProgrammingError

from backfilling import all_rows, elements, execute, parent, to_the_end
from cutover import backfill
from cutover.backfill import chunk, columns, quarantine, visit
from cutover.demo.server import Server
from cutover.errors import DeclarationError, Incomplete
from cutover.mapping import Binding
from databases import Database
from project.shapes.models import Event
from stages import at_phase
from waiting import wait_until

PROGRAM = """
import django
django.setup()
from datetime import timedelta
from cutover import backfill
from cutover.mapping import bind
print("ready", flush=True)
for each in backfill.run(bind("device_events"), target=timedelta(milliseconds=25)):
    pass
print("finished" if each.finished else "stopped", flush=True)
"""
ROOT = Path(__file__).parents[2]


def devices(binding: Binding, count: int) -> list[Any]:
    return [parent(binding, number, [{"kind": f"k{n}"} for n in range(number % 9)]) for number in range(1, count + 1)]


def whole(binding: Binding) -> None:
    for one, text in execute(None, "SELECT id, events::text FROM shapes_device"):
        assert elements(binding, one) == json.loads(text)


def start() -> "subprocess.Popen[str]":
    """A worker as a process of its own; DATABASE_URL and the flags are in the environment."""
    import os

    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings", "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    worker = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=environment)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    return worker


def test_killed_at_random_moments_it_loses_and_doubles_nothing(database: Database) -> None:
    binding = at_phase("device_events", 2)
    devices(binding, 1500)
    killed = 0
    for _ in range(4):
        worker = start()
        before = len(all_rows(binding))
        wait_until(lambda before=before, worker=worker: worker.poll() is not None or len(all_rows(binding)) > before)  # type: ignore[misc]
        time.sleep(random.uniform(0, 0.05))  # noqa: S311 - a moment
        worker.send_signal(signal.SIGKILL)
        killed += worker.wait() == -signal.SIGKILL
        assert worker.stdout is not None
        worker.stdout.close()
    assert killed
    last = list(backfill.run(binding))[-1]
    assert last.finished
    assert last.elements == len(all_rows(binding))
    whole(binding)


def test_terminated_backends_are_replaced_and_the_work_goes_on(
    database: Database, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    binding = at_phase("device_events", 2)
    devices(binding, 1500)
    killer, over, progressed, killed = connect(), threading.Event(), threading.Event(), []

    def kill() -> None:
        """Once after every commit, so that a slow machine still gets on."""
        while not over.is_set():
            if not progressed.wait(0.1):
                continue
            progressed.clear()
            time.sleep(random.uniform(0, 0.03))  # noqa: S311 - somewhere in the next chunk
            killed.extend(
                killer.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchall()
            )

    thread = threading.Thread(target=kill)
    told = backfill.run(binding, target=timedelta(milliseconds=25))
    next(told)
    thread.start()
    try:
        for number, _ in enumerate(told):
            progressed.set()
            if number == 12:
                over.set()
    finally:
        over.set()
        thread.join()
    assert killed
    whole(binding)


def test_a_server_that_restarts_is_waited_for(database: Database, server: Server) -> None:
    binding = at_phase("device_events", 2)
    devices(binding, 500)
    told = backfill.run(binding, target=timedelta(milliseconds=25))
    next(told)
    server.restart("fast")
    assert list(told)[-1].finished
    whole(binding)


@pytest.mark.parametrize("count", [1, 40])
def test_an_element_that_the_database_refuses_is_found_and_its_neighbours_go_in(database: Database, count: int) -> None:
    binding = at_phase("device_events", 2)
    execute(None, "ALTER TABLE shapes_event ADD CONSTRAINT no_evil CHECK (kind <> 'evil')")
    for number in range(1, count):
        parent(binding, number, [{"kind": "a"}])
    one = parent(binding, count, [{"kind": "a"}, {"kind": "evil"}, {"kind": "b"}])
    last = list(backfill.run(binding))[-1]
    assert (last.finished, last.quarantined, last.elements) == (True, 1, count + 1)
    assert [each["kind"] for each in elements(binding, one)] == ["a", "b"]
    (held,) = quarantine.listing("default", "device_events")
    assert json.loads(held.element) == {"kind": "evil"}
    assert held.reason.startswith("The database refuses its row: ")
    assert "no_evil" in held.reason
    assert backfill.why_incomplete(binding) == []


def test_a_bug_is_no_end_of_the_loop(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = at_phase("device_events", 2)
    devices(binding, 300)
    told = backfill.run(binding)
    next(told)

    def broken(*_: object, **__: object) -> None:
        raise ProgrammingError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(chunk, "fill", broken)
        with pytest.raises(ProgrammingError):
            list(told)
    assert backfill.why_incomplete(binding)[0] == "1 of 1 segments of device_events are not done."
    to_the_end(binding)
    whole(binding)


def test_a_reset_beside_a_worker_ends_it_with_an_error(database: Database) -> None:
    binding = at_phase("device_events", 2)
    devices(binding, 300)
    told = backfill.run(binding)
    next(told)
    backfill.reset(binding)
    with pytest.raises(Incomplete, match="somebody has reset the backfill"):
        list(told)


def test_rows_and_cursor_are_one_commit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = at_phase("device_events", 2)
    devices(binding, 300)

    def broken(*args: object, **options: object) -> None:
        raise DatabaseError("between the rows and their cursor")

    with monkeypatch.context() as patched:
        patched.setattr(visit.lease, "advance", broken)
        with pytest.raises(DatabaseError):
            list(backfill.run(binding))
    assert all_rows(binding) == []
    to_the_end(binding)
    whole(binding)


def test_a_column_that_nobody_gives_is_named_before_anything_is_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("device_events", 2)
    devices(binding, 2)
    columns.of.cache_clear()
    monkeypatch.setattr(Event._meta.get_field("at"), "null", False)
    stream = binding.streams[0]
    monkeypatch.setattr(stream.codec, "columns", ("kind", "count", "extra"))
    try:
        with pytest.raises(DeclarationError) as refused:
            list(backfill.run(binding))
    finally:
        columns.of.cache_clear()
    assert str(refused.value) == "device_events.events: at takes no NULL, and neither the codec nor `fill` gives it."
    assert all_rows(binding) == []
