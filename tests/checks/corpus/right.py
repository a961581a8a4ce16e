# ruff: noqa: E501, S608 - a case is a table of texts
"""Projects and changes that are right: nothing in them may be accused, though much of it looks like what is wrong."""

from checks.corpus.projects import (
    FIELD,
    LAST,
    MODELS,
    REMOVAL,
    SETTINGS,
    Case,
    at,
    code,
    constrained,
    flags,
    migration,
    without_field,
)  # fmt: skip

END = "0005_job_logs_stop_json_writes"


def right(name: str, phase: int, text: str) -> Case:
    return Case(name, {**at(phase), **code(text)})


PLAIN = tuple(Case(f"at_phase_{phase}", at(phase)) for phase in range(6))

SOURCE = (
    right("converted_writer", 4, """
from cutover import use

job_logs = use("job_logs")


def add(pk, line):
    job = Job.objects.select_for_update(no_key=True).get(pk=pk)
    job.progress += 1
    job_logs.append(job, message=line)
    job.save(update_fields=["progress"])
"""),
    right("lock_of_the_key_while_rows_do_not_refer_to_it", 2, """
def step(pk):
    return Job.objects.select_for_update().get(pk=pk)
"""),
    Case("lock_without_the_key_where_the_rows_refer_to_it", {**constrained(2), **code("""
def step(pk):
    return Job.objects.select_for_update(no_key=True).get(pk=pk)
""")}),
    right("narrow_except_around_an_append", 4, """
from cutover import use
from cutover.errors import CutoverError
from django.db import Error


def add(pk, line):
    try:
        use("job_logs").append(pk, message=line)
    except (Error, CutoverError) as error:
        print(error)
"""),
    right("blankets_that_let_the_limit_pass", 4, """
from cutover import use


def add(pk, line):
    try:
        use("job_logs").append(pk, message=line)
    except TimeoutError:
        raise
    except Exception as error:
        print(error)
    try:
        use("job_logs").append(pk, message=line)
    except Exception as error:
        print(error)
        raise
"""),
    right("blankets_around_something_else", 4, """
from cutover import use

job_logs = use("job_logs")
other = use("another")


def add(pk, line, lines):
    try:
        lines.append(line)
        other.append(pk, message=line)
    except Exception:
        pass
    try:
        lines.sort()
    except Exception:
        job_logs.append(pk, message="not sorted")
    try:
        def later():
            job_logs.append(pk, message=line)
        return later
    except Exception:
        return None
"""),
    right("readers_of_the_attribute", 5, """
def page(pk):
    job = Job.objects.get(pk=pk)
    logs = job.logs
    return {"first": logs["stdout"][:1], "all": [line for line in job.logs["stdout"]], "number": len(job.logs.get("stdout", []))}
"""),
    right("a_copy_is_changed", 3, """
import copy


def shown(job: Job):
    logs = copy.deepcopy(job.logs)
    logs["stdout"].append("the end")
    lines = list(job.logs["stdout"])
    lines.append("the end")
    return logs, lines
"""),
    right("changed_for_display_and_not_saved", 3, """
def shown(pk):
    job = Job.objects.get(pk=pk)
    job.logs["stdout"] = job.logs["stdout"][:10]
    return job.logs
"""),
    right("legacy_code_long_before_its_phase", 0, """
def add(pk, line):
    job = Job.objects.get(pk=pk)
    job.logs["stdout"].append(line)
    job.save()
"""),
    right("queries_long_before_their_phase", 2, """
def export():
    return Job.objects.filter(logs__stdout__contains=["failed"]).values("logs")
"""),
    Case("other_models_with_a_field_of_that_name", {**at(5), "shop/__init__.py": "", "shop/models.py": """
from django.db import models


class Machine(models.Model):
    logs = models.JSONField(default=dict)
""", "shop/code.py": """
from django.db.models import F

from shop.models import Machine


def add(machine, line):
    machine.logs["stdout"] = [line]
    machine.save(update_fields=["logs"])
    Machine.objects.filter(logs__stdout=1).update(logs={})
    return Machine.objects.select_for_update().annotate(copy=F("logs")).values("logs")
"""}),
    Case("another_job", {**at(5), "cluster.py": '''
"""Jobs of the cluster, which are not ours."""

from kubernetes.client import Job


def add(name, line):
    job = Job(name, logs=[])
    job.logs.append(line)
    job.logs = job.logs[:10]
    job.save()
    return job
'''}),
    Case("job_of_a_queue", {**at(5), "workers.py": """
def add(job, line):
    job.logs.append(line)
    job.save()
"""}),
    right("texts_that_are_no_sql", 4, '''
def help_text():
    """Select the logs from jobs_job in psql."""
    return {"logs": "where the logs are", "table": "jobs_job", "url": "/jobs/job/logs"}


def lines(client):
    return client.get("logs"), client.filter(logs="x"), dict(logs=1)
'''),
    right("sql_on_other_columns", 4, """
from django.db import connection


def count():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM jobs_job WHERE name = 'logs'")
        cursor.execute("SELECT job_logs.message FROM jobs_joblog AS job_logs JOIN jobs_job ON jobs_job.id = job_logs.job_id")
"""),
    right("read_only_options", 4, """
from django import forms
from django.contrib import admin
from rest_framework import serializers


class JobForm(forms.ModelForm):
    class Meta:
        model = Job
        fields = ["name"]


class JobSerializer(serializers.ModelSerializer):
    class Meta:
        model = Job
        fields = ["name", "logs"]
        read_only_fields = ["logs"]


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    list_display = ["name", "logs"]
    readonly_fields = ["logs"]
    search_fields = ["name"]
"""),
    right("accepted_by_comments", 4, """
def export():
    # cutover: ok, the frozen column is what this report is about
    return Job.objects.values("logs")


def forget():
    Job.objects.update(logs=None)  # cutover: ok S044
"""),
    Case("captured_saves", {**at(3), "jobs/cutovers.py": at(3)["jobs/cutovers.py"].replace(
        '    parent = "job"', '    parent = "job"\n    on_mutation = "capture"'), **code("""
def add(pk, line):
    job = Job.objects.get(pk=pk)
    job.logs["stdout"].append(line)
    job.save()
""")}),
    right("new_parents", 3, """
def make(name):
    job = Job(name=name)
    job.logs = {"stdout": ["made"]}
    job.save()
    Job.objects.create(name=name, logs={"stdout": []})
"""),
    right("full_save_once_it_is_guarded", 2, """
def step(pk):
    job = Job.objects.get(pk=pk)
    job.progress += 1
    job.save()
"""),
    right("queries_on_the_child", 5, """
from jobs.models import JobLog


def failed():
    return Job.objects.filter(log_entries__message__contains="failed").values("name", "log_entries__message")


def lines(pk):
    return JobLog.objects.filter(job=pk).select_related("job").values_list("message", flat=True)
"""),
    Case("history_from_before_the_cutover", {**at(3), **migration("0001_initial", at(3)["jobs/migrations/0001_initial.py"].partition(
        "operations = [\n")[2].rpartition("\n    ]")[0] + """
        migrations.AlterField("job", "logs", models.JSONField(default=dict)),
        migrations.RunSQL("UPDATE jobs_job SET logs = '{}'"),
        migrations.RunPython(fill),
""", after="", more="""

def fill(apps, schema_editor):
    apps.get_model("jobs", "Job").objects.update(logs={"stdout": []})
""")}),
    Case("manager_of_its_own", {**at(4), MODELS: at(4)[MODELS].replace("class Job(models.Model):", '''class JobQuerySet(models.QuerySet):
    def done(self):
        return self.filter(progress=100).order_by("name")


class Job(models.Model):
    objects = JobQuerySet.as_manager()
''').replace(FIELD, FIELD)}),
    right("tests_may_do_what_they_like", 5, "JOBS = Job.objects.all()"),
)  # fmt: skip

SETTINGS_FORMS = (
    Case("from_keys_and_the_environment", {**at(2), SETTINGS: flags(2)[SETTINGS].partition("CUTOVER")[0] + """
DONE = ("ADD_TABLE", "DUAL_WRITE")
CUTOVER = {
    "job_logs": {
        **dict.fromkeys(DONE, True),
        "PROPERTY_SHIM": os.environ.get("SHIM", "0") == "1",
    }
}
"""}),
    Case("one_phase_apart_in_order", {**at(3), "config/staging.py": flags(3)[SETTINGS], "config/production.py": """
from config.staging import *

CUTOVER = {"job_logs": CUTOVER["job_logs"] | {"PROPERTY_SHIM": False}}
"""}, settings=("config.staging", "config.production")),
    Case("same_word_in_the_environment", at(2), environment={"CUTOVER_JOB_LOGS_DUAL_WRITE": "1"}),
)  # fmt: skip

RELEASES = (
    Case("from_0_to_1", at(1), before=at(0)),
    Case("from_1_to_2", at(2), before=at(1)),
    Case("from_2_to_3", at(3), before=at(2)),
    Case("from_3_to_4", at(4), before=at(3)),
    Case("from_4_to_5", at(5), before=at(4)),
    Case("release_without_the_field", {**at(5), **without_field(), **migration(*REMOVAL, after=END)}, before=at(5)),
    Case("release_with_the_drop", {**at(5), **without_field(), **migration(*REMOVAL, after=END), **migration(*LAST, after=REMOVAL[0])},
         before={**at(5), **without_field(), **migration(*REMOVAL, after=END)}),
    Case("one_phase_back", {**at(3), **flags(2)}, before=at(3)),
)  # fmt: skip

RIGHT = (*PLAIN, *SOURCE, *SETTINGS_FORMS, *RELEASES)
TESTS_DIRECTORY = {"jobs/tests/test_jobs.py": "from jobs.models import Job\n\nJob.objects.update(logs=None)\n"}
