"""The watch trigger: whose writes it records, and whose it does not."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection as django_connection
from psycopg import sql

from cutover import db, marks
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from cutover.schema import watch
from databases import Database
from project.jobs.models import Job
from project.shapes.models import Account, Device, Ticket
from roles import give_everything
from stages import at_phase

Connect = Callable[..., psycopg.Connection[Any]]

MARKS = (
    "select parent_key, operation, application_name, db_user, phase, visited_at is null from cutover_mark order by id"
)


def loose(value: Any) -> Any:
    """The field takes a document; its stub knows text only."""
    return value


def marked(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute(MARKS).fetchall()


def own_append(binding: Binding, key: int, text: str) -> None:
    """An update with the toolkit's mark, as the writers make it."""
    statement = sql.SQL(
        "WITH mark AS MATERIALIZED (SELECT {own} AS m) UPDATE jobs_job"
        " SET logs = jsonb_set(logs, '{{stdout}}', to_jsonb(%(text)s::text) || (logs -> 'stdout'))"
        " FROM mark WHERE id = %(key)s::bigint AND mark.m IS NOT NULL"
    ).format(own=marks.OWN)
    assert db.run(binding.alias, statement, {"key": key, "text": text}) == 1


@pytest.fixture
def job(database: Database) -> Job:
    return Job.objects.create(name="one")


def test_trigger_is_current_after_the_migrations_and_installing_again_changes_nothing(
    database: Database, connect: Connect
) -> None:
    before = connect().execute("select oid, xmin from pg_trigger where not tgisinternal order by oid").fetchall()
    for name in ("job_logs", "device_events", "account_tags", "ticket_history"):
        assert watch.state(bind(name)) is watch.State.CURRENT
        watch.install(bind(name))
    assert (
        connect().execute("select oid, xmin from pg_trigger where not tgisinternal order by oid").fetchall() == before
    )
    assert len(before) == 8


def test_state_tells_missing_outdated_disabled(database: Database, connect: Connect) -> None:
    binding = bind("job_logs")
    connection = connect()
    connection.execute("alter table jobs_job disable trigger cutover_watch_job_logs_v1")
    assert watch.state(binding) == "disabled"
    watch.install(binding)
    assert watch.state(binding) == "current"
    connection.execute("comment on function cutover_watch_job_logs_v1() is 'something else'")
    assert watch.state(binding) == "outdated"
    connection.execute("drop trigger cutover_watch_job_logs_insert_v1 on jobs_job")
    assert watch.state(binding) == "missing"
    watch.install(binding)
    watch.remove(binding.alias, binding.name, binding.parent.identifier)
    assert watch.state(binding) == "missing"
    assert connection.execute("select count(*) from pg_proc where proname like 'cutover_watch_job%'").fetchone() == (0,)


def test_foreign_update_is_recorded_with_its_writer(job: Job, connect: Connect) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    psql = connect(application_name="psql by hand")
    psql.execute("""update jobs_job set logs = '{"stdout": ["x"]}'""")
    user = psql.info.user
    assert marked(psql) == [(str(job.pk), "UPDATE", "psql by hand", user, 2, True)]
    job.logs = {"stdout": ["y"], "stderr": []}
    Job.objects.bulk_update([job], ["logs"])
    assert [row[0] for row in marked(psql)] == [str(job.pk)] * 2


def test_own_write_and_writes_of_other_columns_are_not_recorded(job: Job, connect: Connect) -> None:
    binding = at_phase("job_logs", Phase.DUAL_WRITE)
    own_append(binding, job.pk, "mine")
    Job.objects.filter(pk=job.pk).update(progress=5)
    connect().execute("update jobs_job set logs = logs")
    assert marked(connect()) == []


def test_foreign_write_after_an_own_write_in_the_same_transaction_is_recorded(job: Job, connect: Connect) -> None:
    binding = at_phase("job_logs", Phase.DUAL_WRITE)
    from django.db import transaction

    with transaction.atomic():
        own_append(binding, job.pk, "mine")
        Job.objects.filter(pk=job.pk).update(logs={"stdout": ["theirs"], "stderr": []})
        own_append(binding, job.pk, "mine again")
    assert len(marked(connect())) == 1


NESTED = """
create function nested() returns trigger language plpgsql as $$ begin
    if pg_trigger_depth() = 1 then
        update jobs_job set logs = jsonb_set(logs, '{stderr}', '["nested"]') where id = new.id;
    end if;
    return null;
end $$;
create trigger nested after update on jobs_job for each row execute function nested();
"""


def test_write_of_another_trigger_inside_an_own_statement_is_recorded(job: Job, connect: Connect) -> None:
    binding = at_phase("job_logs", Phase.DUAL_WRITE)
    connection = connect()
    connection.execute(NESTED)
    own_append(binding, job.pk, "mine")
    assert [row[:2] for row in marked(connection)] == [(str(job.pk), "UPDATE")]


BEFORE = """
create function before_it() returns trigger language plpgsql as $$ begin
    new.logs := jsonb_set(new.logs, '{stderr}', '["put in"]'); return new;
end $$;
create trigger before_it before update of progress on jobs_job for each row execute function before_it();
"""


def test_write_of_a_before_trigger_to_the_column_is_recorded(job: Job, connect: Connect) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    connection = connect()
    connection.execute(BEFORE)
    connection.execute("update jobs_job set progress = 1")
    assert len(marked(connection)) == 1


def test_insert_is_recorded_only_with_elements(database: Database, connect: Connect) -> None:
    for name in ("job_logs", "device_events", "account_tags", "ticket_history"):
        at_phase(name, Phase.DUAL_WRITE)
    Job.objects.create()
    Job.objects.create(logs=None)
    Device.objects.create()
    Account.objects.create(code="empty", profile={"tags": {"a": []}, "theme": "dark"})
    Ticket.objects.create(history=loose({"changes": {"items": []}}))
    Ticket.objects.create(history=loose({"changes": {"items": None}}))
    assert marked(connect()) == []
    full = [
        Job.objects.create(logs={"stdout": [], "stderr": ["x"]}),
        Device.objects.create(events=[{"kind": "a"}]),
        Account.objects.create(code="50%", profile={"tags": {"a": [], "b": ["x"]}}),
        Ticket.objects.create(history=loose({"changes": {"items": [["a", 1]]}})),
        Device.objects.create(events={"no": "list"}),
    ]
    assert [row[:2] for row in marked(connect())] == [(str(each.pk), "INSERT") for each in full]


def test_change_of_the_residue_alone_is_nobodys_business(database: Database, connect: Connect) -> None:
    at_phase("account_tags", Phase.BACKFILL_AND_DROP)
    connection = connect()
    connection.execute("""insert into shapes_account values ('a', '{"tags": {"k": []}, "theme": "dark"}')""")
    connection.execute("""update shapes_account set profile = '{"theme": "light", "tags": {"k": []}}'""")
    assert marked(connection) == []
    with pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("""update shapes_account set profile = '{"theme": "light", "tags": {"k": ["x"]}}'""")


def test_text_that_is_no_json_is_recorded_and_does_not_break_the_writer(database: Database, connect: Connect) -> None:
    at_phase("ticket_history", Phase.DUAL_WRITE)
    connection = connect()
    connection.execute("insert into shapes_ticket (history) values ('{broken'), (''), (null)")
    connection.execute("update shapes_ticket set history = history || '{' where history = '{broken'")
    assert [row[1] for row in marked(connection)] == ["INSERT", "UPDATE"]


def test_changed_key_is_recorded_under_the_new_key(database: Database, connect: Connect) -> None:
    at_phase("account_tags", Phase.STOP_JSON_WRITES)
    connection = connect()
    connection.execute(
        """insert into shapes_account values ('a', '{"tags": {"k": []}}'), ('b', '{"tags": {"k": [1]}}')"""
    )
    connection.execute("delete from cutover_mark")
    connection.execute("update shapes_account set code = code || '2'")
    assert [row[:2] for row in marked(connection)] == [("b2", "UPDATE")]


def test_before_dual_write_one_mark_a_second_and_writer_is_kept_and_none_is_dirty(job: Job, connect: Connect) -> None:
    one, two = connect(application_name="one"), connect(application_name="two")
    for n in range(5):
        one.execute("update jobs_job set logs = jsonb_build_object('stdout', jsonb_build_array(%s::int))", [n])
    two.execute("""update jobs_job set logs = '{"stdout": ["x"]}'""")
    rows = marked(one)
    assert {row[2] for row in rows} == {"one", "two"}
    assert len(rows) <= 4
    assert not any(row[5] for row in rows)
    assert {row[4] for row in rows} == {0}


def test_from_dual_write_on_every_foreign_write_is_a_dirty_mark(job: Job, connect: Connect) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    connection = connect()
    for n in range(5):
        connection.execute("update jobs_job set logs = jsonb_build_object('stdout', jsonb_build_array(%s::int))", [n])
    assert marks.count_dirty("default", "job_logs") == 5


@pytest.mark.parametrize(
    ("setting", "phase", "rejected"), [("record", 4, False), ("reject", 4, True), ("record", 5, True)]
)
def test_late_foreign_write_is_recorded_or_rejected(
    job: Job, connect: Connect, monkeypatch: pytest.MonkeyPatch, setting: str, phase: int, rejected: bool
) -> None:
    binding = at_phase("job_logs", phase)
    monkeypatch.setattr(binding.cutover, "foreign_writes", setting)
    watch.install(binding)
    connection = connect()
    if not rejected:
        connection.execute("""update jobs_job set logs = '{"stdout": ["x"]}'""")
        assert len(marked(connection)) == 1
        return
    with pytest.raises(psycopg.errors.RestrictViolation) as told:
        connection.execute("""update jobs_job set logs = '{"stdout": ["x"]}'""")
    assert told.value.diag.message_primary == (
        f"jobs_job.logs belongs to the cutover job_logs; a write that does not go through it touched parent {job.pk}."
    )
    assert told.value.diag.message_hint == (
        "Write with cutover.use('job_logs').append, .extend or .replace, or go back with `cutover rollback`."
    )
    assert marked(connection) == []
    own_append(binding, job.pk, "rehydrated")
    connection.execute("insert into jobs_job (name, progress, logs) values ('', 0, '{\"stdout\": []}')")


def test_role_without_rights_on_the_toolkits_tables_can_still_write_its_own(
    job: Job, connect: Connect, role: Callable[[], str]
) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    name = role()
    admin = connect()
    admin.execute(sql.SQL("grant select, update on jobs_job to {}").format(sql.Identifier(name)))
    other = connect(user=name)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        other.execute("select * from cutover_mark")
    other.execute("create temporary table cutover_mark (like pg_class)")
    other.execute("""update jobs_job set logs = '{"stdout": ["x"]}'""")
    assert [row[3] for row in marked(admin)] == [name]


def test_operator_without_superuser_installs_and_removes_it(
    database: Database, connect: Connect, role: Callable[[], str]
) -> None:
    name = role()
    admin = connect()
    watch.remove("default", "job_logs", sql.Identifier("jobs_job"))
    give_everything(admin, name)
    with django_connection.cursor() as cursor:
        cursor.execute(f'set role "{name}"')
    binding = bind("job_logs")
    watch.install(binding)
    assert watch.state(binding) == "current"
    at_phase_marks = connect()
    Job.objects.create(logs={"stdout": ["x"]})
    assert len(marked(at_phase_marks)) == 1
    watch.remove("default", "job_logs", sql.Identifier("jobs_job"))
    assert watch.state(binding) == "missing"


def test_column_can_be_dropped_once_the_trigger_is_removed(job: Job, connect: Connect) -> None:
    connection = connect()
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        connection.execute("alter table jobs_job drop column logs")
    watch.remove("default", "job_logs", sql.Identifier("jobs_job"))
    connection.execute("alter table jobs_job drop column logs")
    connection.execute("update jobs_job set progress = 3")
