"""Rows without JSON: one by a lean INSERT, many by COPY; what they hold, what they wait for, and when a statement is prepared."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import Error, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from cutover.errors import NotEncodable, ParentMissing
from cutover.write import Outcome, alone, append, extend
from databases import Database
from project.jobs.models import Job, JobLog
from project.shapes.models import Account, Change, Device, Event, Tag, Ticket
from stages import at_phase

NOON = datetime(2026, 1, 2, 12, 0, 0, 5678, tzinfo=UTC)
MANY = alone.STREAMED
Rows = list[dict[str, Any]]


def lines(number: int = MANY, **more: Any) -> Rows:
    line = {"level": "INFO", **more}
    return [{**line, "message": f"{n}\t\\N 50% {{n}} ü", "created_at": NOON + timedelta(n)} for n in range(number)]


@pytest.fixture
def prepares() -> Iterator[None]:
    """A project that lets the driver prepare what it has seen twice."""
    connection.close()
    connection.settings_dict["OPTIONS"] = {"prepare_threshold": 2}
    yield
    connection.close()
    connection.settings_dict["OPTIONS"] = {}
    connection.settings_dict.pop("DISABLE_SERVER_SIDE_CURSORS", None)


def prepared() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall() if "jobs_joblog" in text]


@pytest.mark.parametrize("phase", [4, 5])
@pytest.mark.parametrize("number", [1, 2, MANY])
def test_rows_are_what_was_given_and_stand_for_no_element(database: Database, phase: int, number: int) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    assert extend(binding, job.pk, lines(number)) == Outcome(number, 0)
    found = JobLog.objects.order_by("position")
    assert [(row.level, row.message, row.created_at) for row in found] == [tuple(row.values()) for row in given(number)]
    assert {(row.job_id, row.position % 2) for row in found} == {(job.pk, 0)}


def given(number: int) -> Rows:
    return [{"level": row["level"], "message": row["message"], "at": row["created_at"]} for row in lines(number)]


@pytest.mark.parametrize("number", [1, 2, MANY])
def test_every_kind_of_column_arrives_the_same_way(database: Database, number: int) -> None:
    for name in ("device_events", "account_tags", "ticket_history"):
        at_phase(name, 4)
    device, account = Device.objects.create(), Account.objects.create(code="a\tb\\N")
    event = {"kind": "on", "count": 1, "at": NOON, "extra": {"n": [1.5, None, "\\N\t"]}}
    extend(at_phase("device_events", 4), device.pk, [event, {"kind": "on"}] * number)
    extend(at_phase("account_tags", 4), account.pk, [{"kind": "k", "value": "\\."}] * number)
    extend(at_phase("ticket_history", 4), Ticket.objects.create().pk, [{"field": "price", "amount": None}] * number)
    found = [(row.kind, row.count, row.at, row.extra) for row in Event.objects.order_by("position")]
    assert sorted(found, key=str) == sorted([tuple(event.values()), ("on", None, None, {})] * number, key=str)
    assert list(Tag.objects.values_list("account_id", "kind", "value")) == [("a\tb\\N", "k", "\\.")] * number
    assert list(Change.objects.values_list("field", "amount")) == [("price", None)] * number


def test_many_rows_are_copied_and_one_is_inserted(database: Database, settings: LazySettings) -> None:
    settings.CUTOVER_LEASE_SECONDS = 600
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    append(binding, job.pk, lines(1)[0])
    with CaptureQueriesContext(connection) as queries:
        append(binding, job.pk, lines(1)[0])
        extend(binding, job.pk, lines())
    words = [query["sql"].split()[0] for query in queries.captured_queries]
    assert words == ["INSERT", "BEGIN", "SELECT", "COMMIT"]  # Django sees no COPY


@pytest.mark.parametrize("number", [1, MANY])
def test_missing_parent_is_told_and_nothing_is_written(database: Database, number: int) -> None:
    binding = at_phase("job_logs", 4)
    with pytest.raises(ParentMissing):
        extend(binding, 404, lines(number))
    assert JobLog.objects.count() == 0


@pytest.mark.parametrize("number", [1, MANY])
@pytest.mark.parametrize("level", ["A B", "ERROR"])
def test_row_that_some_stream_cannot_show_is_asked_about(database: Database, number: int, level: str) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    timeless = [{**row, "created_at": None} for row in lines(number, level=level)]
    assert extend(binding, job.pk, timeless) == Outcome(number, 0)
    if level == "A B":
        with pytest.raises(NotEncodable):
            extend(binding, job.pk, lines(number, level=level))
    assert JobLog.objects.count() == number


@pytest.mark.parametrize("number", [1, MANY])
def test_row_that_the_table_refuses_takes_the_others_with_it(database: Database, connect: Any, number: int) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    connect().execute(f"ALTER TABLE jobs_joblog ADD CHECK (message NOT LIKE '{number - 1}%')")
    with pytest.raises(IntegrityError):
        extend(binding, job.pk, lines(number))
    assert JobLog.objects.count() == 0
    append(binding, job.pk, {**lines(1)[0], "message": "the connection is as before"})
    assert JobLog.objects.count() == 1


def test_callers_rollback_takes_copied_rows_back(database: Database) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    with transaction.atomic():
        extend(binding, job.pk, lines())
        assert JobLog.objects.count() == MANY
        transaction.set_rollback(True)
    assert JobLog.objects.count() == 0


def test_table_with_row_security_gets_its_rows_without_copy(database: Database, connect: Any) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    connect().execute(
        "ALTER TABLE jobs_joblog ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON jobs_joblog USING (true);"
        "CREATE ROLE writer; GRANT ALL ON ALL TABLES IN SCHEMA public TO writer;"
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO writer"
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET ROLE writer")
        assert extend(binding, job.pk, lines()) == Outcome(MANY, 0)
    finally:
        connection.close()
        connect().execute("DROP OWNED BY writer; DROP ROLE writer")
    assert JobLog.objects.count() == MANY


ELSEWHERE = """
CREATE TABLE elsewhere (LIKE jobs_joblog);
CREATE FUNCTION lead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO elsewhere VALUES (NEW.*);
    RETURN NULL;
END $$;
CREATE TRIGGER lead BEFORE INSERT ON jobs_joblog FOR EACH ROW EXECUTE FUNCTION lead();
"""


@pytest.mark.parametrize("number", [1, 2, MANY])
def test_row_that_a_trigger_leads_elsewhere_is_written_once(database: Database, connect: Any, number: int) -> None:
    connect().execute(ELSEWHERE)
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    extend(binding, job.pk, lines(number))
    assert connect().execute("SELECT count(*) FROM elsewhere").fetchone() == (number,)
    assert JobLog.objects.count() == 0


def test_nothing_is_prepared_unless_the_project_says_so(database: Database) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    for _ in range(12):
        append(binding, job.pk, lines(1)[0])
    assert prepared() == []


def test_nothing_is_prepared_behind_a_pooler(database: Database, prepares: None) -> None:
    connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = True
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    for _ in range(12):
        append(binding, job.pk, lines(1)[0])
    assert prepared() == []


@pytest.mark.parametrize("phase", [1, 3, 4])
def test_prepared_statement_outlives_the_drop_of_a_column_and_another_plan(
    database: Database, connect: Any, prepares: None, phase: int
) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    for number, change in enumerate(
        (
            "ALTER TABLE jobs_job ADD COLUMN more text",
            "ALTER TABLE jobs_job DROP COLUMN progress" if phase == 4 else "ALTER TABLE jobs_job DROP COLUMN more",
            "ANALYZE jobs_job, jobs_joblog, cutover_ledger",
            "ALTER TABLE jobs_job DROP COLUMN logs CASCADE" if phase == 4 else "SELECT 1",
        )
    ):
        for each in range(8):
            append(binding, job.pk, {**lines(1)[0], "message": f"{number} {each}"})
        assert len(prepared()) == 1
        connect().execute(change)
    append(binding, job.pk, lines(1)[0])
    assert JobLog.objects.count() == (33 if phase > 1 else 0)


@pytest.mark.parametrize("number", [1, MANY])
def test_values_bound_by_the_server_arrive_the_same_way(database: Database, prepares: None, number: int) -> None:
    binding = at_phase("device_events", 4)
    device = Device.objects.create()
    event = {"kind": "on", "count": 1, "at": NOON, "extra": {"n": [1.5, None]}}
    for _ in range(4):
        extend(binding, device.pk, [event] * number)
    assert set(Event.objects.values_list("kind", "count", "at", "extra__n__0")) == {("on", 1, NOON, 1.5)}


def test_failed_statement_leaves_a_preparing_connection_usable(
    database: Database, connect: Any, prepares: None
) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    connect().execute("ALTER TABLE jobs_joblog ADD CHECK (message <> 'bad')")
    for _ in range(4):
        append(binding, job.pk, lines(1)[0])
        with pytest.raises(Error):
            append(binding, job.pk, {**lines(1)[0], "message": "bad"})
    assert JobLog.objects.count() == 4
