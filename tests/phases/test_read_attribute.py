"""`job.logs` at every phase: where its value comes from, and what is left alone."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.core import serializers
from django.forms.models import model_to_dict

from cutover import read
from cutover.mapping import bind
from cutover.phase import Phase
from databases import Database
from parents import line, queries, rewrite, row
from project.jobs.models import Job, JobLog
from project.shapes.models import Account, Change, Device, Event, Tag, Ticket
from stages import at_phase

BEFORE = [Phase.NOT_STARTED, Phase.ADD_TABLE, Phase.DUAL_WRITE]
AFTER = [Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP]
OLD = {"stdout": [line(1, "old")], "stderr": [], "kept": {"n": 1}}


def job_with_both() -> Job:
    """An element without a row, one with a row, a row without an element."""
    paired = line(2, "both")
    job = Job.objects.create(logs={**OLD, "stdout": [paired, *OLD["stdout"]]})
    row(job, 2, "both", position=1)
    row(job, 3, "new", "ERROR", position=2)
    return Job.objects.get(pk=job.pk)


UNITED = {"stdout": [line(3, "new", "ERROR"), line(2, "both"), line(1, "old")], "stderr": ["new"], "kept": {"n": 1}}


@pytest.mark.parametrize("phase", BEFORE)
def test_before_the_shim_json_is_read_without_a_query(database: Database, phase: Phase) -> None:
    job = job_with_both()
    at_phase("job_logs", phase)
    with queries(0):
        assert job.logs["stdout"] == [line(2, "both"), line(1, "old")]


@pytest.mark.parametrize("phase", AFTER)
def test_from_the_shim_on_both_sides_are_read_by_one_query(database: Database, phase: Phase) -> None:
    job = job_with_both()
    at_phase("job_logs", phase)
    with queries(1):
        assert job.logs == UNITED
        assert job.logs["stderr"] == ["new"]


def test_the_attribute_follows_the_phase_without_a_new_class(database: Database) -> None:
    job = job_with_both()
    seen = []
    for phase in [*BEFORE, *AFTER]:
        at_phase("job_logs", phase)
        seen.append(len(Job.objects.get(pk=job.pk).logs["stdout"]))
    assert seen == [2, 2, 2, 3, 3, 3]


def complete(name: str) -> None:
    from cutover import lease, ledger

    ledger.set_backfilled("default", name, True)
    lease.forget()


def test_after_the_backfill_rows_alone_count_and_the_residue_stays(database: Database) -> None:
    job = job_with_both()
    at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    complete("job_logs")
    assert job.logs == {"stdout": [line(3, "new", "ERROR"), line(2, "both")], "stderr": ["new"], "kept": {"n": 1}}


def test_lists_without_rows_are_empty_after_the_backfill(database: Database) -> None:
    job = Job.objects.create(logs=OLD)
    nothing = Job.objects.create(logs=None)
    at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    complete("job_logs")
    assert Job.objects.get(pk=job.pk).logs == {"stdout": [], "stderr": [], "kept": {"n": 1}}
    assert Job.objects.get(pk=nothing.pk).logs is None


def test_a_dropped_column_is_not_touched(database: Database, connect: Callable[..., psycopg.Connection[Any]]) -> None:
    from cutover import lease, ledger

    job = job_with_both()
    bare = Job.objects.create(logs=None)
    binding = at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    complete("job_logs")
    ledger.set_dropped("default", "job_logs", True)
    lease.forget()
    connect().execute("ALTER TABLE jobs_job DROP COLUMN logs CASCADE")
    assert job.logs == {"stdout": [line(3, "new", "ERROR"), line(2, "both")], "stderr": ["new"]}
    assert read.read(binding, bare.pk) == {"stdout": [], "stderr": []}


@pytest.mark.parametrize(
    "document", [None, {}, {"stdout": None}, {"stdout": [], "stderr": []}, {"stdout": "text"}, [1], "text", 3]
)
def test_a_document_without_rows_is_returned_as_it_is(database: Database, document: Any) -> None:
    job = Job.objects.create(logs=document)
    at_phase("job_logs", Phase.PROPERTY_SHIM)
    assert Job.objects.get(pk=job.pk).logs == document


@pytest.mark.parametrize("document", [None, {}, {"stdout": None}, {"stdout": "text"}])
def test_a_row_makes_its_list(database: Database, document: Any) -> None:
    job = Job.objects.create(logs=document)
    row(job, 1, "first", position=2)
    at_phase("job_logs", Phase.PROPERTY_SHIM)
    assert Job.objects.get(pk=job.pk).logs == {"stdout": [line(1, "first")]}


def test_a_root_list_of_objects(database: Database) -> None:
    device = Device.objects.create(events=[{"kind": "a", "x": 1.5}])
    Event.objects.create(device=device, kind="b", count=2, position=2)
    at_phase("device_events", Phase.PROPERTY_SHIM)
    assert Device.objects.get(pk=device.pk).events == [{"kind": "a", "x": 1.5}, {"kind": "b", "count": 2}]


def test_dynamic_keys_of_both_sides(database: Database) -> None:
    account = Account.objects.create(code="x", profile={"theme": "dark", "tags": {"old": ["1"], "odd": 7}})
    Tag.objects.create(account=account, kind="old", value="2", position=2)
    Tag.objects.create(account=account, kind="new", value="3", position=4)
    at_phase("account_tags", Phase.PROPERTY_SHIM)
    expected = {"theme": "dark", "tags": {"old": ["1", "2"], "new": ["3"], "odd": 7}}
    assert Account.objects.get(pk="x").profile == expected


def test_tuples_in_a_text_column(database: Database) -> None:
    ticket = Ticket.objects.create(history={"changes": {"items": [["a", 1]], "by": "me"}})
    Change.objects.create(ticket=ticket, field="b", amount=None, position=2)
    at_phase("ticket_history", Phase.PROPERTY_SHIM)
    found = Ticket.objects.get(pk=ticket.pk).history
    assert found == {"changes": {"items": [["a", 1], ["b", None]], "by": "me"}}


def test_numbers_keep_their_digits(database: Database, connect: Callable[..., psycopg.Connection[Any]]) -> None:
    account = Account.objects.create(code="x")
    connect().execute('UPDATE shapes_account SET profile = \'{"n": 1.10, "big": 12345678901234567890.5}\'')
    Tag.objects.create(account=account, kind="k", value="v", position=2)
    binding = at_phase("account_tags", Phase.PROPERTY_SHIM)
    from cutover.read import document

    text = document.texts(binding, ["x"])["x"]
    assert text is not None
    assert '"n": 1.10' in text
    assert '"big": 12345678901234567890.5' in text


def test_deferred_fields_load_through_django_before_the_shim(database: Database) -> None:
    pk = job_with_both().pk
    at_phase("job_logs", Phase.DUAL_WRITE)
    job = Job.objects.only("name").get(pk=pk)
    with queries(1):
        assert job.logs["stdout"] == [line(2, "both"), line(1, "old")]
        assert job.get_deferred_fields() == {"progress"}


def test_deferred_fields_are_served_without_the_column_through_the_orm(database: Database) -> None:
    pk = job_with_both().pk
    at_phase("job_logs", Phase.PROPERTY_SHIM)
    job = Job.objects.defer("logs").get(pk=pk)
    with queries(1):
        assert job.logs == UNITED


@pytest.mark.parametrize("phase", [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM])
def test_deleting_the_attribute_makes_it_deferred(database: Database, phase: Phase) -> None:
    job = job_with_both()
    at_phase("job_logs", phase)
    first = job.logs
    del job.logs
    assert "logs" in job.get_deferred_fields()
    assert job.logs == first
    del job.logs
    with pytest.raises(AttributeError):
        del job.logs


def test_refresh_reads_anew_and_is_no_assignment(database: Database) -> None:
    job = job_with_both()
    at_phase("job_logs", Phase.STOP_JSON_WRITES)
    assert job.logs == UNITED
    row(job, 4, "later", position=4)
    assert job.logs == UNITED
    job.refresh_from_db(fields=["name"])
    assert job.logs == UNITED
    job.refresh_from_db(fields=["logs"])
    assert job.logs["stdout"][0] == line(4, "later")
    row(job, 5, "last", position=6)
    job.refresh_from_db()
    assert job.logs["stdout"][0] == line(5, "last")


def test_refresh_costs_its_own_query_until_the_attribute_is_asked(database: Database) -> None:
    job = job_with_both()
    at_phase("job_logs", Phase.STOP_JSON_WRITES)
    with queries(1):
        job.refresh_from_db()
    with queries(1):
        assert job.logs == UNITED


@pytest.mark.parametrize("phase", [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM])
def test_what_was_assigned_is_returned(database: Database, phase: Phase) -> None:
    job = job_with_both()
    at_phase("job_logs", phase)
    mine: dict[str, list[str]] = {"stdout": []}
    job.logs = mine
    assert job.logs is mine


@pytest.mark.parametrize("phase", [Phase.NOT_STARTED, *AFTER])
def test_an_unsaved_instance_has_what_it_was_given(database: Database, phase: Phase) -> None:
    at_phase("job_logs", phase)
    with queries(0):
        assert Job().logs == {"stdout": [], "stderr": []}
        assert Job(pk=5, logs={"stdout": ["x"]}).logs == {"stdout": ["x"]}


def test_copies_and_pickles_carry_the_value(database: Database) -> None:
    job = job_with_both()
    at_phase("job_logs", Phase.PROPERTY_SHIM)
    unread = pickle.loads(pickle.dumps(job))  # noqa: S301
    assert unread.logs == UNITED
    for twin in (pickle.loads(pickle.dumps(unread)), copy.copy(unread), copy.deepcopy(unread)):  # noqa: S301
        with queries(0):
            assert twin.logs == UNITED


def test_forms_and_serializers_see_what_the_attribute_shows(database: Database) -> None:
    job = job_with_both()
    at_phase("job_logs", Phase.PROPERTY_SHIM)
    assert model_to_dict(job)["logs"] == UNITED
    (told,) = serializers.serialize("python", [Job.objects.get(pk=job.pk)])
    assert told["fields"]["logs"] == UNITED


def test_a_parent_that_is_gone_keeps_what_was_loaded(database: Database) -> None:
    job = job_with_both()
    at_phase("job_logs", Phase.PROPERTY_SHIM)
    bare = Job.objects.defer("logs").get(pk=job.pk)
    Job.objects.filter(pk=job.pk).delete()
    assert job.logs["stdout"] == [line(2, "both"), line(1, "old")]
    with pytest.raises(Job.DoesNotExist, match=f"Job {job.pk} is not there"):
        bare.logs  # noqa: B018
    with pytest.raises(Job.DoesNotExist):
        read.read(bind("job_logs"), job.pk)


def test_the_class_attribute_is_djangos(database: Database) -> None:
    assert Job.logs.field is Job._meta.get_field("logs")


def test_the_union_is_of_one_snapshot(database: Database, connect: Callable[..., psycopg.Connection[Any]]) -> None:
    """Another's document is seen, not the one in memory."""
    job = job_with_both()
    at_phase("job_logs", Phase.PROPERTY_SHIM)
    rewrite(connect(), job, {"stdout": [line(9, "other")]})
    JobLog.objects.all().delete()
    assert job.logs == {"stdout": [line(9, "other")]}
