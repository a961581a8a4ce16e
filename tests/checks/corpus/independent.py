# ruff: noqa: E501 - a case is a table of texts
"""Projects in the manner of real Django code bases, written from what such code looks like and not from the rules of the check.

Their first run found what the rules did not know; what was mended since is in the log. The marks are what a reader of the code
would want to be told.
"""

from checks.corpus.projects import DECLARATION, FIELD, MODELS, TABLE, WATCH, Case, Files, at, chain, migration


def models_with(
    phase: int, *, body: str = "", before: str = "", after: str = "", bases: str = "", more: Files | None = None
) -> Files:
    """A project whose models have more in the class of the parent, before it and behind it."""
    files = at(phase, field=FIELD + body)
    text = files[MODELS].replace("class Job(models.Model)", f"{before.lstrip()}class Job({bases}models.Model)", 1)
    return {**files, MODELS: text + after, **(more or {})}


WRONG = (
    Case(
        "queryset_of_the_project",
        models_with(
            4,
            body="""
    objects = JobQuerySet.as_manager()
""",
            before="""
class JobQuerySet(models.QuerySet):
    def failed(self):
        return self.filter(logs__stderr__isnull=False)  # ! S047

    def latest_first(self):
        return self.order_by("-progress")


""",
        ),
    ),
    Case(
        "method_of_the_model_that_logs",
        models_with(
            2,
            body="""

    def add_log(self, message, *, level="INFO"):
        line = f"{level} {message}"
        self.logs.setdefault("stdout", []).insert(0, line)  # ! S041
        self.save(update_fields=["logs", "progress"])

    def save(self, *args, **kwargs):
        if not self.name:
            self.name = "unnamed"
        super().save(*args, **kwargs)
""",
        ),
    ),
    Case(
        "mixin_that_logs",
        models_with(
            2,
            before="""
from jobs.mixins import LogsMixin


""",
            bases="LogsMixin, ",
            more={
                "jobs/mixins.py": """
class LogsMixin:
    logs: dict

    def log(self, message: str) -> None:
        self.logs["stdout"] = [message, *self.logs["stdout"]][:1000]  # ! S041
        self.save(update_fields=["logs"])
"""
            },
        ),
    ),
    Case(
        "task_of_celery",
        {
            **at(2),
            "jobs/tasks.py": """
import logging

from celery import shared_task

from .models import Job

logger = logging.getLogger(__name__)


@shared_task(bind=True, max_retries=3)
def run(self, job_id: int) -> None:
    try:
        job = Job.objects.select_related(None).get(pk=job_id)
    except Job.DoesNotExist:
        return
    try:
        job.progress = 100
    except ValueError as error:
        job.logs["stderr"] += [str(error)]  # ! S041
        raise self.retry(exc=error) from error
    finally:
        job.save()
""",
        },
    ),
    Case(
        "serializer_of_everything",
        {
            **at(4),
            "jobs/serializers.py": """
from rest_framework import serializers

from . import models


class JobSerializer(serializers.ModelSerializer):
    class Meta:
        model = models.Job
        fields = "__all__"  # ! S050
""",
        },
    ),
    Case(
        "fieldsets_of_the_admin",
        {
            **at(4),
            "jobs/admin.py": """
from django.contrib import admin

from .models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    list_display = ["id", "name"]
    search_fields = ["name", "logs"]  # ! S051
    fieldsets = [
        (None, {"fields": ["name", "progress"]}),
    ]
""",
        },
    ),
    Case(
        "cursor_and_the_name_of_the_table",
        {
            **at(4),
            "jobs/reports.py": """
from django.db import connection

from jobs.models import Job


def last_lines(number):
    table = Job._meta.db_table
    with connection.cursor() as cursor:
        query = f"SELECT id, logs->'stdout'->>0 FROM {table} ORDER BY id DESC LIMIT %s"  # ! S049
        cursor.execute(query, [number])
        return cursor.fetchall()
""",
        },
    ),
    Case(
        "related_models_ask_over_the_relation",
        models_with(
            4,
            after="""

class Task(models.Model):
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="tasks", db_constraint=False)


def tasks_with_errors():
    return Task.objects.select_related("job").exclude(job__logs__stderr=[])  # ! S047


def exported():
    return list(Task.objects.values_list("pk", "job__logs"))  # ! S045
""",
        )
        | migration(
            "0006_task",
            """
        migrations.CreateModel(
            name="Task",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job", models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name="tasks", to="jobs.job")),
            ],
        ),
""",
            after="0005_job_logs_stop_json_writes",
        ),
    ),
    Case(
        "receiver_of_a_signal",
        {
            **at(2),
            "jobs/signals.py": """
from django.db.models.signals import post_save
from django.dispatch import receiver

from jobs.models import Job


@receiver(post_save, sender=Job)
def remember(sender, instance, created, **kwargs):
    if not created:
        return
    instance.logs["stdout"].append("created")  # ! S041
    instance.save(update_fields=["logs"])
""",
        },
    ),
    Case(
        "command_that_cleans_up",
        {
            **at(2),
            "jobs/management/commands/trim_logs.py": """
from django.core.management.base import BaseCommand

from jobs.models import Job


class Command(BaseCommand):
    def handle(self, *args, **options):
        batch = []
        for job in Job.objects.filter(progress=100).iterator(chunk_size=500):
            job.logs["stdout"] = job.logs["stdout"][:100]
            batch.append(job)
        Job.objects.bulk_update(batch, ["logs"], batch_size=500)  # ! S042
""",
        },
    ),
    Case(
        "key_transforms_in_annotations",
        {
            **at(4),
            "jobs/stats.py": """
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import models
from django.db.models import F, Func
from django.db.models.fields.json import KeyTextTransform, KT

from jobs.models import Job


def sizes():
    return Job.objects.annotate(
        size=Func(F("logs__stdout"), function="jsonb_array_length", output_field=models.IntegerField()),  # ! S048
    ).filter(size__gt=10)


def first_lines():
    first = KeyTextTransform("0", KeyTextTransform("stdout", "logs"))  # ! S048
    return Job.objects.annotate(first=first).aggregate(ArrayAgg("first"))
""",
        },
    ),
    Case(
        "upsert_and_reset",
        {
            **at(2),
            "jobs/services.py": """
from django.apps import apps
from django.db import transaction

from jobs import models as job_models


@transaction.atomic
def restart(name, lines):
    job, created = job_models.Job.objects.update_or_create(  # ! S042
        name=name,
        defaults={"progress": 0, "logs": {"stdout": lines}},
    )
    return job


def reset(names):
    Job = apps.get_model("jobs", "Job")
    return Job.objects.filter(name__in=names).update(progress=0, logs={"stdout": []})  # ! S044
""",
        },
    ),
    Case(
        "lookups_put_together",
        {
            **at(4),
            "jobs/search.py": """
from django.db.models import Q

from jobs.models import Job

COLUMNS = ("pk", "name", "logs")


def search(text, streams):
    query = Q()
    for stream in streams:
        query |= Q(**{f"logs__{stream}__icontains": text})  # ! S047
    return Job.objects.filter(query)


def export():
    yield from Job.objects.order_by("pk").values_list(*COLUMNS).iterator()  # ! S045
""",
        },
    ),
    Case(
        "names_exported_again",
        {
            **at(2),
            "jobs/api/__init__.py": """
from jobs.models import Job as Job
""",
            "worker/__init__.py": "",
            "worker/run.py": """
from jobs.api import Job


class Runner:
    job: Job

    def __init__(self, job: Job) -> None:
        self.job = job

    def say(self, line: str) -> None:
        setattr(self.job, "logs", {**self.job.logs, "stdout": [line, *self.job.logs["stdout"]]})  # ! S040
        self.job.save(update_fields=["logs"])
""",
        },
    ),
)

RIGHT = (
    Case(
        "another_model_with_the_same_name",
        models_with(
            4,
            after="""

class Build(models.Model):
    logs = models.TextField(default="")
    branch = models.CharField(max_length=50)

    def log(self, line):
        self.logs += line
        self.save(update_fields=["logs"])


def broken():
    return Build.objects.filter(logs__icontains="error").values_list("pk", "logs")


def cleared(build: Build):
    build.logs = ""
    build.save()
    Build.objects.filter(branch="old").update(logs="")
""",
        )
        | migration(
            "0006_build",
            """
        migrations.CreateModel(
            name="Build",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("logs", models.TextField(default="")),
                ("branch", models.CharField(max_length=50)),
            ],
        ),
""",
            after="0005_job_logs_stop_json_writes",
        ),
    ),
    Case(
        "serializer_and_view_set",
        {
            **at(5),
            "jobs/serializers.py": """
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from .models import Job, JobLog


class JobLogSerializer(serializers.ModelSerializer):
    class Meta:
        model = JobLog
        fields = "__all__"


class JobSerializer(serializers.ModelSerializer):
    lines = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields = ["id", "name", "progress", "lines"]

    def get_lines(self, job):
        return len(job.logs["stdout"])


class JobViewSet(viewsets.ModelViewSet):
    queryset = Job.objects.all()
    serializer_class = JobSerializer
    ordering_fields = ["progress"]

    @action(detail=True, url_path="logs", url_name="logs")
    def logs(self, request, pk=None):
        job = self.get_object()
        return Response({"logs": job.logs, "lines": job.logs.get("stdout", [])[:10]})
""",
        },
    ),
    Case(
        "classes_that_are_no_models",
        {
            **at(4),
            "jobs/remote.py": """
from dataclasses import dataclass, field
from typing import TypedDict

import requests


class Payload(TypedDict):
    logs: dict[str, list[str]]


@dataclass
class Run:
    name: str
    logs: dict[str, list[str]] = field(default_factory=dict)

    def save(self, path):
        path.write_text(str(self.logs))


def fetch(url: str) -> Payload:
    data = requests.get(url, timeout=5).json()
    data["logs"]["stdout"].append("fetched")
    return data


def finish(run: Run, path, container):
    run.logs["stdout"] = [line.decode() for line in container.logs(stream=True)]
    run.logs.setdefault("stderr", []).append("done")
    run.save(path)
""",
        },
    ),
    Case(
        "sql_of_other_tables",
        {
            **at(4),
            "jobs/reports.py": """
import logging

from django.db import connection

logger = logging.getLogger("jobs.logs")
URL = "/jobs/%s/logs/"


def audit(since):
    logger.info("Counting the logs since %s", since)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_logs WHERE at > %s", [since])
        (number,) = cursor.fetchone()
        cursor.execute("SELECT id, name FROM jobs_job WHERE progress < 100")
        open_jobs = cursor.fetchall()
        cursor.execute("DELETE FROM logs WHERE at < %s", [since])
    return number, open_jobs
""",
        },
    ),
    Case(
        "rows_are_queried",
        {
            **at(5),
            "jobs/queries.py": """
from django.db.models import Count, OuterRef, Prefetch, Q, Subquery

from jobs.models import Job, JobLog


def page():
    last = JobLog.objects.filter(job=OuterRef("pk")).order_by("-position").values("message")[:1]
    return (
        Job.objects.only("id", "name")
        .annotate(lines=Count("log_entries"), last=Subquery(last))
        .filter(Q(log_entries__message__icontains="error") | Q(progress__lt=100))
        .prefetch_related(Prefetch("log_entries", queryset=JobLog.objects.order_by("position"), to_attr="logs_of_page"))
    )


def names():
    return dict(Job.objects.values_list("pk", "name"))
""",
        },
    ),
    Case(
        "admin_without_the_field",
        {
            **at(4),
            "jobs/admin.py": """
from django.contrib import admin
from django.db.models import Count

from .models import Job, JobLog


class JobLogInline(admin.TabularInline):
    model = JobLog
    extra = 0


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    list_display = ("id", "name", "log_count")
    list_filter = ("progress",)
    fields = ("name", "progress")
    inlines = [JobLogInline]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(_logs=Count("log_entries"))

    @admin.display(description="logs", ordering="_logs")
    def log_count(self, job):
        return job._logs
""",
        },
    ),
    Case(
        "converted_method_of_the_model",
        models_with(
            4,
            body="""

    def add_log(self, message):
        from cutover import use

        use("job_logs").append(self, message=message)

    def finish(self):
        self.progress = 100
        self.save(update_fields=["progress"])
        self.add_log("finished")

    @property
    def last_line(self):
        stdout = self.logs.get("stdout") or [""]
        return stdout[0]
""",
        ),
    ),
    Case(
        "receiver_that_appends",
        {
            **at(4),
            "jobs/signals.py": """
from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver

import cutover
from jobs.models import Job


@receiver(post_save, sender=Job)
def remember(sender, instance, created, update_fields=None, **kwargs):
    if created and (update_fields is None or "logs" not in update_fields):
        cutover.use("job_logs").append(instance, message="created")


@receiver(pre_save, sender=Job)
def name_it(sender, instance, **kwargs):
    instance.name = instance.name.strip()
""",
        },
    ),
    Case(
        "templates_and_strings",
        {
            **at(5),
            "jobs/views.py": """
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse

from jobs.models import Job


def logs(request, pk):
    job = get_object_or_404(Job, pk=pk)
    logs = job.logs
    if request.GET.get("format") == "text":
        return HttpResponse("\\n".join(f"{number}: {line}" for number, line in enumerate(logs["stdout"])))
    context = {"job": job, "logs": logs, "title": "{0.name}: {0.logs[stdout][0]}".format(job)}
    context["logs"]["back"] = reverse("job-logs", args=[pk])
    return render(request, "jobs/logs.html", context)


def as_json(request, pk):
    job = get_object_or_404(Job.objects.only("pk"), pk=pk)
    return JsonResponse({"id": job.pk, "logs": dict(job.logs)})


urlpatterns = [path("jobs/<int:pk>/logs/", logs, name="job-logs")]
""",
        },
    ),
    Case(
        "history_before_the_cutover",
        {
            **at(0),
            **chain(
                (
                    (
                        "0002_logs_for_all",
                        """
        migrations.AlterField("job", "logs", models.JSONField(default=jobs.models.empty_logs, null=True)),
        migrations.RunSQL("UPDATE jobs_job SET logs = '{}' WHERE logs IS NULL", migrations.RunSQL.noop),
        migrations.AlterField("job", "logs", models.JSONField(default=jobs.models.empty_logs)),
""",
                    ),
                    ("0003_job_logs_add_table", f"{TABLE}{WATCH}"),
                )
            ),
            "jobs/cutovers.py": DECLARATION,
        },
    ),
    Case(
        "task_of_celery_converted",
        {
            **at(4),
            "jobs/tasks.py": """
from celery import shared_task
from django.db import transaction

import cutover
from jobs.models import Job


@shared_task(soft_time_limit=300)
def run(job_id: int) -> dict[str, int]:
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True, of=("self",)).get(pk=job_id)
        job.progress = min(100, job.progress + 10)
        job.save(update_fields=["progress"])
    cutover.use("job_logs").append(job, message=f"{job.progress} %")
    logs = {"stdout": 0}
    logs["stdout"] += len(job.logs["stdout"])
    return logs
""",
        },
    ),
    Case(
        "factories_and_fixtures",
        {
            **at(5),
            "jobs/factories.py": """
import factory

from jobs.models import Job, JobLog


class JobLogFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = JobLog


def made(number):
    jobs = Job.objects.bulk_create([Job(name=str(each)) for each in range(number)])
    return jobs, Job.objects.create(name="one", progress=3), Job.objects.get_or_create(name="two")
""",
        },
    ),
)
