"""The claimed lists leave a column that stays: in chunks, killed and resumed, throttled, and with short locks only."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.db import connection

from cutover import db, ledger
from cutover.chunk import Pace
from cutover.errors import Busy
from cutover.mapping import Binding
from cutover.operations import StripClaimed
from cutover.schema import locks, residue
from databases import Database
from migrating import backwards, documents, droppable, forwards
from project.jobs.models import Job
from waiting import backend_pid, wait_until

Connect = Callable[..., psycopg.Connection[Any]]

ROOT = Path(__file__).parents[2]
STRIP = StripClaimed("job_logs", archive="waived by Ada")
LINE = "[2026-01-02 03:04:05] INFO line {}"
UNTIL_THE_FOURTH_CHUNK = """
import time
import django
django.setup()
from cutover.schema import residue
from migrating import forwards
from cutover.operations import StripClaimed

class Three(residue.Pace):
    size = 3

strip_chunk, done = residue.strip_chunk, []

def chunk(*args):
    found = strip_chunk(*args)
    done.append(found)
    if len(done) == 4:
        print("in the fourth", flush=True)
        time.sleep(60)
    return found

residue.Pace, residue.strip_chunk = Three, chunk
forwards(StripClaimed("job_logs", archive="waived by Ada"))
"""


@pytest.fixture
def binding(database: Database, monkeypatch: pytest.MonkeyPatch) -> Binding:
    """Twenty jobs, and chunks of three."""

    class Three(Pace):
        size = 3  # type: ignore[assignment]

    monkeypatch.setattr(residue, "Pace", Three)
    for n in range(20):
        Job.objects.create(logs={"stdout": [LINE.format(n)], "host": "a"})
    return droppable("job_logs")


def stripped(binding: Binding) -> int:
    return sum(text == '{"host": "a"}' for _, text in documents(binding))


def test_killed_in_the_middle_of_a_chunk_it_goes_on_behind_the_last_whole_one(binding: Binding) -> None:
    before = documents(binding)
    paths = os.pathsep.join(map(str, (ROOT / "tests", ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "project.settings"}
    child = subprocess.Popen(
        [sys.executable, "-c", UNTIL_THE_FOURTH_CHUNK], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "in the fourth\n"
    child.send_signal(signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL
    child.stdout.close()
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    wait_until(lambda: db.scalar("default", others) == 0, why="the server has noticed")
    assert stripped(binding) == 9
    epoch = ledger.read("default", "job_logs").epoch
    assert list(residue.strip(binding, epoch, lambda: None)) == [3, 3, 3, 2]
    assert stripped(binding) == 20
    backwards(STRIP)
    assert {key: text for key, text in documents(binding) if '"host"' in text}.keys() == dict(before).keys()
    assert stripped(binding) == 0


def test_it_rests_while_the_backfill_is_paused(binding: Binding, connect: Connect) -> None:
    db.run("default", "UPDATE cutover_ledger SET paused = true")
    done: list[bool] = []

    def strip() -> None:
        try:
            forwards(STRIP)
            done.append(True)
        finally:
            connection.close()

    look = connect()
    thread = Thread(target=strip)
    thread.start()
    asked = "SELECT 1 FROM pg_stat_activity WHERE application_name <> %s AND query LIKE %s AND pid <> pg_backend_pid()"
    wait_until(lambda: look.execute(asked, ["", "%pg_stat_%"]).fetchone() or thread.is_alive())
    assert not done
    assert stripped(binding) == 0
    look.execute("UPDATE cutover_ledger SET paused = false")
    thread.join(30)
    assert done == [True]
    assert stripped(binding) == 20


def test_row_that_somebody_holds_is_waited_for_briefly_and_who_may_hold_it_is_named(
    binding: Binding, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(locks.short_lock.__kwdefaults__, "tries", 2)
    monkeypatch.setitem(locks.short_lock.__kwdefaults__, "pause", lambda _: None)
    holder = connect(autocommit=False, application_name="importer")
    holder.execute("SELECT FROM jobs_job WHERE id = (SELECT max(id) FROM jobs_job) FOR UPDATE")
    with pytest.raises(
        Busy, match=rf"^No lock on jobs_job in 2 tries of 0\.5 s; it was held by pid {backend_pid(holder)}, "
    ):
        forwards(STRIP)
    assert stripped(binding) == 18
    holder.rollback()
    forwards(STRIP)
    assert stripped(binding) == 20
