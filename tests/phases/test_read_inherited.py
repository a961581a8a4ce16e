"""Proxies, parents of several tables and abstract ones, fixtures: the attribute is where Django puts the field."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import isolate_apps

import cutover
from cutover.errors import DeclarationError, MutatedDocument
from cutover.mapping import resolve
from cutover.phase import Phase
from cutover.spec import Cutover, Stream
from databases import Database
from parents import line, queries, row
from project.jobs.models import Job
from stages import at_phase

PHASES = [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP]


def walked(model: Any, pk: Any) -> None:
    """Reading, writing, and the guard, through a class of its own."""
    logs: Any = cutover.use("job_logs")
    row(Job(pk=pk), 2, "row", position=2)
    for phase in PHASES:
        at_phase("job_logs", phase)
        expected = [*([line(2, "row")] if phase.reads_rows else []), line(1, "old")]
        for found in (model.objects.get(pk=pk), model.objects.defer("logs").get(pk=pk)):
            assert found.logs["stdout"] == expected
        page = list(model.objects.all())
        logs.prefetch(page)
        with queries(0):
            assert [each.logs["stdout"] for each in page] == [expected]
        found.refresh_from_db()
        found.save()
        found.logs["stdout"].insert(0, "mine")
        with pytest.raises(MutatedDocument, match="append"):
            found.save()
        found.refresh_from_db(fields=["logs"])
        assert found.logs["stdout"] == expected


def test_a_proxy_has_the_attribute(database: Database) -> None:
    with isolate_apps("project.jobs"):

        class Shown(Job):
            class Meta:
                app_label = "jobs"
                proxy = True

        walked(Shown, Job.objects.create(logs={"stdout": [line(1, "old")]}).pk)


def test_a_child_with_a_table_of_its_own_has_the_attribute(database: Database) -> None:
    with isolate_apps("project.jobs"):

        class Special(Job):
            extra = models.CharField(max_length=10)

            class Meta:
                app_label = "jobs"

        with connection.schema_editor() as editor:
            editor.create_model(Special)
        walked(Special, Special.objects.create(extra="x", logs={"stdout": [line(1, "old")]}).pk)
        assert Special.objects.get().extra == "x"


def test_a_field_that_another_table_has_is_no_source() -> None:
    """A child of several tables inherits the field, but not the column."""
    with isolate_apps("project.jobs"):

        class Special(Job):
            class Meta:
                app_label = "jobs"

        class Declared(Cutover):
            name = "special_logs"
            source = "jobs.Special.logs"
            target = "jobs.JobLog"
            parent = "job"
            streams = (Stream("stdout", cutover.Scalar("message")),)

        with pytest.raises(DeclarationError) as told:
            resolve.own_field(Declared, Special, "logs")
    assert str(told.value) == "special_logs: the field logs of jobs.Special is a column of jobs_job."
    assert told.value.hint == 'Name the model of that table: source = "jobs.Job.logs".'


def test_a_dump_has_what_the_attribute_shows(database: Database) -> None:
    job = Job.objects.create(logs={"stdout": [line(1, "old")], "kept": 1})
    row(job, 2, "row", position=2)
    for phase in PHASES:
        at_phase("job_logs", phase)
        written = io.StringIO()
        call_command("dumpdata", "jobs.Job", stdout=written)
        (told,) = json.loads(written.getvalue())
        assert told["fields"]["logs"] == Job.objects.get(pk=job.pk).logs
