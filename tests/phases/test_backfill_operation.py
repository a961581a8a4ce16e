"""Running a backfill: what it waits for, how gently it goes, and what others see of it."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.conf import LazySettings
from psycopg import sql

from backfilling import EXAMPLES, execute, parent, to_the_end
from cutover import backfill, chunk
from cutover.backfill import controls, crew, plan, throttle, visit, work
from cutover.backfill.run import pace
from cutover.chunk import Pace
from cutover.errors import DeclarationError
from cutover.mapping import Binding
from cutover.sql import query
from databases import Database
from stages import at_phase
from waiting import backend_pid, blocked_by, wait_until

Connect = Callable[..., psycopg.Connection[Any]]


def jobs(count: int) -> Binding:
    binding = at_phase("job_logs", 2)
    for number in range(1, count + 1):
        parent(binding, number, EXAMPLES["job_logs"])
    return binding


def set_by_another_terminal(binding: Binding, **asked: Any) -> None:
    controls.change(binding, who="ann", **asked)


def test_an_old_transaction_is_named_and_by_default_not_waited_for(
    database: Database, connect: Connect, settings: LazySettings
) -> None:
    binding = jobs(10)
    holder = connect(autocommit=False, application_name="report")
    holder.execute("UPDATE jobs_job SET progress = 1")
    settings.CUTOVER_OLD_TRANSACTION_REPORT_SECONDS = 1e-3
    named = rf"The transaction pid {backend_pid(holder)} \(report\) is \d+ s old; dead rows stay until it ends\."
    (note,) = backfill.status(binding).notes
    assert re.fullmatch(named, note)
    assert backfill.status(binding).waiting == []
    assert re.fullmatch(named, to_the_end(binding).notes)
    settings.CUTOVER_OLD_TRANSACTION_REPORT_SECONDS = 300
    assert backfill.status(binding).notes == []


def test_an_old_transaction_is_waited_for_where_the_settings_say_so(
    database: Database, connect: Connect, settings: LazySettings
) -> None:
    binding = jobs(10)
    settings.CUTOVER_OLD_TRANSACTION_WAIT_SECONDS = 1e-3
    holder = connect(autocommit=False)
    holder.execute("UPDATE jobs_job SET progress = 1")
    told = backfill.run(binding)
    assert next(told).waiting.startswith(f"The transaction pid {backend_pid(holder)} is ")
    holder.rollback()
    assert list(told)[-1].finished


def test_a_transaction_that_only_sits_there_keeps_no_dead_rows(
    database: Database, connect: Connect, settings: LazySettings
) -> None:
    binding = jobs(1)
    settings.CUTOVER_OLD_TRANSACTION_WAIT_SECONDS = 1e-3
    holder = connect(autocommit=False)
    holder.execute("SELECT 1")
    assert backfill.status(binding).waiting == []


def test_a_query_of_the_project_holds_it_until_it_gives_no_reason(
    database: Database, connect: Connect, settings: LazySettings
) -> None:
    binding = jobs(10)
    execute(None, "CREATE TABLE night_shift (reason text)")
    execute(None, "INSERT INTO night_shift VALUES ('The load is at 90 %.')")
    settings.CUTOVER_THROTTLE_SQL = "SELECT reason FROM night_shift WHERE reason LIKE '%load%'"
    told = backfill.run(binding)
    assert next(told).waiting == "The load is at 90 %."
    assert backfill.status(binding).waiting == ["The load is at 90 %."]
    execute(None, "UPDATE night_shift SET reason = NULL")
    assert list(told)[-1].finished


def test_a_query_for_the_lag_takes_the_place_of_the_servers_own(database: Database, settings: LazySettings) -> None:
    binding = jobs(1)
    settings.CUTOVER_REPLICA_LAG_SQL = "SELECT 1.75::numeric"
    assert backfill.status(binding).waiting == ["A replica is 1.8 s behind."]
    settings.CUTOVER_REPLICA_LAG_SECONDS = 1.8
    assert backfill.status(binding).waiting == []
    settings.CUTOVER_REPLICA_LAG_SQL = "SELECT NULL"
    assert backfill.status(binding).waiting == []


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("CUTOVER_REPLICA_LAG_SECONDS", "1.5", "CUTOVER_REPLICA_LAG_SECONDS is '1.5'."),
        ("CUTOVER_REPLICA_LAG_SECONDS", 0, "CUTOVER_REPLICA_LAG_SECONDS is 0."),
        ("CUTOVER_REPLICA_LAG_SECONDS", float("nan"), "CUTOVER_REPLICA_LAG_SECONDS is nan."),
        ("CUTOVER_OLD_TRANSACTION_REPORT_SECONDS", True, "CUTOVER_OLD_TRANSACTION_REPORT_SECONDS is True."),
        ("CUTOVER_OLD_TRANSACTION_WAIT_SECONDS", -1, "CUTOVER_OLD_TRANSACTION_WAIT_SECONDS is -1."),
        ("CUTOVER_ARCHIVE_BACKLOG_FILES", [], "CUTOVER_ARCHIVE_BACKLOG_FILES is []."),
        ("CUTOVER_THROTTLE_SQL", " ", "CUTOVER_THROTTLE_SQL is ' '."),
        ("CUTOVER_REPLICA_LAG_SQL", 5, "CUTOVER_REPLICA_LAG_SQL is 5."),
        ("CUTOVER_REPLICA_LAG_SQL", "SELECT 'much'", "CUTOVER_REPLICA_LAG_SQL gives 'much'."),
        ("CUTOVER_THROTTLE_SQL", "SELECT nothing", 'CUTOVER_THROTTLE_SQL fails: column "nothing" does not exist.'),
    ],
)
def test_a_setting_that_is_wrong_is_told_before_anything_is_done(
    database: Database, settings: LazySettings, setting: str, value: object, said: str
) -> None:
    binding = jobs(1)
    setattr(settings, setting, value)
    with pytest.raises(DeclarationError) as told:
        next(backfill.run(binding))
    assert str(told.value) == said
    assert told.value.hint
    assert execute(None, "SELECT count(*) FROM cutover_segment") == [(0,)]


def test_none_turns_a_threshold_off(database: Database, settings: LazySettings) -> None:
    binding = jobs(1)
    settings.CUTOVER_REPLICA_LAG_SQL = "SELECT 100"
    settings.CUTOVER_REPLICA_LAG_SECONDS = None
    settings.CUTOVER_OLD_TRANSACTION_REPORT_SECONDS = None
    settings.CUTOVER_ARCHIVE_BACKLOG_FILES = None
    assert (backfill.status(binding).waiting, backfill.status(binding).notes) == ([], [])


def test_sessions_that_wait_for_a_chunk_are_counted_and_the_next_one_is_smaller(
    database: Database, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("ticket_history", 2)
    for number in range(1, 31):
        parent(binding, number, EXAMPLES["ticket_history"])
    writer, watcher = connect(), connect()
    update = "UPDATE shapes_ticket SET id = id WHERE id = 1"
    running = threading.Thread(target=lambda: writer.execute(update), daemon=True)
    count, halve, halved = throttle.blocked, Pace.halve, list[int]()

    def once_somebody_waits(alias: str) -> int:
        if running.ident is None:
            mine = execute(None, "SELECT pg_backend_pid()")[0][0]
            running.start()
            wait_until(lambda: blocked_by(watcher, backend_pid(writer)) == [mine])
        return count(alias)

    def halving(pace: Pace) -> bool:
        halved.append(pace.size)
        return halve(pace)

    monkeypatch.setattr(throttle, "blocked", once_somebody_waits)
    monkeypatch.setattr(Pace, "halve", halving)
    told = backfill.run(binding)
    assert next(told).waiting == "1 sessions waited for the last chunk; the next one is smaller."
    running.join(10)
    assert next(told).chunk_parents <= halved[0] / 2
    assert len(halved) == 1
    assert list(told)[-1].finished


def test_a_session_of_another_role_that_waits_is_counted(database: Database, connect: Connect, role: Any) -> None:
    """An ordinary role does not see in pg_stat_activity what others wait for."""
    holder = connect(autocommit=False)
    holder.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role())))
    holder.execute("SELECT pg_advisory_xact_lock(7)")
    writer = connect()
    waiting = threading.Thread(target=lambda: writer.execute("SELECT pg_advisory_xact_lock(7)"), daemon=True)
    waiting.start()
    watcher = connect()
    wait_until(lambda: blocked_by(watcher, backend_pid(writer)) == [backend_pid(holder)])
    text = query("throttle", "blocked").as_string(holder)
    assert holder.execute(text).fetchone() == (1,)
    holder.rollback()
    waiting.join(10)


def test_workers_above_the_number_wait_and_say_so(database: Database, settings: LazySettings) -> None:
    settings.CUTOVER_LEASE_SECONDS = 5
    binding = jobs(300)
    first = backfill.run(binding, worker="first")
    assert next(first).parents == 100
    set_by_another_terminal(binding, workers=1)
    second = backfill.run(binding, worker="second")
    why = (
        "At most 1 may work, and 1 came before this worker; `cutover backfill job_logs --workers 2` lets this one work."
    )
    assert next(second).waiting == why
    assert [str(each) for each in backfill.status(binding).workers] == ["first on 0", f"second waits: {why}"]
    assert next(first).parents == 300
    set_by_another_terminal(binding, workers=0)
    assert next(second).waiting == "The last segments are held by other workers."
    assert list(first)[-1].finished
    assert [each.name for each in backfill.status(binding).workers] == ["second"]
    assert list(second)[-1].finished
    assert backfill.status(binding).workers == []


def test_a_lower_number_lets_the_last_worker_leave_its_segment(
    database: Database, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CUTOVER_LEASE_SECONDS = 5
    binding = jobs(400)
    monkeypatch.setattr(plan, "quantiles", lambda binding: (400, ["200"]))
    first, second = (backfill.run(binding, worker=name) for name in ("first", "second"))
    assert [next(first).segment, next(second).segment] == [0, 1]
    set_by_another_terminal(binding, workers=1)
    assert next(second).waiting.startswith("At most 1 may work")
    assert execute(None, "SELECT number FROM cutover_segment WHERE leased_until IS NOT NULL") == [(0,)]
    assert list(first)[-1].parents == 400
    second.close()


def test_a_worker_that_is_gone_leaves_its_place_to_another(database: Database, settings: LazySettings) -> None:
    settings.CUTOVER_LEASE_SECONDS = 5
    binding = jobs(200)
    set_by_another_terminal(binding, workers=1)
    gone = backfill.run(binding, worker="gone")
    next(gone)
    other = backfill.run(binding, worker="other")
    assert next(other).waiting.startswith("At most 1 may work")
    execute(None, "UPDATE cutover_worker SET seen_at = seen_at - interval '1 hour' WHERE name = 'gone'")
    execute(None, "UPDATE cutover_segment SET leased_until = leased_until - interval '1 hour'")
    assert list(other)[-1].finished


def test_another_target_holds_from_the_next_chunk_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = jobs(400)
    chunk, targets = visit.next_chunk, list[float]()

    def watched(binding: Binding, segment: Any, pace: Pace, **more: Any) -> Any:
        targets.append(pace.target.total_seconds())
        return chunk(binding, segment, pace, **more)

    monkeypatch.setattr(visit, "next_chunk", watched)
    told = backfill.run(binding)
    next(told)
    set_by_another_terminal(binding, target=0.2)
    next(told)
    set_by_another_terminal(binding, target=0)
    next(told)
    assert targets == [0.5, 0.2, 0.5]
    assert list(told)[-1].finished


def test_the_server_is_asked_what_it_suffers_now_and_then_and_not_before_each_chunk(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it suffers, before each until it does no longer."""
    binding = jobs(400)
    clock, told = [0.0], ["", "", "It suffers.", "It still does.", "", ""]
    asked = list[float]()

    def suffers(_: str) -> list[str]:
        asked.append(clock[0])
        return [told[len(asked) - 1]] if told[len(asked) - 1] else []

    monkeypatch.setattr(throttle.strain, "reasons", suffers)
    job = work.Job(binding, "one", pace(binding, timedelta(seconds=0.5)), lambda: False, None)
    monkeypatch.setattr(work.time, "monotonic", lambda: clock[0])
    found = []
    for clock[0] in (100.0, 100.1, 100.21, 100.3, 100.5, 100.6, 100.61, 100.7):
        found.append(job.reasons())
    assert asked == [100.0, 100.21, 100.5, 100.6, 100.61]
    assert found == ["", "", "", "", "It suffers.", "It still does.", "", ""]


def test_where_parents_are_locked_a_longer_target_is_not_obeyed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = at_phase("ticket_history", 2)
    set_by_another_terminal(binding, target=10)
    post = crew.Post(binding, "one")
    assert post.look().controls.target == timedelta(seconds=10)
    job = work.Job(binding, "one", pace(binding, timedelta(seconds=0.5)), lambda: False, None)
    job.look()
    assert job.pace.target == chunk.LOCKING


def test_a_worker_rests_its_share_of_the_time_and_no_longer_than_a_few_seconds() -> None:
    rest = throttle.Rest(share=0.5)
    rest.earn(0.2, blocked=False)
    assert rest.earned == pytest.approx(0.2)
    rest.share = 0.75
    rest.earn(0.2, blocked=False)
    assert rest.earned == pytest.approx(0.6)
    rest.earn(100, blocked=False)
    assert rest.earned == throttle.LONGEST_REST


def test_a_chunk_for_which_others_waited_is_followed_by_a_rest() -> None:
    rest = throttle.Rest()
    rest.earn(0.2, blocked=False)
    assert rest.earned == 0
    rest.earn(0.2, blocked=True)
    assert rest.earned == 0.2


def test_a_rest_ends_when_the_worker_is_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = list[float]()
    monkeypatch.setattr(throttle.time, "sleep", slept.append)
    rest = throttle.Rest(earned=5.0)
    rest.take(lambda: len(slept) == 2)
    assert slept == [throttle.LAST_LOOK] * 2
    assert rest.earned == 0


def test_what_others_wait_for_is_looked_at_twice_a_second_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = list[float]()
    monkeypatch.setattr(throttle.time, "sleep", slept.append)
    looks = throttle.looks()
    for _ in range(20):
        next(looks)
    assert max(slept) == 0.5
