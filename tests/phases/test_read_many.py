"""Reading many parents at once, one by its key, capped lists, and models from which the field has gone."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from cutover import backfill, lease, ledger, read, snapshot
from cutover.errors import MutatedDocument
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from cutover.read import Shim, document
from databases import Database
from parents import line, queries, row
from project.jobs.models import Job, JobLog
from project.shapes.models import Account, Device, Event, Tag, Ticket
from stages import at_phase

PHASES = [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP]


def page(parents: int) -> list[int]:
    made = [Job.objects.create(logs={"stdout": [line(1, f"old {n}")], "stderr": []}).pk for n in range(parents)]
    for job in Job.objects.all():
        row(job, 2, f"new {job.pk}", position=2)
    return made


@pytest.mark.parametrize("parents", [1, 50])
@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_page_of_parents_is_one_query(database: Database, phase: Phase, parents: int) -> None:
    page(parents)
    binding = at_phase("job_logs", phase)
    jobs = list(Job.objects.order_by("pk"))
    lease.current(binding)
    with queries(1):
        read.prefetch(binding, jobs)
        shown = [job.logs["stdout"][0] for job in jobs]
    assert shown == [line(2, f"new {job.pk}") for job in jobs]


def test_prefetch_below_the_shim_fills_deferred_fields_alone(database: Database) -> None:
    page(3)
    binding = at_phase("job_logs", Phase.DUAL_WRITE)
    loaded, deferred = list(Job.objects.all()), list(Job.objects.defer("logs"))
    lease.current(binding)
    with queries(0):
        read.prefetch(binding, loaded)
    with queries(1):
        read.prefetch(binding, deferred)
        assert all(job.logs["stdout"][0].endswith(f"old {n}") for n, job in enumerate(deferred))


def test_prefetch_leaves_what_is_in_memory(database: Database) -> None:
    page(2)
    binding = at_phase("job_logs", Phase.PROPERTY_SHIM)
    assigned, served = Job.objects.order_by("pk")
    assigned.logs = {"mine": True}
    first = served.logs
    with queries(0):
        read.prefetch(binding, [assigned, served, Job()])
    assert (assigned.logs, served.logs is first) == ({"mine": True}, True)


def test_two_instances_of_one_parent_do_not_share_the_value(database: Database) -> None:
    (pk,) = page(1)
    binding = at_phase("job_logs", Phase.PROPERTY_SHIM)
    one, two = Job.objects.get(pk=pk), Job.objects.get(pk=pk)
    read.prefetch(binding, [one, two])
    one.logs["stdout"].clear()
    assert len(two.logs["stdout"]) == 2


@pytest.mark.parametrize("phase", PHASES)
def test_read_by_key_is_what_the_attribute_shows(database: Database, phase: Phase) -> None:
    (pk,) = page(1)
    binding = at_phase("job_logs", phase)
    assert read.read(binding, pk) == Job.objects.get(pk=pk).logs


def test_only_the_streams_asked_for_are_read(database: Database) -> None:
    (pk,) = page(1)
    job = Job.objects.get(pk=pk)
    row(job, 3, "broken", "ERROR", position=4)
    binding = at_phase("job_logs", Phase.PROPERTY_SHIM)
    assert read.read(binding, pk, streams=("stderr",)) == {"stderr": ["broken"]}
    found = document.take(binding, [pk], lease.current(binding), [binding.stream("stderr")])
    assert {place: rows.elements for place, rows in found[pk].lists.items()} == {(1, None): ["broken"]}


def test_streams_of_a_complete_backfill_are_rows_alone(database: Database) -> None:
    (pk,) = page(1)
    binding = at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    ledger.set_backfilled("default", "job_logs", True)
    lease.forget()
    assert read.read(binding, pk, streams=("stdout", "stderr")) == {"stdout": [line(2, f"new {pk}")], "stderr": []}


def many(job: Job, messages: list[str]) -> None:
    rows = [JobLog(job=job, level="INFO", message=each, position=2 * n) for n, each in enumerate(messages, 1)]
    JobLog.objects.bulk_create(rows)
    JobLog.objects.update(created_at="2025-03-01T12:00:00Z")


def test_a_capped_list_reads_few_more_rows_than_it_shows(database: Database) -> None:
    job = Job.objects.create()
    many(job, [f"m{n}" for n in range(1500)])
    binding = at_phase("job_logs", Phase.STOP_JSON_WRITES)
    taken = document.take(binding, [job.pk], lease.current(binding))[job.pk]
    assert len(taken.lists[0, None].elements) == document.limit_of(binding.streams[0])
    shown = read.read(binding, job.pk)["stdout"]
    assert (len(shown), shown[0], shown[-1]) == (1000, line(0, "m1499"), line(0, "m500"))


def test_equal_rows_do_not_shorten_a_capped_list(database: Database) -> None:
    job = Job.objects.create()
    many(job, [f"old {n}" for n in range(1200)] + ["again"] * 3000)
    binding = at_phase("job_logs", Phase.STOP_JSON_WRITES)
    shown = read.read(binding, job.pk)["stdout"]
    assert (len(shown), shown[0], shown[1]) == (1000, line(0, "again"), line(0, "old 1199"))


def test_older_rows_are_not_hidden_by_json(database: Database) -> None:
    """Equal rows fill what is read, and JSON fills the list: the rows between them must still be found."""
    job = Job.objects.create(logs={"stdout": [line(5, f"json {n}") for n in range(1000)], "stderr": []})
    many(job, ["between", *["again"] * 1000])
    binding = at_phase("job_logs", Phase.STOP_JSON_WRITES)
    shown = read.read(binding, job.pk)["stdout"]
    assert shown[:3] == [line(0, "again"), line(0, "between"), line(5, "json 0")]


@pytest.fixture
def slim(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Binding]]:
    """The model of a release from which the field has gone, and the cutover bound to it."""
    with isolate_apps("project.jobs"):

        class Slim(models.Model):
            name = models.CharField(max_length=100, default="")
            progress = models.IntegerField(default=0)
            logs = Shim("job_logs")

            class Meta:
                app_label = "jobs"
                db_table = "jobs_job"
                managed = False

        known = bind("job_logs")
        binding = replace(known, field=None, parent=replace(known.parent, model=Slim))
        monkeypatch.setattr("cutover.read.shim.bind", lambda name: binding)
        yield Slim, binding


@pytest.mark.parametrize("phase", PHASES)
def test_the_shim_reads_the_column_while_it_says_something(database: Database, slim: Any, phase: Phase) -> None:
    (pk,) = page(1)
    at_phase("job_logs", phase)
    rows = [line(2, f"new {pk}")] if phase.reads_rows else []
    with queries(2):
        assert slim[0].objects.get(pk=pk).logs == {"stdout": [*rows, line(1, "old 0")], "stderr": []}


def test_the_shim_serves_rows_alone_after_the_backfill(database: Database, slim: Any) -> None:
    (pk,) = page(1)
    at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    ledger.set_backfilled("default", "job_logs", True)
    lease.forget()
    assert slim[0].objects.get(pk=pk).logs == {"stdout": [line(2, f"new {pk}")], "stderr": []}
    assert slim[0]().logs == {"stdout": [], "stderr": []}


def test_the_shim_keeps_its_value_until_a_refresh(database: Database, slim: Any) -> None:
    (pk,) = page(1)
    at_phase("job_logs", Phase.STOP_JSON_WRITES)
    found = slim[0].objects.get(pk=pk)
    before = found.logs
    row(Job(pk=pk), 3, "later", position=4)
    found.refresh_from_db(fields=["name"])
    assert found.logs is before
    found.refresh_from_db(fields=["logs"])
    assert found.logs["stdout"][0] == line(3, "later")
    row(Job(pk=pk), 4, "last", position=6)
    found.refresh_from_db()
    assert found.logs["stdout"][0] == line(4, "last")


def test_the_shim_cannot_be_assigned(database: Database, slim: Any) -> None:
    with pytest.raises(TypeError, match=r"Slim\(\) got unexpected keyword arguments: 'logs'"):
        slim[0](logs={})
    with pytest.raises(MutatedDocument) as told:
        slim[0]().logs = {}
    assert str(told.value) == "Slim.logs is served from rows; it cannot be assigned."
    assert told.value.hint == "Use append, extend or replace of cutover.use('job_logs')."


def test_the_shim_prefetches(database: Database, slim: Any) -> None:
    page(5)
    at_phase("job_logs", Phase.STOP_JSON_WRITES)
    model, binding = slim
    found = list(model.objects.all())
    with queries(1):
        read.prefetch(binding, found)
        assert all(len(each.logs["stdout"]) == 2 for each in found)


def test_a_list_that_the_backfill_has_emptied_has_the_shape_of_its_paths(database: Database) -> None:
    device, account = Device.objects.create(), Account.objects.create(code="a")
    for name in ("device_events", "account_tags"):
        at_phase(name, Phase.BACKFILL_AND_DROP)
        ledger.set_backfilled("default", name, True)
    lease.forget()
    gone = {name: replace(bind(name), field=None) for name in ("device_events", "account_tags")}
    assert read.read(gone["device_events"], device.pk) == []
    assert read.read(gone["account_tags"], account.pk) == {}
    Event.objects.create(device=device, kind="a", position=2)
    Tag.objects.create(account=account, kind="k", value="v", position=2)
    assert read.read(gone["device_events"], device.pk) == [{"kind": "a"}]
    assert read.read(gone["account_tags"], account.pk) == {"tags": {"k": ["v"]}}


def test_elements_made_by_the_database_are_those_of_python(database: Database) -> None:
    device = Device.objects.create(events=[{"kind": "a", "x": 1.5}])
    Event.objects.create(device=device, kind="b", count=2, extra={"y": [1.10, None]}, position=2)
    binding = at_phase("device_events", Phase.PROPERTY_SHIM)
    (stream,) = binding.streams
    taken = [snapshot.take(binding, [device.pk], encoded=each)[device.pk] for each in (False, True)]
    values, made = ([row_.element(stream) for row_ in sides.rows] for sides in taken)
    assert values == made == [{"kind": "b", "count": 2, "y": [1.1, None]}]


def test_a_row_that_can_be_no_element_is_named(database: Database) -> None:
    (pk,) = page(1)
    binding = at_phase("job_logs", Phase.PROPERTY_SHIM)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_joblog SET created_at = 'infinity'")
    found = JobLog.objects.only("pk").get()
    with pytest.raises(ValueError, match=f"Row {found.pk} can be no element of stdout"):
        read.read(binding, pk)


def test_a_number_that_json_text_spells_in_its_own_way_is_shown_once(database: Database) -> None:
    """A json or text column keeps `1e2`; the row holds 100, and both are one element."""
    binding = at_phase("ticket_history", 2)
    ticket = Ticket.objects.create()
    with connection.cursor() as cursor:
        text = '{"changes": {"items": [["size", 1e2], ["size", 7]]}}'
        cursor.execute("UPDATE shapes_ticket SET history = %s WHERE id = %s", [text, ticket.pk])
    for _ in backfill.run(binding):
        pass
    at_phase("ticket_history", 3)
    assert read.read(binding, ticket.pk) == {"changes": {"items": [["size", 100], ["size", 7]]}}


def test_after_the_backfill_the_column_is_asked_for_its_residue_alone(database: Database) -> None:
    """The lists, which may be long, stay in the database; what is no list at its place is residue."""
    documents: list[Any] = [
        {"stdout": ["x"] * 9, "n": 1.10},
        {"stdout": "odd", "stderr": []},
        [1],
        None,
        {"stderr": None},
    ]
    pks = [Job.objects.create(logs=each).pk for each in documents]
    binding = at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    ledger.set_backfilled("default", "job_logs", True)
    lease.forget()
    found = document.take(binding, pks, lease.current(binding))
    texts = ['{"n": 1.1, "stdout": []}', '{"stderr": [], "stdout": "odd"}', "[1]", None, '{"stderr": null}']
    assert [found[pk].text for pk in pks] == texts
    assert Job.objects.get(pk=pks[0]).logs == {"n": 1.1, "stdout": []}
