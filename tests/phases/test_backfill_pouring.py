"""Codecs without SQL: pouring whole lists in makes the rows that the slow way through Python makes, or leaves it to that."""

import json
import os
import signal
import threading
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import transaction

from backfilling import all_rows, elements, execute, parent, to_the_end
from cutover import backfill, beside, db
from cutover.backfill import pouring, slices, streaming, visit
from cutover.backfill.pouring import Poured
from databases import Database
from plaincodecs import Plain, without_sql
from waiting import wait_until

DOCUMENTS: dict[str, list[Any]] = {
    "job_logs": [
        {
            "stdout": [f"[2024-01-02 03:04:{n:02}] {'ERROR' if n % 3 else 'INFO'} m{n}" for n in range(30)],
            "stderr": ["m2", "m1"],
        },
        {"stdout": ["[2024-01-02 03:04:05] INFO a", "[2024-01-02 03:04:05] INFO a"], "stderr": []},
        {
            "stdout": [
                "[2024-02-30 03:04:05] INFO a",
                5,
                None,
                "[2024-01-02 03:04:05] LEVELTOOLONG a",
                "[2024-01-01 00:00:00] I b",
            ]
        },
        {"stdout": ["[2024-01-02 03:04:05] INFO       a", "[2024-01-02 03:04:05]             a"]},
        {"stdout": "x", "stderr": ["only here"]},
        {"stdout": {"a": []}},
        None,
        [],
    ],
    "device_events": [
        [{"kind": "a", "x": {"n": 1.5}}, {"kind": 5}, {"kind": 5}, {"kind": "b", "at": "2024-01-02T03:04:05Z"}],
        [{"kind": "a", "x": 0.25}, {"kind": "a", "x": None}, {"kind": "a", "x": 12345678901234567890123}],
        {"no": "list"},
    ],
    "account_tags": [
        {"tags": {"color": ["red", "blue", "red"], "size": [], "k" * 300: ["x"]}, "theme": "dark"},
        {"tags": {"a": ["x", 5], "b": "y"}},
        {"tags": {"a": ["x"], "b": ["y", "z"]}},
    ],
    "ticket_history": [
        {"changes": {"items": [["state", 1], ["state", None], ["owner", 3], ["state", 1]]}},
        {"changes": {"items": [["state", 1, 2], ["a", {"b": [1.50]}]]}},
    ],
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_pouring_makes_the_same_rows_and_refuses_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    binding = without_sql(name)
    for number, document in enumerate(DOCUMENTS[name], start=1):
        parent(binding, number, document)
    poured: list[Poured] = []
    fill = pouring.fill

    def kept(*args: Any, **more: Any) -> Poured:
        poured.append(fill(*args, **more))
        return poured[-1]

    monkeypatch.setattr(streaming.pouring, "fill", kept)
    to_the_end(binding)
    rows, refused = all_rows(binding), quarantined()
    assert name == "ticket_history" or any(each.parents for each in poured), "nothing was poured"
    execute(None, f"TRUNCATE {binding.child.name}, cutover_quarantine")
    backfill.reset(binding)
    monkeypatch.setattr(streaming.pouring, "fill", lambda *_, **__: Poured())
    to_the_end(binding)
    assert sorted(map(str, all_rows(binding))) == sorted(map(str, rows))
    assert quarantined() == refused


def test_without_a_second_connection_the_first_one_gives_and_takes_in_turn(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one COPY it would wait for itself."""
    binding = without_sql("job_logs")
    lines = [f"[2024-01-02 03:{n // 60:02}:{n % 60:02}] INFO m{n}" for n in range(1200, 0, -1)]
    parent(binding, 1, {"stdout": lines})
    monkeypatch.setattr(slices, "MOST", 500)

    def unavailable(*_: object) -> None:
        raise beside.Unavailable

    monkeypatch.setattr(beside, "begun", unavailable)
    with transaction.atomic():
        visit.prepare(binding)
        assert pouring.fill(binding, binding.streams[0], ["1"]).inserted == 1200
    assert elements(binding, 1) == lines[::-1]


@pytest.mark.parametrize("running", [True, False])
def test_lists_come_from_a_second_connection_of_the_same_server(
    database: Database, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    """Where the chunk's transaction does not run there, it is another server, maybe one that is behind."""
    binding = without_sql("job_logs")
    lines = [f"[2024-01-02 03:{n // 60:02}:{n % 60:02}] INFO m{n}" for n in range(1200, 0, -1)]
    parent(binding, 1, {"stdout": lines})
    over = execute(None, "SELECT pg_current_xact_id()::text")[0][0]
    seen, poured = list[tuple[bool, int]](), pouring.poured

    def kept(*args: Any, aside: bool, **more: Any) -> Poured:
        try:
            done = poured(*args, aside=aside, **more)
        except beside.Unavailable:
            seen.append((aside, -1))
            raise
        seen.append((aside, done.inserted))
        return done

    monkeypatch.setattr(pouring, "poured", kept)
    if not running:
        scalar = db.scalar
        monkeypatch.setattr(slices.db, "scalar", lambda *args: over if len(args) == 2 else scalar(*args))
    with transaction.atomic():
        visit.prepare(binding)
        pouring.fill(binding, binding.streams[0], ["1"])
    assert seen == ([(True, 1200)] if running else [(True, -1), (False, 1200)])
    assert elements(binding, 1) == lines[::-1]


def quarantined() -> list[tuple[Any, ...]]:
    return execute(
        None,
        "SELECT stream, parent_key, occurrence, element, reason FROM cutover_quarantine ORDER BY 1, 2, 4, 3",
    )


def test_memory_is_that_of_a_batch_and_not_of_the_document(database: Database) -> None:
    """A list of 20 MiB: as Python objects it takes more than 40. Fails where the document is read whole."""
    binding = without_sql("job_logs")
    execute(
        None,
        "INSERT INTO jobs_job (name, progress, logs) SELECT '', 0, jsonb_build_object('stdout', jsonb_agg("
        "'[2024-01-01 00:00:00] INFO ' || n || repeat('x', 1000))) FROM generate_series(1, 20000) n",
    )
    (key,) = execute(None, "SELECT id::text FROM jobs_job")[0]
    tracemalloc.start()
    with transaction.atomic():
        visit.prepare(binding)
        done = pouring.fill(binding, binding.streams[0], [key])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (done.inserted, done.parents) == (20_000, {key})
    assert peak < 20 * 2**20, f"{peak / 2**20:.0f} MiB"


def test_a_value_that_the_column_would_change_is_not_poured(database: Database) -> None:
    """A text column cuts spaces off at its length without a word, so COPY would lose them."""
    binding = without_sql("job_logs")
    stream = binding.streams[0]

    class Padded(Plain):
        def decode(self, element: object) -> dict[str, object]:
            found = self.inner.decode(element)
            return {**found, "level": f"{found['level']:20}"}

        def encode(self, row: Mapping[str, object]) -> object:
            return self.inner.encode({**row, "level": str(row["level"]).rstrip(" ")})

    padded = replace(stream, codec=Padded(stream.codec.inner))  # type: ignore[attr-defined]
    key = parent(binding, 1, {"stdout": ["[2024-01-01 00:00:00] INFO x"]})
    with transaction.atomic():
        visit.prepare(binding)
        assert pouring.fill(binding, padded, [str(key)]) == Poured()
        assert pouring.fill(binding, stream, [str(key)]).inserted == 1


def test_a_row_that_the_stream_would_not_show_is_not_poured(database: Database) -> None:
    binding = without_sql("job_logs")
    stream = binding.streams[0]
    hidden = replace(stream, shown=binding.streams[1].shown)
    key = parent(binding, 1, {"stdout": ["[2024-01-01 00:00:00] INFO x"]})
    with transaction.atomic():
        visit.prepare(binding)
        assert pouring.fill(binding, hidden, [str(key)]) == Poured()
    assert json.loads(json.dumps(all_rows(binding), default=str)) == []


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("job_logs", {"stdout": [f"[2024-01-01 00:00:0{n}] INFO x" for n in range(3)]}),
        ("device_events", [{"kind": "a", "count": n} for n in range(3)]),
    ],
)
def test_rows_that_a_trigger_takes_away_are_not_taken_for_there(database: Database, name: str, document: Any) -> None:
    """Also where every row is shown, so that nobody asks how many are."""
    binding = without_sql(name)
    key = parent(binding, 1, document)
    execute(None, "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    execute(
        None,
        f"CREATE TRIGGER away BEFORE INSERT ON {binding.child.name} FOR EACH ROW WHEN (NEW.position = -2)"
        " EXECUTE FUNCTION nothing()",
    )
    with transaction.atomic():
        visit.prepare(binding)
        assert pouring.fill(binding, binding.streams[0], [str(key)]) == Poured()
    assert all_rows(binding) == []


class SoftTimeLimitExceeded(Exception):
    """What a task queue raises from a signal."""


def test_a_time_limit_inside_of_the_copy_ends_its_statement_too(
    database: Database, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    """Or it would go on in the server, with its locks, for as long as it takes."""
    binding, other = without_sql("job_logs"), connect()
    key = parent(binding, 1, {"stdout": ["[2024-01-01 00:00:00] INFO x"]})
    execute(
        None,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END'",
    )
    execute(None, "CREATE TRIGGER slow AFTER INSERT ON jobs_joblog EXECUTE FUNCTION slow()")

    def sleeping() -> bool:
        return bool(other.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'").rowcount)

    def limit() -> None:
        wait_until(sleeping, 20)
        os.kill(os.getpid(), signal.SIGALRM)

    def struck(*_: object) -> None:
        raise SoftTimeLimitExceeded

    def poured() -> None:
        with transaction.atomic():
            visit.prepare(binding)
            pouring.fill(binding, binding.streams[0], [str(key)])

    before, thread = signal.signal(signal.SIGALRM, struck), threading.Thread(target=limit)
    thread.start()
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            poured()
    finally:
        thread.join()
        signal.signal(signal.SIGALRM, before)
    wait_until(lambda: not sleeping(), 5)
    assert all_rows(binding) == []
