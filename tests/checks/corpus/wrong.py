# ruff: noqa: E501 - a case is a table of texts
"""Projects and changes that are wrong in one way each; the line to be named is marked."""

from checks.corpus.projects import (
    FIELD,
    LAST,
    MIGRATIONS,
    MODELS,
    REMOVAL,
    REMOVE,
    SETTINGS,
    STEPS,
    TABLE,
    WATCH,
    Case,
    Files,
    at,
    chain,
    code,
    constrained,
    flags,
    migration,
    without_field,
)  # fmt: skip

END = "0005_job_logs_stop_json_writes"


def settings(text: str) -> Files:
    return {SETTINGS: text}


def marked(files: Files, path: str, line: str, id: str) -> Files:
    """The same with a mark behind a line."""
    assert line in files[path], line
    return {**files, path: files[path].replace(line, f"{line}  # ! {id}", 1)}


def wrong(name: str, phase: int, text: str) -> Case:
    return Case(name, {**at(phase), **code(text)})


SOURCE = (
    wrong("assigned_and_saved", 2, """
def clear(pk):
    job = Job.objects.get(pk=pk)
    job.logs = {"stdout": []}  # ! S040
    job.save()
"""),
    wrong("changed_in_place_and_saved", 2, """
def add(pk, line):
    job = Job.objects.get(pk=pk)
    job.logs["stdout"].insert(0, line)  # ! S041
    job.save(update_fields=["logs"])
"""),
    wrong("changed_through_another_name", 2, """
def add(job: Job, line):
    stdout = job.logs["stdout"]
    if line not in stdout:
        stdout.append(line)  # ! S041
    job.save()
"""),
    wrong("deleted_from_and_saved", 2, """
def cut(job: "Job | None"):
    if job is not None:
        del job.logs["stdout"][1000:]  # ! S041
        job.save(update_fields=("logs", "progress"))
"""),
    Case("handler_of_the_logs", {**at(2), "jobs/handler.py": """
import logging


class JobHandler(logging.Handler):
    def __init__(self, job):
        super().__init__()
        self.job = job

    def emit(self, record):
        self.job.refresh_from_db(fields=["logs"])
        self.job.logs["stdout"].insert(0, self.format(record))  # ! S041
        self.job.save(update_fields=["logs"])
"""}),
    Case("method_of_the_model", {**at(2), MODELS: at(2)[MODELS].replace(FIELD, FIELD + """

    def log(self, line):
        self.logs["stdout"].append(line)  # ! S041
""")}),
    wrong("in_a_loop", 2, """
def cap_all():
    for number, job in enumerate(Job.objects.filter(progress=100).iterator()):
        job.logs["stdout"] = job.logs["stdout"][:1000]  # ! S041
        job.save(update_fields=["logs"])
"""),
    wrong("save_that_names_the_field", 2, """
async def store(job: Job):
    await job.asave(update_fields=["logs"])  # ! S042
"""),
    wrong("bulk_update", 2, """
def flush(jobs):
    Job.objects.bulk_update(jobs, ["progress", "logs"])  # ! S042
"""),
    wrong("defaults_of_update_or_create", 3, """
def put(name):
    return Job.objects.update_or_create(name=name, defaults={"logs": {"stdout": []}})  # ! S042
"""),
    wrong("conflicts_of_bulk_create", 2, """
def put(jobs):
    Job.objects.bulk_create(jobs, update_conflicts=True, unique_fields=["id"], update_fields=["logs"])  # ! S042
"""),
    wrong("full_save_before_dual_write", 1, """
def step(pk):
    job = Job.objects.select_for_update(no_key=True).get(pk=pk)
    job.progress += 1
    job.save()  # ! S043
"""),
    wrong("update_of_a_queryset", 2, """
def forget():
    Job.objects.filter(progress=100).update(logs={"stdout": []}, progress=0)  # ! S044
"""),
    wrong("values", 4, """
def export():
    return list(Job.objects.filter(progress=100).values("id", "logs"))  # ! S045
"""),
    wrong("values_list_of_a_part", 4, """
def lines():
    jobs = Job.objects.all()
    return jobs.values_list("logs__stdout", flat=True)  # ! S045
"""),
    wrong("values_through_the_foreign_key", 4, """
from jobs.models import JobLog


def export():
    return JobLog.objects.values("message", "job__logs")  # ! S045
"""),
    wrong("only", 5, """
def light():
    return Job.objects.only("id", "logs")  # ! S046
"""),
    wrong("filter", 4, """
def failed():
    return Job.objects.filter(logs__stdout__contains=["failed"])  # ! S047
"""),
    wrong("q_object", 4, """
from django.db.models import Q

FAILED = Q(logs__stdout__contains=["failed"])  # ! S047
"""),
    wrong("order_by", 4, """
def ordered():
    return Job.objects.order_by("-logs__stdout")  # ! S047
"""),
    wrong("filter_through_the_foreign_key", 4, """
from jobs.models import JobLog


def failed():
    return JobLog.objects.filter(job__logs__has_key="stderr")  # ! S047
"""),
    wrong("f_expression", 4, """
from django.db.models import F


def copies():
    return Job.objects.annotate(copy=F("logs"))  # ! S048
"""),
    wrong("key_transform", 4, """
from django.db.models.fields.json import KT


def first():
    return Job.objects.annotate(line=KT("logs__stdout__0")).order_by("id")  # ! S048
"""),
    wrong("raw_select", 4, """
from django.db import connection


def lines(pk):
    with connection.cursor() as cursor:
        cursor.execute("SELECT logs->'stdout' FROM jobs_job WHERE id = %s", [pk])  # ! S049
        return cursor.fetchone()
"""),
    wrong("raw_update", 2, """
from django.db import connection

CLEAR = "UPDATE jobs_job SET logs = '{}' WHERE id = %s"  # ! S049


def clear(pk):
    with connection.cursor() as cursor:
        cursor.execute(CLEAR, [pk])
"""),
    wrong("raw_expression", 4, """
from django.db.models.expressions import RawSQL


def sizes():
    return Job.objects.annotate(size=RawSQL("jsonb_array_length(logs->'stdout')", ()))  # ! S049
"""),
    wrong("model_form", 2, """
from django import forms


class JobForm(forms.ModelForm):
    class Meta:
        model = Job
        fields = ["name", "logs"]  # ! S050
"""),
    wrong("serializer_of_everything", 2, """
from rest_framework import serializers


class JobSerializer(serializers.ModelSerializer):
    class Meta:
        model = Job
        fields = "__all__"  # ! S050
"""),
    wrong("view_with_a_form", 2, """
from django.views.generic import UpdateView


class JobUpdate(UpdateView):
    model = Job
    fields = ["name", "logs"]  # ! S050
"""),
    wrong("admin_that_edits_everything", 2, """
from django.contrib import admin


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):  # ! S051
    list_display = ["name"]
"""),
    wrong("admin_fields", 2, """
from django.contrib import admin


class JobAdmin(admin.ModelAdmin):
    fields = ["name", "logs"]  # ! S051


admin.site.register(Job, JobAdmin)
"""),
    wrong("admin_search", 4, """
from django.contrib import admin


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    readonly_fields = ["logs"]
    search_fields = ["name", "logs__stdout"]  # ! S051
"""),
    wrong("lock_of_the_key", 5, """
from django.db import transaction


@transaction.atomic
def step(pk):
    job = Job.objects.select_for_update().get(pk=pk)  # ! S052
    job.progress += 1
    job.save(update_fields=["progress"])
"""),
    Case("lock_of_the_key_where_the_rows_refer_to_it", {**constrained(2), **code("""
def step(pk):
    return Job.objects.select_for_update().get(pk=pk)  # ! S052
""")}),
    wrong("blanket_around_an_append", 1, """
from cutover import use

job_logs = use("job_logs")


def add(pk, line):
    try:
        job_logs.append(pk, message=line)
    except Exception as error:  # ! S054
        print(error)
"""),
    wrong("bare_except_around_an_append", 1, """
import cutover


def add(pk, line):
    try:
        for each in line:
            cutover.use("job_logs").append(pk, message=each)
    except:  # ! S054
        return None
"""),
    Case("blanket_in_a_file_that_imports_the_facade", {
        **at(4),
        "jobs/writers.py": 'from cutover import use\n\nlines = use("job_logs")\n',
        "jobs/tasks.py": """
from contextlib import suppress

from jobs.writers import lines


def add(pk, line):
    with suppress(Exception):  # ! S054
        lines.append(pk, message=line)
""",
    }),
    wrong("blanket_around_a_log_call_of_the_handler", 4, """
from cutover import LogHandler

handler = LogHandler("job_logs", find="job")


def say(record):
    try:
        handler.handle(record)
    except (ValueError, Exception):  # ! S054
        pass
"""),
    wrong("created_with_a_document", 5, """
def make(name):
    return Job.objects.create(name=name, logs={"stdout": []})  # ! S053
"""),
    Case("data_migration", {**at(2), **migration("0004_clean", "        migrations.RunPython(clean),",
                                                 after="0003_job_logs_dual_write", atomic=True, more="""

def clean(apps, schema_editor):
    Job = apps.get_model("jobs", "Job")
    Job.objects.update(logs={"stdout": []})  # ! S044
""")}),
)  # fmt: skip

FLAGS = (
    Case("no_prefix", {**at(1), **marked(flags(1) | settings(flags(1)[SETTINGS].replace('"PROPERTY_SHIM": False', '"PROPERTY_SHIM": True')),
                                         SETTINGS, '"PROPERTY_SHIM": True,', "E001")}),
    Case("unknown_name", {**at(1), **settings(flags(1)[SETTINGS] + 'CUTOVER["job_lgos"] = {"ADD_TABLE": True}  # ! E002\n')}),
    Case("unknown_key", {**at(1), **marked(flags(1, DUALWRITE=True), SETTINGS, "\"DUALWRITE\": True,", "E003")}),
    Case("text_for_a_flag", {**at(1), **marked(flags(1) | settings(flags(1)[SETTINGS].replace('"DUAL_WRITE": False', '"DUAL_WRITE": "False"')),
                                               SETTINGS, '"DUAL_WRITE": "False",', "E003")}),
    Case("environments_far_apart", {**at(3), "config/staging.py": marked(flags(3), SETTINGS, '"PROPERTY_SHIM": True,', "E004")[SETTINGS],
                                    "config/production.py": flags(1)[SETTINGS]}, settings=("config.staging", "config.production")),
    Case("production_ahead_of_staging", {**at(2), "config/staging.py": flags(1)[SETTINGS], "config/production.py": """
from .staging import *

CUTOVER["job_logs"]["DUAL_WRITE"] = True  # ! E005
"""}, settings=("config.staging", "config.production")),
    Case("override", {**at(1), **marked(flags(1), SETTINGS, '"ADD_TABLE": True,', "W006")}, environment={"CUTOVER_JOB_LOGS_ADD_TABLE": "0"}),
    Case("misspelt_variable", at(1), environment={"CUTOVER_JOB_LOGS_DUALWRITE": "1"}, unmarked=("E003",)),
    Case("computed_flag", {**at(1), **settings(flags(1)[SETTINGS] + 'CUTOVER["job_logs"]["DUAL_WRITE"] = decide()  # ! W007\n')}),
)  # fmt: skip


def field_altered(kind: str) -> Files:
    return migration("0003_field", f"        {kind}  # ! E025", after="0002_job_logs_add_table", atomic=True)


def swapped(files: Files, name: str, old: str, new: str) -> Files:
    path = f"{MIGRATIONS}/{name}.py"
    assert old in files[path], old
    return {**files, path: files[path].replace(old, new)}


MIGRATING = (
    Case("no_table", {**{k: v for k, v in at(1).items() if "0002" not in k}, **marked(flags(1), SETTINGS, '"ADD_TABLE": True,', "E020"),
                      **migration("0002_watch", WATCH, after="0001_initial")}),
    Case("no_watch", {**at(1), **marked(flags(1), SETTINGS, '"ADD_TABLE": True,', "E022"), **chain((("0002_job_logs_add_table", TABLE),))}),
    Case("early_drop", {**at(4), **migration(*REMOVAL, after=END), **migration(*LAST, after=REMOVAL[0]),
                        **swapped(migration(*REMOVAL, after=END), REMOVAL[0], '[migrations.RemoveField("job", "logs")],',
                                  '[migrations.RemoveField("job", "logs")],  # ! E023'),
                        **swapped(migration(*LAST, after=REMOVAL[0]), LAST[0], 'DropColumn("job_logs", model',
                                  'DropColumn(  # ! E021\n            "job_logs", model')}),
    Case("early_state_removal", {**at(4), **swapped(migration(*REMOVAL, after=END), REMOVAL[0], '[migrations.RemoveField("job", "logs")],',
                                                    '[migrations.RemoveField("job", "logs")],  # ! E023')}),
    Case("bare_removal", {**at(5), **without_field(), **migration("0006_remove", '        migrations.RemoveField("job", "logs"),  # ! E024',
                                                                   after=END, atomic=True)}),
    Case("model_deleted", {**at(2), **migration("0004_delete", '        migrations.DeleteModel("Job"),  # ! E024',
                                                after="0003_job_logs_dual_write", atomic=True)}),
    Case("field_altered", {**at(1), **field_altered('migrations.AlterField("job", "logs", models.JSONField(null=True)),')}),
    Case("field_renamed", {**at(1), **field_altered('migrations.RenameField("job", "logs", "log"),')}),
    Case("table_renamed", {**at(1), **field_altered('migrations.AlterModelTable("job", "job"),')}),
    Case("drop_by_sql", {**at(5), **migration("0006_drop", '        migrations.RunSQL("ALTER TABLE jobs_job DROP COLUMN logs"),  # ! E026',
                                              after=END, atomic=True)}),
    Case("drop_by_sql_in_the_database_half", {**at(5), **without_field(), **migration("0006_drop", """
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL('ALTER TABLE "jobs_job" DROP COLUMN "logs"'),  # ! E026
            ],
            state_operations=[migrations.RemoveField("job", "logs")],
        ),
""", after=END, atomic=True)}),
    Case("removal_and_drop_in_one_migration", {**at(5), **without_field(), **migration("0006_all", REMOVE + """
        DropColumn("job_logs", model="jobs.Job", field_name="logs", field=models.JSONField()),  # ! E027
""", after=END)}),
    Case("drop_before_the_removal", {**at(5), **migration("0006_drop", """
        DropColumn("job_logs", model="jobs.Job", field_name="logs", field=models.JSONField()),  # ! E027
""", after=END)}),
    Case("atomic_index", {**at(2), **migration("0003_job_logs_dual_write", '        EnsureIndex("job_logs"),  # ! E028',
                                               after="0002_job_logs_add_table", atomic=True)}),
    Case("removal_while_the_column_demands_a_value", {
        **{k: v for k, v in at(5).items() if "0005" not in k}, **without_field(),
        **swapped(migration(*REMOVAL, after=STEPS[2][0]), REMOVAL[0], '[migrations.RemoveField("job", "logs")],',
                  '[migrations.RemoveField("job", "logs")],  # ! E029')}),
    Case("field_gone_too_early", {**at(4), **marked(without_field(), MODELS, "class Job(models.Model):", "E061")}),
    Case("declaration_that_is_computed", {**at(1), "jobs/cutovers.py": at(1)["jobs/cutovers.py"].replace(
        '"jobs.Job.logs"', "compute()").replace("class JobLogs(Cutover):", "class JobLogs(Cutover):  # ! W008").replace(
        "@register", "from jobs.names import compute\n\n@register")}),
)  # fmt: skip

CHANGES = (
    Case("two_phases_at_once", {**at(3), **marked(flags(3), SETTINGS, '"PROPERTY_SHIM": True,', "E060")}, before=at(1)),
    Case("two_phases_back", {**at(1), **marked(flags(1), SETTINGS, '"DUAL_WRITE": False,', "E060"), **chain(STEPS[:3])}, before=at(3)),
    Case("field_with_its_flag", {**at(5), **marked(without_field(), MODELS, "class Job(models.Model):", "E061")}, before=at(4)),
    Case("removal_with_its_flag", {**at(5), **swapped(
        migration(*REMOVAL, after=END), REMOVAL[0], '[migrations.RemoveField("job", "logs")],',
        '[migrations.RemoveField("job", "logs")],  # ! E062')}, before=at(4)),
    Case("removal_and_drop_in_one_change", {
        **at(5), **without_field(), **migration(*REMOVAL, after=END),
        **swapped(migration(*LAST, after=REMOVAL[0]), LAST[0], 'DropColumn("job_logs", model',
                  'DropColumn(  # ! E063\n            "job_logs", model')}, before=at(5)),
    Case("uses_converted_with_their_flag", {**at(2), **marked(flags(2), SETTINGS, '"DUAL_WRITE": True,', "W064")},
         before={**at(1), **code("def forget():\n    Job.objects.update(logs=None)\n")}),
    Case("migration_rewritten", {**at(2), **swapped(chain(STEPS[:2]), STEPS[1][0], "class Migration(migrations.Migration):",
                                                    "class Migration(migrations.Migration):  # ! E065"),
                                 }, before={**at(2), **chain((STEPS[0], (STEPS[1][0], '        EnsureIndex("job_logs"),')))}),
    Case("migration_lost", {**{k: v for k, v in at(2).items() if "0003" not in k}, "jobs/cutovers.py": at(2)["jobs/cutovers.py"].replace(
        "class JobLogs(Cutover):", "class JobLogs(Cutover):  # ! E065")}, before=at(2)),
)  # fmt: skip

WRONG = (*SOURCE, *FLAGS, *MIGRATING, *CHANGES)
