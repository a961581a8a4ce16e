"""A model's own saves at every phase: what they leave alone, what they refuse, and that nothing is dropped in silence."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.core import serializers
from django.db import IntegrityError, connection, transaction

from cutover import lease, ledger
from cutover.errors import MutatedDocument, NotEncodable
from cutover.phase import Phase
from databases import Database
from parents import line, queries, rewrite, row, stored
from project.jobs.models import Job, JobLog
from project.shapes.models import Account, Change, Device, Event, Tag, Ticket
from stages import at_phase

LEGACY = [Phase.NOT_STARTED, Phase.ADD_TABLE]
DUAL = [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM]
ROWS = [Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP]
GUARDED = [*DUAL, *ROWS]
OLD = {"stdout": [line(1, "old")], "stderr": [], "kept": {"n": 1}}
NEW = {"stdout": [line(2, "new"), line(1, "old")], "stderr": [], "kept": {"n": 1}}

Connect = Callable[..., psycopg.Connection[Any]]


@pytest.fixture
def job(database: Database) -> Job:
    return Job.objects.get(pk=Job.objects.create(logs=OLD).pk)


@pytest.mark.parametrize("phase", LEGACY)
def test_before_dual_write_a_stale_save_is_djangos(job: Job, connect: Connect, phase: Phase) -> None:
    at_phase("job_logs", phase)
    rewrite(connect(), job, NEW)
    job.save()
    assert stored(job) == OLD


@pytest.mark.parametrize("phase", LEGACY)
def test_before_dual_write_a_mutation_is_saved(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    job.logs["stdout"].insert(0, "mine")
    with queries(1):
        job.save(update_fields=["logs"])
    assert stored(job)["stdout"] == ["mine", line(1, "old")]


@pytest.mark.parametrize("phase", GUARDED)
@pytest.mark.parametrize("update_fields", [None, ["logs"], ["name", "logs"]])
def test_a_stale_save_leaves_the_column_as_it_is(
    job: Job, connect: Connect, phase: Phase, update_fields: list[str] | None
) -> None:
    at_phase("job_logs", phase)
    rewrite(connect(), job, NEW)
    job.name = "renamed"
    with queries(1):
        job.save(update_fields=update_fields)
    assert stored(job) == NEW
    assert Job.objects.get(pk=job.pk).name == ("renamed" if update_fields != ["logs"] else "")


def test_an_instance_of_phase_1_is_saved_in_phase_2(database: Database, connect: Connect) -> None:
    at_phase("job_logs", Phase.ADD_TABLE)
    pk = Job.objects.create(logs=OLD).pk
    job = Job.objects.get(pk=pk)
    at_phase("job_logs", Phase.DUAL_WRITE)
    rewrite(connect(), job, NEW)
    job.save()
    assert stored(job) == NEW


def test_a_stale_save_that_waited_for_the_lock_leaves_what_was_appended(job: Job, connect: Connect) -> None:
    at_phase("job_logs", Phase.DUAL_WRITE)
    other = connect(autocommit=False)
    rewrite(other, job, NEW)

    def save() -> None:
        try:
            job.save()
        finally:
            connection.close()

    saving = threading.Thread(target=save)
    saving.start()
    watcher = connect()
    from waiting import wait_until

    wait_until(lambda: watcher.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
    other.commit()
    saving.join(10)
    assert stored(job) == NEW


@pytest.mark.parametrize("phase", GUARDED)
@pytest.mark.parametrize("update_fields", [None, ["logs"]])
def test_mutate_and_save_is_refused(job: Job, phase: Phase, update_fields: list[str] | None) -> None:
    at_phase("job_logs", phase)
    job.logs["stdout"].insert(0, "mine")
    job.name = "renamed"
    with pytest.raises(MutatedDocument) as told, queries(0):
        job.save(update_fields=update_fields)
    assert str(told.value) == (
        f"logs of Job {job.pk} was changed in memory (stdout); saving it would overwrite what others have appended."
    )
    assert "append, extend or replace of cutover.use('job_logs')" in told.value.hint
    assert stored(job) == OLD
    assert Job.objects.get(pk=job.pk).name == ""


@pytest.mark.parametrize("phase", GUARDED)
def test_a_refused_save_does_not_poison_the_callers_transaction(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    job.logs = {}
    with transaction.atomic():
        with pytest.raises(MutatedDocument):
            job.save()
        Job.objects.update(name="after")
    assert Job.objects.get(pk=job.pk).name == "after"


@pytest.mark.parametrize("phase", GUARDED)
def test_a_mutation_is_refused_again_after_another_save(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    job.logs["stdout"].insert(0, "mine")
    job.save(update_fields=["name"])
    with pytest.raises(MutatedDocument):
        job.save()


@pytest.mark.parametrize("phase", GUARDED)
def test_assigning_the_same_again_is_no_change(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    job.logs = dict(job.logs)
    job.save()
    assert stored(job) == OLD


@pytest.mark.parametrize("phase", GUARDED)
def test_assigning_to_a_deferred_field_is_refused(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    bare = Job.objects.only("name").get(pk=job.pk)
    bare.save()
    bare.logs = {"stdout": []}
    with pytest.raises(MutatedDocument):
        bare.save()
    assert stored(job) == OLD


@pytest.mark.parametrize("phase", GUARDED)
def test_residue_is_saved_and_lists_stay(job: Job, connect: Connect, phase: Phase) -> None:
    at_phase("job_logs", phase)
    job.logs["mine"] = {"x": 1.5}
    rewrite(connect(), job, {**NEW, "theirs": 2})
    job.save()
    assert stored(job) == {**NEW, "theirs": 2, "mine": {"x": 1.5}}
    job.logs["mine"] = None
    job.save(update_fields=["logs"])
    assert stored(job)["mine"] is None
    del job.logs["mine"]
    job.save()
    assert stored(job) == {**NEW, "theirs": 2}


def test_residue_beside_nested_and_dynamic_lists(database: Database) -> None:
    Account.objects.create(code="a", profile={"theme": "dark", "tags": {"k": ["v"]}})
    Ticket.objects.create(pk=1, history={"changes": {"items": [["a", 1]], "by": "me"}})
    at_phase("account_tags", Phase.DUAL_WRITE)
    at_phase("ticket_history", Phase.STOP_JSON_WRITES)
    account, ticket = Account.objects.get(), Ticket.objects.get()
    account.profile["theme"] = "light"
    account.save()
    ticket.history["changes"]["by"] = "you"
    ticket.save()
    assert stored(account) == {"theme": "light", "tags": {"k": ["v"]}}
    assert stored(ticket) == {"changes": {"items": [["a", 1]], "by": "you"}}
    account.profile["tags"]["k"].append("w")
    ticket.history["changes"]["items"].pop()
    for parent in (account, ticket):
        with pytest.raises(MutatedDocument):
            parent.save()


def test_a_save_of_residue_is_the_toolkits_own(job: Job, connect: Connect) -> None:
    at_phase("job_logs", Phase.STOP_JSON_WRITES)
    before = connect().execute("SELECT count(*) FROM cutover_mark").fetchone()
    job.logs["mine"] = 1
    job.save()
    assert connect().execute("SELECT count(*) FROM cutover_mark").fetchone() == before


@pytest.mark.parametrize("phase", [Phase.PROPERTY_SHIM, *ROWS])
def test_a_document_that_was_served_is_not_put_into_json(job: Job, phase: Phase) -> None:
    row(job, 2, "new", position=2)
    at_phase("job_logs", phase)
    assert job.logs == NEW
    job.save()
    job.save(update_fields=["logs"])
    assert stored(job) == OLD


@pytest.mark.parametrize("phase", [Phase.PROPERTY_SHIM, *ROWS])
def test_a_served_document_that_was_changed_is_refused(job: Job, phase: Phase) -> None:
    row(job, 2, "new", position=2)
    at_phase("job_logs", phase)
    job.logs["stdout"].pop(0)
    with pytest.raises(MutatedDocument):
        job.save()


@pytest.mark.parametrize("phase", GUARDED)
def test_refresh_makes_a_mutation_undone(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    job.logs["stdout"].clear()
    job.refresh_from_db()
    job.save()
    assert job.logs == stored(job) == OLD


@pytest.mark.parametrize("phase", LEGACY)
def test_a_save_that_was_rolled_back_is_still_a_mutation(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    job.logs["stdout"].clear()
    with transaction.atomic():
        job.save()
        transaction.set_rollback(True)
    at_phase("job_logs", Phase.DUAL_WRITE)
    with pytest.raises(MutatedDocument):
        job.save()


def test_what_was_saved_before_dual_write_is_no_mutation_after_it(job: Job) -> None:
    at_phase("job_logs", Phase.ADD_TABLE)
    job.logs["stdout"].clear()
    job.save()
    at_phase("job_logs", Phase.DUAL_WRITE)
    job.save()
    assert stored(job)["stdout"] == []


@pytest.mark.parametrize("phase", [*LEGACY, *DUAL])
def test_a_new_parent_is_inserted_with_its_document(database: Database, phase: Phase) -> None:
    at_phase("job_logs", phase)
    made = Job(logs={"stdout": [], "stderr": []})
    made.logs["stdout"].append(line(1, "first"))
    made.save()
    made.save()
    assert stored(made)["stdout"] == [line(1, "first")]
    assert made.logs["stdout"] == Job.objects.get(pk=made.pk).logs["stdout"] == [line(1, "first")]
    assert not JobLog.objects.exists()


@pytest.mark.parametrize("phase", ROWS)
def test_elements_of_a_new_parent_become_rows(database: Database, phase: Phase) -> None:
    at_phase("job_logs", phase)
    document = {
        "stdout": [line(3, "bad", "ERROR"), line(1, "first")],
        "stderr": ["alone", "bad"],
        "kept": 1,
    }
    made = Job.objects.create(logs=document)
    assert stored(made) == {"stdout": [], "stderr": [], "kept": 1}
    assert list(JobLog.objects.order_by("position").values_list("level", "message")) == [
        ("INFO", "first"),
        ("ERROR", "bad"),
        ("ERROR", "alone"),
    ]
    assert made.logs == Job.objects.get(pk=made.pk).logs == document
    made.save()


def test_elements_of_new_parents_of_every_shape_become_rows(database: Database) -> None:
    for name in ("device_events", "account_tags", "ticket_history"):
        at_phase(name, Phase.STOP_JSON_WRITES)
    events = [{"kind": "a", "x": 1}, {"kind": "b"}]
    profile = {"tags": {"k": ["1", "2"], "l": ["3"]}, "theme": "dark"}
    history = {"changes": {"items": [["a", 1], ["b", None]]}}
    made = [
        Device.objects.create(events=events),
        Account.objects.create(code="new", profile=profile),
        Ticket.objects.create(history=history),
    ]
    assert [stored(each) for each in made] == [
        [],
        {"tags": {"k": [], "l": []}, "theme": "dark"},
        {"changes": {"items": []}},
    ]
    assert (Event.objects.count(), Tag.objects.count(), Change.objects.count()) == (2, 3, 2)
    assert Device.objects.get().events == events
    assert Account.objects.get().profile == profile
    assert Ticket.objects.get().history == history


@pytest.mark.parametrize("phase", ROWS)
def test_an_element_that_can_be_no_row_keeps_the_parent_from_being_made(database: Database, phase: Phase) -> None:
    at_phase("job_logs", phase)
    with pytest.raises(NotEncodable, match="An element of stdout cannot be a row"):
        Job.objects.create(logs={"stdout": [line(1, "good"), "no time"]})
    assert not Job.objects.exists()
    assert not JobLog.objects.exists()


@pytest.mark.parametrize("phase", GUARDED)
def test_a_new_instance_does_not_overwrite_the_document_of_an_old_one(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    with pytest.raises(MutatedDocument):
        Job(pk=job.pk, name="again").save()
    assert stored(job) == OLD
    assert Job(pk=job.pk, name="again").save(update_fields=["name"]) is None
    assert stored(job) == OLD


@pytest.mark.parametrize("phase", GUARDED)
def test_a_new_parent_with_a_key_of_its_own_is_inserted(database: Database, phase: Phase) -> None:
    at_phase("account_tags", phase)
    made = Account(code="mine", profile={"tags": {"k": ["v"]}})
    made.save()
    assert Account.objects.get().profile == {"tags": {"k": ["v"]}}


@pytest.mark.parametrize("phase", GUARDED)
def test_update_or_create_is_refused_for_what_is_there(job: Job, phase: Phase) -> None:
    at_phase("job_logs", phase)
    with pytest.raises(MutatedDocument):
        Job.objects.update_or_create(pk=job.pk, defaults={"logs": {"stdout": ["x"]}})
    assert stored(job) == OLD
    Job.objects.update_or_create(pk=job.pk, defaults={"name": "renamed"})
    assert (stored(job), Job.objects.get().name) == (OLD, "renamed")


@pytest.mark.parametrize("phase", GUARDED)
def test_update_or_create_makes_what_is_not_there(database: Database, phase: Phase) -> None:
    at_phase("job_logs", phase)
    made, created = Job.objects.update_or_create(name="new", defaults={"logs": {"stdout": [line(1, "a")]}})
    assert created
    assert Job.objects.get(pk=made.pk).logs["stdout"] == [line(1, "a")]


def marks_of(connect: Connect) -> list[Any]:
    return connect().execute("SELECT operation FROM cutover_mark ORDER BY id").fetchall()


@pytest.mark.parametrize("phase", GUARDED[:-1])
def test_bulk_update_and_update_write_the_column_and_are_recorded(job: Job, connect: Connect, phase: Phase) -> None:
    at_phase("job_logs", phase)
    before = len(marks_of(connect))
    job.logs = {"stdout": ["x"]}
    Job.objects.bulk_update([job], ["logs"])
    assert stored(job) == {"stdout": ["x"]}
    Job.objects.update(logs={"stdout": ["y"]})
    assert stored(job) == {"stdout": ["y"]}
    assert len(marks_of(connect)) == before + 2


@pytest.mark.parametrize("phase", DUAL)
def test_bulk_create_inserts_the_document_and_is_recorded(database: Database, connect: Connect, phase: Phase) -> None:
    at_phase("job_logs", phase)
    (made,) = Job.objects.bulk_create([Job(logs=OLD)])
    assert stored(made) == OLD
    assert len(marks_of(connect)) == 1
    made.save()


@pytest.mark.parametrize("phase", ROWS)
def test_bulk_create_of_elements_is_refused_once_json_is_not_written(database: Database, phase: Phase) -> None:
    at_phase("job_logs", phase)
    with pytest.raises(MutatedDocument, match="A new Job has elements in logs, which is no longer written"):
        Job.objects.bulk_create([Job(logs=OLD)])
    Job.objects.bulk_create([Job(), Job(logs=None), Job(logs={"kept": 1})])
    assert Job.objects.count() == 3


@pytest.mark.parametrize("phase", DUAL)
def test_conflicts_of_bulk_create_write_the_column_and_are_recorded(job: Job, connect: Connect, phase: Phase) -> None:
    at_phase("job_logs", phase)
    before = len(marks_of(connect))
    again = Job(pk=job.pk, logs=NEW)
    Job.objects.bulk_create([again], update_conflicts=True, unique_fields=["id"], update_fields=["logs"])
    assert stored(job) == NEW
    assert len(marks_of(connect)) > before


def fixture(pk: int) -> Any:
    fields = {"name": "", "progress": 0, "logs": NEW}
    return next(iter(serializers.deserialize("python", [{"model": "jobs.job", "pk": pk, "fields": fields}])))


@pytest.mark.parametrize("phase", GUARDED[:-1])
def test_a_fixture_writes_the_column_and_is_recorded(job: Job, connect: Connect, phase: Phase) -> None:
    at_phase("job_logs", phase)
    before = len(marks_of(connect))
    fixture(job.pk).save()
    fixture(job.pk + 1).save()
    assert [stored(each) for each in Job.objects.order_by("pk")] == [NEW, NEW]
    assert len(marks_of(connect)) == before + 2
    assert Job.objects.get(pk=job.pk).logs == NEW


def test_a_fixture_with_elements_is_refused_once_rows_alone_are_read(job: Job) -> None:
    at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    ledger.set_backfilled("default", "job_logs", True)
    lease.forget()
    with pytest.raises(MutatedDocument, match="where nobody reads them any more"):
        fixture(job.pk).save()


def test_a_signal_that_changes_the_document_is_not_overlooked(job: Job) -> None:
    from django.db.models.signals import pre_save

    def meddle(instance: Job, **_: Any) -> None:
        instance.logs["stdout"].clear()

    at_phase("job_logs", Phase.DUAL_WRITE)
    pre_save.connect(meddle, sender=Job)
    try:
        with pytest.raises(MutatedDocument):
            job.save()
    finally:
        pre_save.disconnect(meddle, sender=Job)
    assert stored(job) == OLD


def test_what_goes_around_the_guard_is_rejected_by_the_trigger_in_the_last_phase(job: Job) -> None:
    at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    job.logs = {"stdout": ["x"]}
    with pytest.raises(IntegrityError, match="a write that does not go through it"):
        Job.objects.bulk_update([job], ["logs"])
    with pytest.raises(IntegrityError):
        Job.objects.update(logs={"stdout": ["y"]})
    with pytest.raises(IntegrityError):
        fixture(job.pk).save()
    assert stored(job) == OLD


def test_a_refresh_within_the_transaction_is_what_counts(job: Job) -> None:
    at_phase("job_logs", Phase.ADD_TABLE)
    with transaction.atomic():
        job.logs["stdout"].clear()
        job.save()
        Job.objects.update(logs=NEW)
        job.refresh_from_db()
    at_phase("job_logs", Phase.DUAL_WRITE)
    job.save()
    assert stored(job) == NEW
