"""Django REST framework and the admin: the rows in the old shape, in every phase."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import AdminReadonlyField
from django.db import models
from django.forms.models import modelform_factory
from django.test.utils import isolate_apps
from rest_framework import serializers

from cutover import Shim, lease, ledger
from cutover.contrib.admin import panel
from cutover.contrib.rest_framework import DocumentField, DocumentListSerializer
from cutover.errors import MutatedDocument
from cutover.phase import Phase
from databases import Database
from parents import line, queries, row, stored
from project.jobs.models import Job
from project.shapes.models import Account
from stages import at_phase

PHASES = [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP]


def a_job(message: str = "new") -> Job:
    job = Job.objects.create(logs={"stdout": [line(1, "old")], "stderr": [], "kept": 1})
    row(job, 2, message, "ERROR", position=2)
    return job


class Whole(serializers.ModelSerializer[Job]):
    everything = DocumentField("job_logs")
    latest = DocumentField("job_logs", streams=("stdout", "stderr"), newest=1)
    lists = DocumentField("job_logs", streams=("stdout",))

    class Meta:
        model = Job
        fields = ("logs", "everything", "latest", "lists")


def test_serializers_show_the_old_shape(database: Database) -> None:
    job = a_job()
    for phase in PHASES:
        at_phase("job_logs", phase)
        found = Job.objects.get(pk=job.pk)
        shown, newest = found.logs, (["new"] if phase.reads_rows else [])
        told = Whole(found).data
        assert told["logs"] == told["everything"] == shown
        assert told["lists"] == {"stdout": shown["stdout"]}
        assert told["latest"] == {"stdout": shown["stdout"][:1], "stderr": newest}


def test_what_is_sent_for_the_field_is_ignored(database: Database) -> None:
    job = a_job()
    at_phase("job_logs", Phase.PROPERTY_SHIM)

    class Named(serializers.ModelSerializer[Job]):
        everything = DocumentField("job_logs")

        class Meta:
            model = Job
            fields = ("name", "everything")

    sent = Named(Job.objects.get(pk=job.pk), data={"name": "other", "everything": {"stdout": []}})
    assert sent.is_valid()
    sent.save()
    assert (Job.objects.get(pk=job.pk).name, stored(job)["stdout"]) == ("other", [line(1, "old")])


def test_a_page_is_two_queries(database: Database) -> None:
    class Listed(serializers.Serializer[Job]):
        everything = DocumentField("job_logs")

        class Meta:
            list_serializer_class = DocumentListSerializer

    jobs = [a_job(f"new {number}") for number in range(5)]
    lease.current(at_phase("job_logs", Phase.PROPERTY_SHIM))
    with queries(2):
        told = Listed(Job.objects.order_by("pk"), many=True).data
    assert [each["everything"]["stderr"] for each in told] == [[f"new {number}"] for number in range(len(jobs))]


def test_newest_goes_with_streams() -> None:
    with pytest.raises(TypeError, match="newest goes with streams"):
        DocumentField("job_logs", newest=1)


def test_a_shim_is_shown_by_a_serializer_of_the_model(database: Database) -> None:
    job = a_job()
    at_phase("job_logs", Phase.BACKFILL_AND_DROP)
    ledger.set_backfilled("default", "job_logs", True)
    lease.forget()
    with isolate_apps("project.jobs"):

        class Slim(models.Model):
            name = models.CharField(max_length=100, default="")
            logs = Shim("job_logs")

            class Meta:
                app_label, db_table, managed = "jobs", "jobs_job", False

        class Shown(serializers.ModelSerializer[Any]):
            class Meta:
                model = Slim
                fields = ("name", "logs")

        told = Shown(Slim.objects.get(pk=job.pk)).data
    assert told["logs"] == {"stdout": [line(2, "new", "ERROR")], "stderr": ["new"], "kept": 1}


def shown(model_admin: Any, parent: models.Model) -> str:
    """What the page of the parent has in place of the panel."""
    form = modelform_factory(type(parent), fields=[])(instance=parent)
    (field,) = model_admin.readonly_fields
    return str(AdminReadonlyField(form, field, is_first=True, model_admin=model_admin).contents())


class JobAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # no parameters at run time
    exclude = ("logs",)
    readonly_fields = (panel("job_logs", newest=1),)  # type: ignore[assignment] # it takes callables


def test_the_panel_shows_the_newest_lines(database: Database) -> None:
    job = a_job("<b>new</b>")
    for phase in PHASES:
        at_phase("job_logs", phase)
        told = shown(JobAdmin(Job, admin.AdminSite()), Job.objects.get(pk=job.pk))
        if phase.reads_rows:
            assert "<p><b>stdout</b> (the newest 1 of 2)</p><pre>[2025-03-01 12:02:00] ERROR &lt;b&gt;new" in told
            assert "<p><b>stderr</b> (1)</p>" in told
        else:
            assert told == f"<p><b>stdout</b> (1)</p><pre>{line(1, 'old')}</pre><p><b>stderr</b> (0)</p><pre></pre>"
    assert panel("job_logs")(Job()) == ""


def test_the_panel_shows_lists_under_a_key(database: Database) -> None:
    account = Account.objects.create(code="x", profile={"tags": {"red": ["1"], "blue": ["2"]}})
    at_phase("account_tags", Phase.PROPERTY_SHIM)
    told = panel("account_tags", title="Tags")
    assert told(account) == (
        "<p><b>tags: red</b> (1)</p><pre>1</pre><p><b>tags: blue</b> (1)</p><pre>2</pre>"
        if "red" in str(told(account)).split("blue")[0]
        else "<p><b>tags: blue</b> (1)</p><pre>2</pre><p><b>tags: red</b> (1)</p><pre>1</pre>"
    )
    assert told.short_description == "Tags"


def test_a_form_of_the_admin_leaves_the_document_alone(database: Database) -> None:
    """With the field on it, a form that nobody changed saves; one that is older than a line is told, not obeyed."""
    job = a_job()
    for phase in PHASES:
        at_phase("job_logs", phase)
        found = Job.objects.get(pk=job.pk)
        form = modelform_factory(Job, fields=["name", "logs"])
        sent = {"name": f"at {int(phase)}", "logs": form(instance=found)["logs"].value()}
        form(sent, instance=Job.objects.get(pk=job.pk)).save()
        assert Job.objects.get(pk=job.pk).name == sent["name"]
        with pytest.raises(MutatedDocument):
            form({**sent, "logs": '{"stdout": []}'}, instance=Job.objects.get(pk=job.pk)).save()
    assert stored(job) == {"stdout": [line(1, "old")], "stderr": [], "kept": 1}
