"""The drop, and its way back, which brings the documents back as they were."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, models, transaction

import project.jobs.models
from cutover import db, ledger
from cutover.demo.server import Server
from cutover.errors import DeclarationError, Refused
from cutover.mapping import bind
from cutover.operations import ArchiveColumn, DropColumn, EnsureConstraint, RelaxColumn
from cutover.phase import Phase
from cutover.schema import introspect, manifest, names, watch
from databases import Database
from migrating import backwards, documents, droppable, forwards
from project.jobs.models import Job, JobLog
from project.shapes.models import Account, Device, PlainJSONField, TextJSONField, Ticket
from roles import give_everything

Connect = Callable[..., psycopg.Connection[Any]]


def loose(value: Any) -> Any:
    """The field takes a document; its stub knows text only."""
    return value


LOGS = models.JSONField(null=True, default=project.jobs.models.empty_logs)
ARCHIVE = ArchiveColumn("job_logs", model="jobs.Job", column="logs")
DROP = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=LOGS)
WAIVED = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=LOGS, archive="waived by Ada")

LINE = "[2026-01-02 03:04:{:02}] INFO line {}"
DOCUMENTS: list[Any] = [
    {"stdout": [LINE.format(n, n) for n in range(5)], "stderr": []},
    {"stdout": ["[2026-01-02 03:04:05] ERROR boom"], "stderr": ["boom", "alone 50%"]},
    {"stdout": []},
    {"stderr": None},
    {},
    None,
]


@pytest.fixture
def jobs(database: Database) -> list[Job]:
    made = [Job.objects.create(name=str(n), logs=logs) for n, logs in enumerate(DOCUMENTS)]
    db.run("default", "DELETE FROM cutover_process")
    return made


def column_exists() -> bool:
    return introspect.column_exists(bind("job_logs"))


def test_documents_come_back_as_they_were(jobs: list[Job]) -> None:
    binding = droppable("job_logs")
    connection.cursor().execute("UPDATE jobs_job SET logs = 'null' WHERE name = '4'")
    before = documents(binding)
    forwards(ARCHIVE, DROP)
    assert not column_exists()
    assert ledger.read("default", "job_logs").dropped_at is not None
    backwards(DROP, ARCHIVE)
    assert documents(binding) == before
    assert len(before) == len(DOCUMENTS)
    assert ledger.read("default", "job_logs").dropped_at is None
    assert watch.state(binding) == "current"
    assert not introspect.exists("default", names.archive_table("job_logs"))
    assert manifest.whole("default", "job_logs") is None


def test_rows_written_after_json_come_back_in_the_document_and_stand_for_it(jobs: list[Job]) -> None:
    binding = droppable("job_logs")
    forwards(ARCHIVE, DROP)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jobs_job (name, progress) VALUES ('late', 0) RETURNING id")
        late = cursor.fetchone()[0]
    for key in (jobs[0].pk, jobs[5].pk, late):
        JobLog.objects.create(job_id=key, created_at="2026-02-03T04:05:06Z", level="ERROR", message="after")
    backwards(DROP)
    new = "[2026-02-03 04:05:06] ERROR after"
    found = {job.pk: job.logs for job in Job.objects.all()}
    assert found[jobs[0].pk] == {"stdout": [new, *DOCUMENTS[0]["stdout"]], "stderr": ["after"]}
    assert found[jobs[5].pk] == {"stdout": [new], "stderr": ["after"]}
    assert found[late] == {"stdout": [new], "stderr": ["after"]}
    assert not any(row.position >= 0 and row.position & 1 == 0 for row in JobLog.objects.all())
    assert documents(binding)[2] == (jobs[2].pk, '{"stdout": []}')


def test_rows_deleted_after_json_do_not_come_back(jobs: list[Job]) -> None:
    droppable("job_logs")
    forwards(ARCHIVE, DROP)
    JobLog.objects.filter(job_id=jobs[0].pk).delete()
    backwards(DROP)
    assert Job.objects.get(pk=jobs[0].pk).logs == {"stdout": [], "stderr": []}


def test_waived_archive_gives_back_the_lists_alone(jobs: list[Job]) -> None:
    droppable("job_logs")
    forwards(WAIVED)
    backwards(WAIVED)
    assert [job.logs for job in Job.objects.order_by("pk")] == [
        {"stdout": [], "stderr": [], **(each or {})} if index != 3 else {"stdout": [], "stderr": []}
        for index, each in enumerate(DOCUMENTS)
    ]


def test_schema_is_the_same_after_there_and_back(jobs: list[Job], server: Server, database: Database) -> None:
    relax = RelaxColumn("job_logs")
    start = dump(server, database)
    forwards(relax)
    before = dump(server, database)
    assert before != start
    droppable("job_logs")
    forwards(ARCHIVE, EnsureConstraint("job_logs"), DROP)
    assert dump(server, database) != before
    backwards(DROP, EnsureConstraint("job_logs"), ARCHIVE)
    assert dump(server, database) == before
    backwards(relax)
    assert dump(server, database) == start


def dump(server: Server, database: Database) -> str:
    text = server.run("pg_dump", "--schema-only", database.name)
    return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


@pytest.mark.parametrize("to", ["table", "file"])
@pytest.mark.parametrize(
    ("name", "model", "field_name", "field", "made"),
    [
        (
            "device_events",
            "shapes.Device",
            "events",
            models.JSONField(default=list),
            [Device(events=[{"kind": "a", "count": 1, "x": [1.50]}, {"kind": "b"}]), Device(events=[])],
        ),
        (
            "account_tags",
            "shapes.Account",
            "profile",
            PlainJSONField(null=True),
            [Account(code="a%b", profile={"tags": {"y": ["1", "2"], "x": [], "z": ["é"]}}), Account(code="B")],
        ),
        (
            "ticket_history",
            "shapes.Ticket",
            "history",
            TextJSONField(null=True),
            [
                Ticket(history=loose({"changes": {"items": [["f", 1], ["g", None]]}})),
                Ticket(history=None),
                Ticket(history=loose({})),
            ],
        ),
    ],
)
def test_other_shapes_come_back_as_they_were(
    database: Database,
    name: str,
    model: str,
    field_name: str,
    field: Any,
    made: list[models.Model],
    to: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for each in made:
        each._state.adding = True
        each.save(force_insert=True)
    binding = droppable(name)
    before = documents(binding)
    monkeypatch.setenv("CUTOVER_ARCHIVE_DIRECTORY", str(tmp_path))
    drop = DropColumn(name, model=model, field_name=field_name, field=field)
    forwards(ArchiveColumn(name, model=model, column=field_name, to=to), drop)
    assert not introspect.column_exists(binding)
    backwards(drop)
    assert documents(binding) == before


def test_quarantined_element_comes_back_from_the_archive(database: Database) -> None:
    Job.objects.create(logs={"stdout": ["no time stamp", LINE.format(1, 1)], "stderr": []})
    binding = droppable("job_logs")
    db.run("default", "UPDATE cutover_verification SET found = '{}'")
    db.run("default", "UPDATE cutover_quarantine SET waived_by = 'Ada', waived_at = now()")
    before = documents(binding)
    forwards(ARCHIVE, DROP)
    backwards(DROP)
    assert documents(binding) == before


def test_empty_table_is_dropped_without_asking_and_the_ledger_is_at_the_end(database: Database) -> None:
    forwards(ARCHIVE, DROP)
    assert not column_exists()
    entry = ledger.read("default", "job_logs")
    assert (entry.phase, entry.settled) == (Phase.BACKFILL_AND_DROP, True)
    assert entry.backfilled_at is not None
    assert entry.dropped_at is not None
    assert [move.why for move in ledger.history("default", "job_logs")] == ["there were no parents"]
    backwards(DROP, ARCHIVE)
    assert column_exists()
    assert watch.state(bind("job_logs")) == "current"
    entry = ledger.read("default", "job_logs")
    assert (entry.phase, entry.settled, entry.backfilled_at) == (Phase.NOT_STARTED, True, None)
    forwards(ARCHIVE, DROP)
    assert not column_exists()


def test_inside_a_transaction_it_is_refused_before_anything_else(database: Database) -> None:
    with pytest.raises(DeclarationError) as told, transaction.atomic():
        forwards(DROP)
    assert str(told.value) == "DropColumn('job_logs') is inside a transaction."
    assert told.value.hint == "Write `atomic = False` in its migration."
    assert told.value.__notes__ == [told.value.hint]


def test_undeclared_cutover_is_dropped_on_an_empty_table_only(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    from cutover import spec

    monkeypatch.setattr(spec, "names", list)
    with pytest.raises(Refused) as told:
        forwards(DROP)
    assert str(told.value) == "job_logs is not declared, and its parents have documents."
    db.run("default", "DELETE FROM jobs_job")
    forwards(DROP)
    assert not column_exists()


def test_writes_go_on_after_the_drop(jobs: list[Job], connect: Connect) -> None:
    droppable("job_logs")
    forwards(ARCHIVE, DROP)
    connect().execute("UPDATE jobs_job SET progress = 7")
    connect().execute("INSERT INTO jobs_job (name, progress) VALUES ('new', 0)")
    functions = connect().execute("SELECT count(*) FROM pg_proc WHERE proname = 'cutover_watch_job_logs_v1'")
    assert functions.fetchone() == (0,)


def test_operator_without_superuser_drops_and_restores(
    jobs: list[Job], connect: Connect, role: Callable[[], str]
) -> None:
    name = role()
    binding = droppable("job_logs")
    before = documents(binding)
    give_everything(connect(), name)
    with connection.cursor() as cursor:
        cursor.execute(f'SET ROLE "{name}"')
    operations = (ARCHIVE, EnsureConstraint("job_logs"), DROP)
    forwards(*operations)
    assert not column_exists()
    backwards(*reversed(operations))
    assert documents(binding) == before
    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute('UPDATE jobs_job SET logs = \'{"stdout": ["x"]}\'')
