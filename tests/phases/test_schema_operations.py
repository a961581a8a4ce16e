"""The index, the constraint, the relaxed column, the archive and the stripped lists: each there, again, and back."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, models, transaction
from django.db.migrations.writer import OperationWriter

from cutover import db
from cutover.chunk import Pace
from cutover.errors import Busy, DeclarationError, Refused
from cutover.mapping import bind
from cutover.operations import (
    ArchiveColumn,
    DropColumn,
    EnsureConstraint,
    EnsureIndex,
    EnsureTable,
    ForgetField,
    InstallWatch,
    RefreshWatch,
    RelaxColumn,
    RemoveWatch,
    StripClaimed,
)
from cutover.phase import Phase
from cutover.schema import archive, introspect, residue, watch
from databases import Database
from migrating import backwards, documents, droppable, forwards
from operationcases import Case, nothing, states
from project.jobs.models import Job, JobLog
from project.shapes.models import Account, Device, Tag
from stages import at_phase
from waiting import backend_pid, blocked_by, wait_until

Connect = Callable[..., psycopg.Connection[Any]]

FIELD = models.JSONField(null=True)
OPERATIONS = [
    InstallWatch("job_logs"),
    RemoveWatch("job_logs"),
    RefreshWatch("job_logs"),
    EnsureIndex("job_logs"),
    EnsureConstraint("job_logs"),
    RelaxColumn("job_logs"),
    StripClaimed("job_logs", archive="waived by Ada"),
    ArchiveColumn("job_logs", model="jobs.Job", column="logs"),
    DropColumn("job_logs", model="jobs.Job", field_name="logs", field=FIELD, archive="waived by Ada"),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_operation_can_be_written_and_described(operation: Any) -> None:
    name, args, kwargs = operation.deconstruct()
    again = type(operation)(*args, **kwargs)
    assert type(operation).__name__ == name
    assert again.deconstruct() == (name, args, kwargs)
    assert "job_logs" in operation.describe()
    assert operation.migration_name_fragment.endswith("job_logs")
    text, _ = OperationWriter(operation).serialize()
    assert "job_logs" in text


def test_operation_shown_as_sql_touches_nothing(database: Database) -> None:
    with connection.schema_editor(collect_sql=True) as editor:
        InstallWatch("job_logs").database_backwards("jobs", editor, None, None)  # type: ignore[arg-type]
    assert editor.collected_sql == [
        "-- Locks: ACCESS EXCLUSIVE on the parents, for an instant.",
        "SET lock_timeout = '500ms';",
        'DROP TRIGGER IF EXISTS "cutover_watch_job_logs_v1" ON "jobs_job";',
        'DROP TRIGGER IF EXISTS "cutover_watch_job_logs_insert_v1" ON "jobs_job";',
        'DROP FUNCTION IF EXISTS "cutover_watch_job_logs_v1"();',
        "RESET lock_timeout;",
    ]
    assert watch.state(bind("job_logs")) == "current"


def test_index_is_built_once_and_an_invalid_one_is_built_again(database: Database, connect: Connect) -> None:
    binding = bind("job_logs")
    backwards(EnsureIndex("job_logs"))
    assert introspect.index_valid(binding) is None
    assert not introspect.index_ready(binding)
    forwards(EnsureIndex("job_logs"))
    assert introspect.index_valid(binding)
    assert introspect.index_ready(binding)
    connect().execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'cutover_job_logs_order_v1'::regclass")
    assert introspect.index_valid(binding) is False
    assert not introspect.index_ready(binding)
    forwards(EnsureIndex("job_logs"), EnsureIndex("job_logs"))
    assert introspect.index_valid(binding)
    backwards(EnsureIndex("job_logs"))
    assert introspect.index_valid(binding) is None


def test_index_that_serves_already_is_enough(database: Database, connect: Connect) -> None:
    backwards(EnsureIndex("job_logs"))
    connect().execute("CREATE INDEX mine ON jobs_joblog (job_id, position)")
    forwards(EnsureIndex("job_logs"))
    assert introspect.index_valid(bind("job_logs")) is None
    connect().execute("DROP INDEX mine; CREATE INDEX mine ON jobs_joblog (job_id, position) WHERE position > 0")
    assert not introspect.index_ready(bind("job_logs"))


def test_index_inside_a_transaction_is_refused(database: Database) -> None:
    with pytest.raises(DeclarationError) as told, transaction.atomic():
        forwards(EnsureIndex("job_logs"))
    assert str(told.value) == "EnsureIndex('job_logs') is inside a transaction."


def test_constraint_is_added_and_validated_and_dropped(database: Database) -> None:
    binding = bind("job_logs")
    assert introspect.constraint_validated(binding) is None
    job = Job.objects.create()
    JobLog.objects.create(job=job, level="INFO", message="x")
    forwards(EnsureConstraint("job_logs"), EnsureConstraint("job_logs"))
    assert introspect.foreign_keys(binding) == {"cutover_job_logs_parent_v1": True}
    backwards(EnsureConstraint("job_logs"))
    assert introspect.foreign_keys(binding) == {}


def test_constraint_tells_of_rows_without_a_parent_and_is_validated_once_they_are_gone(database: Database) -> None:
    JobLog.objects.create(job_id=4711, level="INFO", message="x")
    with pytest.raises(Refused) as told:
        forwards(EnsureConstraint("job_logs"))
    assert str(told.value) == "1 rows of jobs_joblog have no parent in jobs_job."
    assert "cutover verify job_logs" in told.value.hint
    assert introspect.constraint_validated(bind("job_logs")) is False
    JobLog.objects.all().delete()
    forwards(EnsureConstraint("job_logs"))
    assert introspect.constraint_validated(bind("job_logs"))


def test_relaxed_column_has_the_default_of_the_field_and_loses_it_again(database: Database, connect: Connect) -> None:
    binding = bind("job_logs")
    forwards(RelaxColumn("job_logs"), RelaxColumn("job_logs"))
    assert introspect.column_relaxed(binding)
    connect().execute("INSERT INTO jobs_job (name, progress) VALUES ('new code', 0)")
    assert Job.objects.get(name="new code").logs == {"stdout": [], "stderr": []}
    backwards(RelaxColumn("job_logs"))
    column = introspect.column(binding)
    assert column == introspect.Column("jsonb", True, None)


def test_column_that_must_not_be_null_and_has_no_default_may_be_null_for_a_while(
    database: Database, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = models.JSONField()
    field.set_attributes_from_name("logs")
    relax = RelaxColumn("job_logs")
    found = relax.place(turn_now())
    assert found is not None
    place, _ = found
    monkeypatch.setattr(relax, "place", lambda _: (place, field))
    connect().execute("ALTER TABLE jobs_job ALTER COLUMN logs SET NOT NULL")
    forwards(relax)
    connect().execute("INSERT INTO jobs_job (name, progress) VALUES ('new code', 0)")
    with pytest.raises(Refused, match=r"^jobs_job\.logs holds NULL and its field does not allow it\."):
        backwards(relax)
    connect().execute("DELETE FROM jobs_job")
    backwards(relax)
    assert introspect.column(bind("job_logs")) == introspect.Column("jsonb", False, None)
    left = connect().execute("SELECT count(*) FROM pg_constraint WHERE conname = 'cutover_not_null_v1'").fetchone()
    assert left == (0,)


def turn_now() -> Any:
    from cutover.operations.operation import Turn
    from migrating import state

    return Turn("default", state())


class Killed(Exception):
    pass


def test_archive_that_was_killed_goes_on_where_it_was(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.cursor().execute(
        "INSERT INTO jobs_job (name, progress, logs)"
        " SELECT '', 0, jsonb_build_object('stdout', '[]'::jsonb, 'stderr', '[]'::jsonb) FROM generate_series(1, 25)"
    )
    binding = droppable("job_logs")
    learnt: list[int] = []

    class Three(Pace):
        size = 3  # type: ignore[assignment]

        def learn(self, *, parents: int, **_: Any) -> None:
            learnt.append(parents)
            if len(learnt) == 2:
                raise Killed

    monkeypatch.setattr(archive, "Pace", Three)
    operation = ArchiveColumn("job_logs", model="jobs.Job", column="logs")
    with pytest.raises(Killed):
        forwards(operation)
    epoch = db.scalar("default", "SELECT epoch FROM cutover_ledger")
    assert not archive.complete("default", "job_logs", epoch)
    forwards(operation)
    assert archive.complete("default", "job_logs", epoch)
    assert learnt == [3] * 8 + [1]
    assert db.rows("default", "SELECT key, document::text FROM cutover_archive_job_logs_v1 ORDER BY 1") == documents(
        binding
    )
    forwards(operation)
    assert len(learnt) == 9


def accounts() -> None:
    Account.objects.create(code="a", profile={"tags": {"k": ["1", "2"], "l": []}, "theme": "dark"})
    Account.objects.create(code="b", profile={"tags": {"k": ["3"]}})
    Account.objects.create(code="c", profile={"theme": {"deep": {}}, "tags": None})
    Account.objects.create(code="d", profile=None)


def test_stripped_column_keeps_what_no_stream_claims_and_gets_its_lists_back(database: Database) -> None:
    accounts()
    binding = droppable("account_tags")
    strip = StripClaimed("account_tags", archive="waived by Ada")
    marks = db.scalar("default", "SELECT count(*) FROM cutover_mark")
    forwards(strip, strip)
    assert documents(binding) == [
        ("a", '{"theme": "dark"}'),
        ("b", "{}"),
        ("c", '{"theme": {"deep": {}}}'),
        ("d", None),
    ]
    assert db.scalar("default", "SELECT count(*) FROM cutover_mark") == marks
    assert Tag.objects.count() == 3
    backwards(strip)
    assert {key: Account.objects.get(pk=key).profile for key in "abcd"} == {
        "a": {"tags": {"k": ["1", "2"]}, "theme": "dark"},
        "b": {"tags": {"k": ["3"]}},
        "c": {"theme": {"deep": {}}},
        "d": None,
    }


def test_strip_refuses_like_the_drop_and_where_nothing_would_be_left(database: Database) -> None:
    accounts()
    at_phase("account_tags", Phase.STOP_JSON_WRITES)
    with pytest.raises(Refused, match=r"^shapes_account\.profile stays as it is: account_tags is at STOP_JSON_WRITES"):
        forwards(StripClaimed("account_tags"))
    Device.objects.create(events=[])
    with pytest.raises(Refused, match=r"^device_events claims the whole document; nothing would be left of it\."):
        forwards(StripClaimed("device_events"))


@pytest.mark.parametrize(
    ("name", "document", "rest"),
    [
        ("job_logs", '{"stdout": [1], "stderr": null}', False),
        ("job_logs", '{"stdout": [1], "note": 1}', True),
        ("job_logs", '{"note": null}', True),
        ("job_logs", "[1]", True),
        ("job_logs", "null", False),
        ("job_logs", "{}", False),
        ("account_tags", '{"tags": {"a": [1], "b": []}}', False),
        ("account_tags", '{"tags": {}}', False),
        ("account_tags", '{"tags": 5}', True),
        ("account_tags", '{"tags": {}, "x": 1}', True),
        ("ticket_history", '{"changes": {"items": [1]}}', False),
        ("ticket_history", '{"changes": {"items": [1], "by": "x"}}', True),
        ("ticket_history", '{"changes": 7}', True),
        ("ticket_history", "no json", False),
        ("device_events", '{"any": "thing"}', False),
    ],
)
def test_residue_is_what_no_stream_claims(database: Database, name: str, document: str, rest: bool) -> None:
    binding = bind(name)
    inserts = {
        "job_logs": "INSERT INTO jobs_job (name, progress, logs) VALUES ('', 0, %s)",
        "account_tags": "INSERT INTO shapes_account VALUES ('a', %s)",
        "ticket_history": "INSERT INTO shapes_ticket (history) VALUES (%s)",
        "device_events": "INSERT INTO shapes_device VALUES (gen_random_uuid(), %s)",
    }
    connection.cursor().execute(inserts[name], [document])
    assert (residue.first(binding) is not None) is rest


def test_build_that_was_killed_leaves_an_index_that_is_built_again(database: Database, connect: Connect) -> None:
    backwards(EnsureIndex("job_logs"))
    older, look = connect(autocommit=False), connect()
    older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    older.execute("SELECT count(*) FROM jobs_joblog")
    pid = db.scalar("default", "SELECT pg_backend_pid()")
    killer = Thread(target=killed, args=(look, pid))
    killer.start()
    with pytest.raises(OperationalError):
        forwards(EnsureIndex("job_logs"))
    killer.join(10)
    older.rollback()
    connection.close()
    assert introspect.index_valid(bind("job_logs")) is False
    forwards(EnsureIndex("job_logs"))
    assert introspect.index_valid(bind("job_logs"))


def killed(look: psycopg.Connection[Any], pid: int) -> None:
    """End the session once its build waits for the older transaction."""
    wait_until(lambda: blocked_by(look, pid), why="the build waits")
    look.execute("SELECT pg_terminate_backend(%s)", [pid])


def test_build_that_a_timeout_of_the_role_ends_names_who_it_waited_for(database: Database, connect: Connect) -> None:
    backwards(EnsureIndex("job_logs"))
    older = connect(autocommit=False, application_name="nightly report")
    older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    older.execute("SELECT count(*) FROM jobs_joblog")
    db.run("default", "SET lock_timeout = '50ms'")
    with pytest.raises(
        Busy, match=rf"(?m)^A timeout of this role ended .*backend {backend_pid(older)}, nightly report"
    ):
        forwards(EnsureIndex("job_logs"))
    older.rollback()
    forwards(EnsureIndex("job_logs"))
    assert introspect.index_valid(bind("job_logs"))


def test_table_that_is_another_one_is_refused_and_rows_in_use_are_not_dropped(database: Database) -> None:
    table = EnsureTable("JobLog", [("id", models.BigAutoField(primary_key=True)), ("extra", models.TextField())])
    before, after = states(Case(table, nothing))
    with connection.schema_editor(atomic=False) as editor:
        with pytest.raises(Refused, match=r"(?m)^The table jobs_joblog is there already, without extra\.$"):
            table.database_forwards("jobs", editor, before, after)
        at_phase("job_logs", Phase.DUAL_WRITE)
        with pytest.raises(Refused, match=r'(?m)^job_logs is at DUAL_WRITE; its rows are in "jobs_joblog"\.$'):
            table.database_backwards("jobs", editor, after, before)
    assert introspect.table_exists(bind("job_logs"))


def test_field_is_not_forgotten_while_the_column_demands_a_value(database: Database) -> None:
    forget = ForgetField("job_logs", model="jobs.Job", field_name="logs")
    db.run("default", "ALTER TABLE jobs_job ALTER COLUMN logs SET NOT NULL")
    with pytest.raises(Refused, match=r"(?m)^jobs_job\.logs demands a value, which code without the field lacks\.$"):
        forwards(forget)
    forwards(RelaxColumn("job_logs"), forget)
