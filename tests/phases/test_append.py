"""What JSON and rows hold after an append, in every phase and for every shape of document."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from cutover import lease, ledger
from cutover.errors import NotEncodable, ParentMissing
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from cutover.write import Outcome, append, extend
from databases import Database
from project.jobs.models import Job, JobLog
from project.shapes.models import Account, Change, Device, Event, Tag, Ticket
from stages import at_phase

NOON = datetime(2026, 1, 2, 12, 0, 0, 5678, tzinfo=UTC)
LEGACY, DUAL, ROWS = (0, 1), (2, 3), (4, 5)
EVERY = (*LEGACY, *DUAL, *ROWS)


def line(message: str, level: str = "INFO", seconds: int = 0) -> dict[str, Any]:
    return {"level": level, "message": message, "created_at": NOON + timedelta(seconds=seconds)}


def stored(table: str, column: str, key: Any) -> Any:
    """The document as the column has it, past the model."""
    with connection.cursor() as cursor:
        pk = "code" if table == "shapes_account" else "id"
        cursor.execute(f'SELECT {column}::text FROM {table} WHERE "{pk}" = %s', [key])  # noqa: S608
        (text,) = cursor.fetchone()
    return None if text is None else json.loads(text)


def logs(job: Job) -> Any:
    return stored("jobs_job", "logs", job.pk)


def messages() -> list[str]:
    return list(JobLog.objects.order_by("position").values_list("message", flat=True))


@pytest.mark.parametrize("phase", EVERY)
def test_line_goes_where_the_phase_says(database: Database, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    assert append(binding, job.pk, line("50% {done}")) == Outcome(1, 0)
    assert append(binding, job.pk, line("broke", "ERROR")) == Outcome(1, 0)
    if phase in (*LEGACY, *DUAL):
        assert logs(job) == {
            "stdout": ["[2026-01-02 12:00:00] ERROR broke", "[2026-01-02 12:00:00] INFO 50% {done}"],
            "stderr": ["broke"],
        }
    else:
        assert logs(job) == {"stdout": [], "stderr": []}
    assert messages() == ([] if phase in LEGACY else ["50% {done}", "broke"])
    assert {position % 2 for position in JobLog.objects.values_list("position", flat=True)} == (
        set() if phase in LEGACY else {1} if phase in DUAL else {0}
    )


@pytest.mark.parametrize("phase", DUAL)
def test_row_keeps_what_the_line_has_no_room_for(database: Database, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    append(binding, job.pk, line("x"))
    assert JobLog.objects.get().created_at == NOON


@pytest.mark.parametrize("phase", EVERY)
def test_events_under_a_uuid_at_the_root(database: Database, phase: int) -> None:
    binding = at_phase("device_events", phase)
    device = Device.objects.create()
    rows: list[dict[str, Any]] = [
        {"kind": "on", "count": 1, "at": NOON, "extra": {"note": "50%", "n": 1.5}},
        {"kind": "off"},
    ]
    assert extend(binding, device.pk, rows) == Outcome(2, 0)
    elements = [
        {"kind": "on", "count": 1, "at": "2026-01-02T12:00:00Z", "note": "50%", "n": 1.5},
        {"kind": "off"},
    ]
    assert stored("shapes_device", "events", device.pk) == ([] if phase in ROWS else elements)
    assert [event.kind for event in Event.objects.order_by("position")] == ([] if phase in LEGACY else ["on", "off"])
    if phase not in LEGACY:
        assert [event.extra for event in Event.objects.order_by("position")] == [{"note": "50%", "n": 1.5}, {}]


@pytest.mark.parametrize("phase", EVERY)
def test_tags_go_to_the_list_of_their_key(database: Database, phase: int) -> None:
    account = Account.objects.create(code="ac/me", profile={"theme": "dark", "tags": {"color": ["red"]}})
    binding = at_phase("account_tags", phase)
    rows = [{"kind": "color", "value": "blue"}, {"kind": "size", "value": "L"}, {"kind": "color", "value": "blue"}]
    assert extend(binding, "ac/me", rows) == Outcome(3, 0)
    expected = {"color": ["red"]} if phase in ROWS else {"color": ["red", "blue", "blue"], "size": ["L"]}
    assert stored("shapes_account", "profile", account.pk) == {"theme": "dark", "tags": expected}
    assert Tag.objects.count() == (0 if phase in LEGACY else 3)


@pytest.mark.parametrize("phase", EVERY)
def test_history_at_a_nested_path_of_a_text_column(database: Database, phase: int) -> None:
    binding = at_phase("ticket_history", phase)
    ticket = Ticket.objects.create(history={"open": True})
    append(binding, ticket.pk, {"field": "price", "amount": None})
    expected: dict[str, Any] = {"open": True}
    if phase not in ROWS:
        expected["changes"] = {"items": [["price", None]]}
    assert stored("shapes_ticket", "history", ticket.pk) == expected
    assert Change.objects.count() == (0 if phase in LEGACY else 1)


@pytest.mark.parametrize("phase", [*LEGACY, *DUAL])
def test_distinct_list_skips_what_it_holds_and_the_row_is_not_written(database: Database, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    append(binding, job.pk, line("once"))
    assert append(binding, job.pk, line("once")) == Outcome(0, 1)
    assert extend(binding, job.pk, [line("once"), line("new"), line("new")]) == Outcome(1, 2)
    assert [text[-4:] for text in logs(job)["stdout"]] == [" new", "once"]
    assert messages() == ([] if phase in LEGACY else ["once", "new"])


def test_row_is_written_when_only_one_of_its_lists_gains_it(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create(logs={"stdout": [], "stderr": ["broke"]})
    assert append(binding, job.pk, line("broke", "ERROR")) == Outcome(1, 0)
    assert logs(job) == {"stdout": ["[2026-01-02 12:00:00] ERROR broke"], "stderr": ["broke"]}
    assert messages() == ["broke"]


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_cap_keeps_the_newest(database: Database, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create(logs={"stdout": [f"old {n}" for n in range(1000)]})
    extend(binding, job.pk, [line("a"), line("b")])
    found = logs(job)["stdout"]
    assert len(found) == 1000
    assert found[:3] == ["[2026-01-02 12:00:00] INFO b", "[2026-01-02 12:00:00] INFO a", "old 0"]
    assert found[-1] == "old 997"


@pytest.mark.parametrize("phase", [2, 3])
def test_row_that_no_stream_shows_is_written_to_the_table_alone(database: Database, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create(logs=None)
    assert append(binding, job.pk, {"level": "INFO", "message": "timeless"}) == Outcome(1, 0)
    assert messages() == ["timeless"]
    assert logs(job) is None


@pytest.mark.parametrize("phase", LEGACY)
def test_row_that_no_stream_shows_is_refused_while_there_is_no_table(database: Database, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    with pytest.raises(NotEncodable) as refused:
        append(binding, job.pk, {"level": "INFO", "message": "timeless"})
    assert str(refused.value) == (
        f"No stream of job_logs shows the row, and at {Phase(phase).name} there is no table for it; nothing was written."
    )


@pytest.mark.parametrize("phase", EVERY)
@pytest.mark.parametrize("key", [404, "no number", None])
def test_missing_parent_is_told(database: Database, phase: int, key: object) -> None:
    binding = at_phase("job_logs", phase)
    with pytest.raises(ParentMissing) as missing:
        append(binding, key, line("x"))
    assert str(missing.value) == f"jobs.Job {key!r} is not there; nothing was written."
    assert messages() == []


def test_key_that_is_too_long_does_not_find_the_parent_whose_key_is_its_beginning(database: Database) -> None:
    binding = at_phase("account_tags", 2)
    Account.objects.create(code="x" * 40, profile=None)
    with pytest.raises(ParentMissing):
        append(binding, "x" * 41, {"kind": "a", "value": "b"})


@pytest.mark.parametrize("phase", [*LEGACY, *DUAL])
@pytest.mark.parametrize("document", [{"stdout": "text"}, ["list"], {"stdout": {"a": 1}}, 5])
def test_document_without_a_place_is_refused_and_left(database: Database, phase: int, document: Any) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create(logs=document)
    with pytest.raises(NotEncodable) as refused:
        append(binding, job.pk, line("x"))
    assert str(refused.value) == f"logs.stdout of jobs.Job {job.pk} has no place for a list; nothing was written."
    assert logs(job) == document
    assert messages() == []


@pytest.mark.parametrize("phase", [1, 2])
def test_text_that_is_no_json_is_refused_and_left(database: Database, phase: int, connect: Any) -> None:
    binding = at_phase("ticket_history", phase)
    ticket = Ticket.objects.create()
    connect().execute("UPDATE shapes_ticket SET history = '{broken'")
    with pytest.raises(NotEncodable) as refused:
        append(binding, ticket.pk, {"field": "price", "amount": 1})
    assert str(refused.value) == f"history of shapes.Ticket {ticket.pk} is no JSON; nothing was written."
    assert Change.objects.count() == 0


@pytest.mark.parametrize("text", [None, "null", "{}", '{"stdout": null}', '{"stdout": [], "other": 1.50}'])
def test_nothing_null_absent_and_empty_all_take_a_list(database: Database, text: str | None, connect: Any) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    connect().execute("UPDATE jobs_job SET logs = %s::jsonb", [text])
    append(binding, job.pk, line("x"))
    found = connect().execute("SELECT logs - 'stdout' FROM jobs_job").fetchone()
    assert logs(job)["stdout"] == ["[2026-01-02 12:00:00] INFO x"]
    assert found is not None
    assert found[0] == ({"other": 1.5} if text and "other" in text else {})


@pytest.mark.parametrize("phase", EVERY)
@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        (line("a\0b"), "jobs.JobLog.message cannot hold it, a string holds the character NUL: 'a\\x00b'"),
        (line("\ud800"), "jobs.JobLog.message cannot hold it, a string holds a lone surrogate: '\\ud800'"),
        (line("x", "x" * 11), f"jobs.JobLog.level takes 10 characters, not 11: {'x' * 11!r}"),
        (
            line("b c", "A B"),
            "job_logs.stdout cannot hold the row: level is 'A B' and would be read back as 'A'",
        ),
        ({**line("x"), "nonsense": 1}, "A new jobs.JobLog takes no 'nonsense'"),
        ({**line("x"), "position": 1}, "A new jobs.JobLog takes no 'position'"),
        ({**line("x"), "job": 1}, "A new jobs.JobLog takes no 'job'"),
        ({**line("x"), "created_at": "soon"}, "jobs.JobLog.created_at does not take it: 'soon'"),
        ({**line("x"), "level": None}, "jobs.JobLog.level takes no NULL: None"),
    ],
)
def test_row_that_could_not_come_back_is_refused_in_every_phase(
    database: Database, phase: int, fields: dict[str, Any], fact: str
) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    with pytest.raises(NotEncodable) as refused:
        extend(binding, job.pk, [line("good"), fields])
    assert str(refused.value) == f"{fact}; nothing was written."
    assert refused.value.hint
    assert messages() == []
    assert logs(job) == {"stdout": [], "stderr": []}


def test_ambiguous_level_is_no_matter_where_no_stream_shows_the_row(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    append(binding, job.pk, {"level": "A B", "message": "timeless"})
    assert messages() == ["timeless"]


@pytest.mark.parametrize("phase", EVERY)
def test_append_is_one_round_trip(database: Database, phase: int, settings: LazySettings) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    settings.CUTOVER_LEASE_SECONDS = 600
    append(binding, job.pk, line("the first of a lease asks a little more"))
    with CaptureQueriesContext(connection) as queries:
        append(binding, job.pk, line("x"))
        extend(binding, job.pk, [line("y"), line("z", "ERROR")])
    assert len(queries) == 2
    for query in queries.captured_queries:
        assert "*" not in query["sql"].replace("count(*)", "").replace("* 2", "")
        assert ("cutover_ledger" in query["sql"]) is True


def test_json_column_is_not_named_from_stop_json_writes_on(database: Database, connect: Any) -> None:
    binding = at_phase("job_logs", 4)
    job = Job.objects.create()
    connect().execute("ALTER TABLE jobs_job DROP COLUMN logs CASCADE")
    assert append(binding, job.pk, line("x")) == Outcome(1, 0)


def test_legacy_write_needs_no_toolkit_table(database: Database, connect: Any) -> None:
    job = Job.objects.create()
    connect().execute("ALTER TABLE jobs_job DISABLE TRIGGER ALL")
    connect().execute(
        "DROP TABLE cutover_ledger, cutover_transition, cutover_process, jobs_joblog; DROP SEQUENCE cutover_position_v1"
    )
    ledger.forget()
    lease.forget()
    assert append(bind("job_logs"), job.pk, line("x")) == Outcome(1, 0)
    assert logs(job)["stdout"] == ["[2026-01-02 12:00:00] INFO x"]


@pytest.mark.parametrize("phase", EVERY)
def test_callers_rollback_takes_both_legs_back(database: Database, phase: int) -> None:
    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    with transaction.atomic():
        append(binding, job.pk, line("x"))
        transaction.set_rollback(True)
    assert messages() == []
    assert logs(job) == {"stdout": [], "stderr": []}


@pytest.mark.parametrize("phase", DUAL)
def test_leg_that_fails_in_autocommit_takes_the_other_with_it(database: Database, phase: int, connect: Any) -> None:
    from django.db import IntegrityError

    binding = at_phase("job_logs", phase)
    job = Job.objects.create()
    connect().execute("ALTER TABLE jobs_joblog ADD CHECK (message <> 'x')")
    with pytest.raises(IntegrityError):
        append(binding, job.pk, line("x"))
    assert logs(job) == {"stdout": [], "stderr": []}
    connect().execute("ALTER TABLE jobs_job ADD CHECK (jsonb_array_length(logs -> 'stdout') < 1)")
    with pytest.raises(IntegrityError):
        append(binding, job.pk, line("y"))
    assert messages() == []


def test_several_keys_are_written_together_or_not_at_all(database: Database) -> None:
    binding = at_phase("account_tags", 2)
    profile = {"tags": {"size": "no list"}}
    account = Account.objects.create(code="a", profile=profile)
    rows = [{"kind": "color", "value": "blue"}, {"kind": "size", "value": "L"}]
    for block in (transaction.atomic, pytest.MonkeyPatch.context):
        with block(), pytest.raises(NotEncodable) as refused:
            extend(binding, "a", rows)
        assert (
            str(refused.value)
            == "profile.tags.size of shapes.Account 'a' has no place for a list; nothing was written."
        )
        assert stored("shapes_account", "profile", account.pk) == profile
        assert Tag.objects.count() == 0


def test_unwatched_mark_is_set_for_the_statement_and_left_behind_for_none(database: Database, connect: Any) -> None:
    binding = at_phase("job_logs", 2)
    job = Job.objects.create()
    connect().execute(WATCH)
    append(binding, job.pk, line("x"))
    assert seen(connect()) == [True]
    with transaction.atomic():
        append(binding, job.pk, line("y"))
        Job.objects.filter(pk=job.pk).update(logs=None)
    assert seen(connect()) == [True, True, False]


WATCH = """
CREATE TABLE seen (id serial, own boolean);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen (own)
    VALUES (current_setting('cutover.mark', true) IS NOT DISTINCT FROM statement_timestamp()::text);
    RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE ON jobs_job FOR EACH ROW EXECUTE FUNCTION watch();
"""


def seen(connection: psycopg.Connection[Any]) -> list[bool]:
    return [own for (own,) in connection.execute("SELECT own FROM seen ORDER BY id")]


def test_string_key_uuid_key_and_instance_all_name_a_parent(database: Database) -> None:
    binding: Binding = at_phase("device_events", 2)
    device = Device.objects.create(id=uuid.uuid4())
    for key in (device, device.pk, str(device.pk)):
        append(binding, key, {"kind": "on"})
    assert Event.objects.filter(device=device).count() == 3
