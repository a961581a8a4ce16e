"""Lists taken apart on a second connection: the same rows as by one statement, or nothing at all of it."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection

from backfilling import EXAMPLES, all_rows, execute, parent, to_the_end
from cutover import backfill, beside, db
from cutover.backfill import chunk, crew, piped, reach, visit
from cutover.chunk import Pace
from cutover.mapping import Binding, BoundStream
from databases import Database
from stages import at_phase
from waiting import wait_until

Outcomes = list[tuple[set[str], int]]


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> Outcomes:
    """What each attempt at a first stream gave; a single element is worth the way, whoever else is at work."""
    found, fill, look = Outcomes(), piped.fill, crew.Post.look

    def kept(binding: Binding, stream: BoundStream, counts: Mapping[str, int]) -> tuple[set[str], int]:
        one = fill(binding, stream, counts)
        if not stream.number:
            found.append(one)
        return one

    monkeypatch.setattr(piped, "FEWEST", 1)
    monkeypatch.setattr(crew.Post, "look", lambda self: replace(look(self), others=False, alone=True))
    monkeypatch.setattr(chunk.piped, "fill", kept)
    return found


def lines(first: int, last: int, level: str = "INFO") -> list[str]:
    """Lines of a job, newest first."""
    return [f"[2024-01-02 {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}] {level} m{n}" for n in range(last, first, -1)]


def piped_over(outcomes: Outcomes) -> set[str]:
    return set().union(*(keys for keys, _ in outcomes))


DOCUMENTS: dict[str, list[Any]] = {
    "job_logs": [
        {"stdout": lines(0, 90, "ERROR") + lines(90, 95), "stderr": [f"m{n}" for n in range(90, 40, -1)]},
        {"stdout": lines(0, 3), "stderr": ["nowhere else"]},
        {"stdout": [], "stderr": ["x"]},
        {},
        None,
    ],
    "device_events": [[{"kind": "on", "count": n, "x": {"n": 1.5, "z": None}} for n in range(50)], []],
    "account_tags": [EXAMPLES["account_tags"], {"tags": {}}, {"theme": "dark"}],
    "ticket_history": [EXAMPLES["ticket_history"], {"changes": {"items": [["a", None]] * 5}}, {"changes": None}],
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_rows_are_those_of_the_one_statement(
    database: Database, monkeypatch: pytest.MonkeyPatch, outcomes: Outcomes, name: str
) -> None:
    binding = at_phase(name, 2)
    for number, document in enumerate(DOCUMENTS[name], start=1):
        parent(binding, number, document)
    to_the_end(binding)
    rows = all_rows(binding)
    assert piped_over(outcomes), "nothing came over the second connection"
    assert backfill.why_incomplete(binding) == []
    execute(None, f"TRUNCATE {binding.child.name}")
    backfill.reset(binding)
    monkeypatch.setattr(chunk.piped, "fill", lambda *_: (set(), 0))
    to_the_end(binding)
    assert sorted(map(str, all_rows(binding))) == sorted(map(str, rows))


BAD: dict[str, list[Any]] = {
    "an impossible day": ["[2024-02-30 00:00:00] INFO x", *lines(0, 5)],
    "another type": [5, *lines(0, 5)],
    "null": [*lines(0, 5), None],
    "an equal element": [*lines(0, 5), *lines(0, 1)],
    "a level that is too long": [*lines(0, 5), "[2024-01-01 00:00:00] LEVELTOOLONG x"],
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_element_leaves_the_chunk_to_the_other_ways(database: Database, outcomes: Outcomes, what: str) -> None:
    binding = at_phase("job_logs", 2)
    parent(binding, 1, {"stdout": lines(0, 20)})
    parent(binding, 2, {"stdout": BAD[what]})
    to_the_end(binding)
    assert piped_over(outcomes) == set()
    good = execute(None, "SELECT job_id, count(*), count(DISTINCT message) FROM jobs_joblog GROUP BY 1 ORDER BY 1")
    assert good == [(1, 20, 20), (2, 5, 5)]


def test_parents_with_rows_are_not_among_them(database: Database, outcomes: Outcomes) -> None:
    binding = at_phase("job_logs", 2)
    for number in (1, 2):
        parent(binding, number, {"stdout": lines(0, 20)})
    execute(
        None,
        "INSERT INTO jobs_joblog (job_id, position, created_at, level, message)"
        " VALUES (1, 3, '2024-01-02 00:00:20+00', 'INFO', 'm20')",
    )
    to_the_end(binding)
    assert piped_over(outcomes) == {"2"}
    assert execute(None, "SELECT job_id, count(DISTINCT message) FROM jobs_joblog GROUP BY 1 ORDER BY 1") == [
        (1, 20),
        (2, 20),
    ]


def test_a_parent_with_something_misplaced_does_not_send_its_chunk_the_slow_way(
    database: Database, outcomes: Outcomes
) -> None:
    binding = at_phase("job_logs", 2)
    parent(binding, 1, {"stdout": lines(0, 20)})
    for number, document in enumerate(([], "text", {"stdout": "no list"}), start=2):
        parent(binding, number, document)
    to_the_end(binding)
    assert outcomes[0] == ({"1"}, 20)
    assert execute(None, "SELECT count(*) FROM cutover_quarantine") == [(3,)]


# What happens in between


@contextmanager
def before_the_copy(monkeypatch: pytest.MonkeyPatch, event: Callable[[], object]) -> Iterator[None]:
    """Once, after the chunk has counted and before the second connection reads."""
    copied, left = beside.copied, [event]

    def late(alias: str, *given: Any) -> Any:
        if left:
            left.pop()()
        return copied(alias, *given)

    monkeypatch.setattr(piped.beside, "copied", late)
    yield
    assert not left


APPENDED = """
    WITH written AS (
        UPDATE jobs_job SET logs = jsonb_insert(logs, '{stdout,0}', '"[2024-01-03 00:00:00] INFO live"') RETURNING id)
    INSERT INTO jobs_joblog (job_id, position, created_at, level, message)
    SELECT id, 1, '2024-01-03 00:00:00+00', 'INFO', 'live' FROM written
"""


def test_a_dual_write_in_between_is_not_doubled(
    database: Database, monkeypatch: pytest.MonkeyPatch, outcomes: Outcomes, connect: Callable[..., Any]
) -> None:
    """The second connection sees the element, and that its parent has a row by now."""
    binding, other = at_phase("job_logs", 2), connect()
    parent(binding, 1, {"stdout": lines(0, 20)})
    with before_the_copy(monkeypatch, lambda: other.execute(APPENDED)):
        to_the_end(binding)
    assert outcomes[0] == (set(), 0)
    assert execute(None, "SELECT count(*), count(DISTINCT message) FROM jobs_joblog") == [(21, 21)]


def test_whoever_waits_for_the_parents_table_does_not_stop_the_chunk(
    database: Database, monkeypatch: pytest.MonkeyPatch, outcomes: Outcomes, connect: Callable[..., Any]
) -> None:
    """It queues behind the chunk, and the second connection behind it: a circle that the server cannot see."""
    binding, ddl, watcher = at_phase("job_logs", 2), connect(), connect()
    parent(binding, 1, {"stdout": lines(0, 20)})
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"

    def queue() -> None:
        ddl.pgconn.send_query(b"ALTER TABLE jobs_job ADD COLUMN more integer")
        ddl.pgconn.flush()
        wait_until(lambda: watcher.execute(waiting).fetchall())

    with before_the_copy(monkeypatch, queue):
        assert list(backfill.run(binding))[-1].finished
    assert outcomes[0] == (set(), 0)
    assert execute(None, "SELECT count(*), count(DISTINCT message) FROM jobs_joblog") == [(20, 20)]


def second_pid() -> int:
    """The server's process of the second connection."""
    driver: Any = beside._held.open["default"].connection
    return int(driver.info.backend_pid)


def asked(binding: Binding, keys: list[str]) -> reach.Reach:
    return reach.among(binding, keys, Pace())


def fill_in_a_transaction(binding: Binding, number: int) -> int:
    with db.read_committed("default"):
        visit.prepare(binding)
        return visit.fill(binding, asked(binding, [str(number)]), Pace(), precise=False).inserted


def test_a_second_connection_that_dies_in_the_middle_leaves_nothing_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch, outcomes: Outcomes, connect: Callable[..., Any]
) -> None:
    binding, other, read = at_phase("job_logs", 2), connect(), beside.blocks
    parent(binding, 1, {"stdout": lines(0, 900)})
    monkeypatch.setattr(beside, "BLOCK", 1000)

    def cut(*given: Any) -> Iterator[bytes]:
        found = read(*given)
        yield next(found)
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [second_pid()])
        yield from found

    monkeypatch.setattr(beside, "blocks", cut)
    assert fill_in_a_transaction(binding, 1) == 900
    assert outcomes == [(set(), 0)]
    assert execute(None, "SELECT count(*), count(DISTINCT message) FROM jobs_joblog") == [(900, 900)]


def test_a_second_connection_that_does_not_answer_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch, outcomes: Outcomes
) -> None:
    """As behind a pooler that has no server left for it."""
    binding = at_phase("job_logs", 2)
    for number in (1, 2, 3):
        parent(binding, number, {"stdout": lines(0, 20)})
    fill_in_a_transaction(binding, 1)
    monkeypatch.setattr(beside, "PATIENCE", 0.2)
    stopped = second_pid()
    os.kill(stopped, signal.SIGSTOP)
    try:
        assert [fill_in_a_transaction(binding, number) for number in (2, 3)] == [20, 20]
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert [len(keys) for keys, _ in outcomes] == [1, 0, 0]
    assert "default" not in beside._held.open


def test_a_server_on_which_the_chunk_does_not_run_is_not_read(database: Database, outcomes: Outcomes) -> None:
    """A standby that is behind would be taken for a table without rows."""
    binding = at_phase("job_logs", 2)
    parent(binding, 1, {"stdout": lines(0, 20)})
    values: Mapping[str, object] = {
        "keys": ["1"],
        "transaction": execute(None, "SELECT pg_current_xact_id()::text")[0][0],
    }
    text = piped.statement(binding, binding.streams[0])
    with pytest.raises(beside.Unavailable), beside.copied("default", text, values) as found:
        list(found)
    with db.read_committed("default"):
        now = {**values, "transaction": execute(None, "SELECT pg_current_xact_id()::text")[0][0]}
        with beside.copied("default", text, now) as found:
            assert len(b"".join(found)) > 500


def test_the_lists_are_read_by_the_keys_and_rows_by_an_index(database: Database) -> None:
    """Without statistics each parent seems to have a large part of the rows; a scan per parent would be quadratic."""
    binding = at_phase("job_logs", 2)
    execute(None, "INSERT INTO jobs_job (name, progress) SELECT '', 0 FROM generate_series(1, 2000)")
    execute(
        None,
        "INSERT INTO jobs_joblog (job_id, position, level, message)"
        " SELECT n % 2000, -n, 'x', 'y' FROM generate_series(1, 20000) n",
    )
    text = piped.statement(binding, binding.streams[0])
    inner = text[text.index("(") + 1 : text.rindex(") TO STDOUT")]
    with db.read_committed("default"):
        visit.prepare(binding)
        number = execute(None, "SELECT pg_current_xact_id()::text")[0][0]
        for statement in (inner, piped.occupied(binding)):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {statement}", {"keys": ["1", "2", "3"], "transaction": number})
                plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan" not in plan
            assert "jobs_joblog" in plan
            assert "jobs_job_pkey" in plan or statement is not inner


def test_it_needs_no_more_than_a_connection_of_its_own(database: Database, outcomes: Outcomes) -> None:
    """Where the server takes no more connections the backfill goes on with the one it has."""
    binding = at_phase("job_logs", 2)
    parent(binding, 1, {"stdout": lines(0, 20)})
    execute(None, "SELECT 1")
    name = psycopg.conninfo.conninfo_to_dict(database.uri)["dbname"]
    execute(None, f'ALTER DATABASE "{name}" CONNECTION LIMIT 1')
    execute(None, "CREATE ROLE piped_ordinary LOGIN")
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setitem(connection.settings_dict, "USER", "piped_ordinary")
            assert fill_in_a_transaction(binding, 1) == 20
        assert outcomes == [(set(), 0)]
    finally:
        execute(None, "DROP ROLE piped_ordinary")
