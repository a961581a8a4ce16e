"""Old code's ways to write the document, phase by phase: what becomes of each is the README's table, and nothing is dropped."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django import forms
from django.core import serializers
from django.db import IntegrityError, models
from django.db.models import F, Func, Value
from django.db.models.fields.json import KeyTransform

from backfilling import to_the_end
from cutover import marks, use, verify
from cutover.errors import MutatedDocument
from cutover.mapping import bind
from cutover.phase import Phase
from parents import NOON, line, stored
from project.jobs.cutovers import JobLogs
from project.jobs.models import Job, JobLog
from stages import at_phase

README = Path(__file__).parents[2] / "README.md"
ONE, MINE, THEIRS = line(1, "one"), line(2, "mine"), line(3, "theirs")
DOCUMENT = {"stdout": [MINE, ONE], "stderr": []}
Connect = Callable[..., psycopg.Connection[Any]]
Way = Callable[[Job, Connect], object]
pytestmark = pytest.mark.usefixtures("database")


def assign(job: Job, _: Connect) -> None:
    job.logs = DOCUMENT
    job.save()


def mutate(job: Job, _: Connect) -> None:
    job.logs["stdout"].insert(0, MINE)
    job.save()


def update_fields(job: Job, _: Connect) -> None:
    job.logs["stdout"].insert(0, MINE)
    job.save(update_fields=["logs"])


def update_or_create(job: Job, _: Connect) -> None:
    Job.objects.update_or_create(pk=job.pk, defaults={"logs": DOCUMENT})


def form(job: Job, _: Connect) -> None:
    made = forms.modelform_factory(Job, fields=["name", "logs"])(
        {"name": "x", "logs": json.dumps(DOCUMENT)}, instance=job
    )
    assert made.is_valid(), made.errors
    made.save()


def stale(job: Job, _: Connect) -> None:
    job.progress = 7
    job.save()


def bulk_update(job: Job, _: Connect) -> None:
    job.logs = DOCUMENT
    Job.objects.bulk_update([job], ["logs"])


def bulk_create(job: Job, _: Connect) -> None:
    again = Job(pk=job.pk, logs=DOCUMENT)
    Job.objects.bulk_create([again], update_conflicts=True, unique_fields=["id"], update_fields=["logs"])


def expression(job: Job, _: Connect) -> None:
    head = Value([MINE], models.JSONField())
    lines = Func(head, KeyTransform("stdout", "logs"), template="(%(expressions)s)", arg_joiner=" || ")
    text = Func(F("logs"), Value("{stdout}"), lines, function="jsonb_set", template="jsonb_set(%(expressions)s)")
    Job.objects.filter(pk=job.pk).update(logs=text)


def fixture(job: Job, _: Connect) -> None:
    fields = {"name": "", "progress": 0, "logs": DOCUMENT}
    (found,) = serializers.deserialize("python", [{"model": "jobs.job", "pk": job.pk, "fields": fields}])
    found.save()


def sql(job: Job, connect: Connect) -> None:
    psql = connect(application_name="psql")
    psql.execute("UPDATE jobs_job SET logs = %s WHERE id = %s", [json.dumps(DOCUMENT), job.pk])


WAYS: dict[str, Way] = {
    "assigns the document, `save()`": assign,
    "changes it in place, `save()`": mutate,
    '`save(update_fields=["logs"])`': update_fields,
    '`update_or_create(defaults={"logs": ...})`': update_or_create,
    "the admin, or a model form": form,
    "`save()` of a stale instance, the document unchanged": stale,
    "`QuerySet.update(logs=...)`": lambda job, _: Job.objects.filter(pk=job.pk).update(logs=DOCUMENT),
    "`update` by an expression over its keys": expression,
    '`bulk_update(jobs, ["logs"])`': bulk_update,
    "`bulk_create(update_conflicts=True)`": bulk_create,
    "`loaddata`": fixture,
    "raw SQL, psql": sql,
}
CAPTURED = ' with `on_mutation = "capture"`'
REFUSALS: dict[str, Any] = {"raises": MutatedDocument, "rejected": (IntegrityError, psycopg.errors.RestrictViolation)}


def table() -> dict[str, list[str]]:
    """The README's table: what becomes of each way in the phases 1 to 5."""
    text = README.read_text().partition("| Old code |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split(" | ")] for row in re.findall(r"^\| (.*) \|$", text, re.MULTILINE)]
    return {way: words for way, *words in rows if not way.startswith("--")}


def test_the_table_has_every_way() -> None:
    assert set(table()) == {*WAYS, *(f"{way}{CAPTURED}" for way in list(WAYS)[:1])}


@pytest.mark.parametrize("way", table())
def test_what_becomes_of_it_in_every_phase(way: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    if way.endswith(CAPTURED):
        monkeypatch.setattr(JobLogs, "on_mutation", "capture")
    to_the_end(at_phase("job_logs", Phase.DUAL_WRITE))
    at_phase("job_logs", Phase.NOT_STARTED)
    for phase, outcome in zip(list(Phase)[1:], table()[way], strict=True):
        at_phase("job_logs", phase)
        if phase is Phase.DUAL_WRITE:
            to_the_end(bind("job_logs"))
        check(WAYS[way.removesuffix(CAPTURED)], phase, outcome, connect)


def check(write: Way, phase: Phase, outcome: str, connect: Connect) -> None:
    """Old code loads a job, new code appends to it, and then old code writes."""
    job = Job.objects.create()
    append(job, 1, "one")
    old = Job.objects.get(pk=job.pk)
    assert old.logs["stdout"] == [ONE]
    append(job, 3, "theirs")
    before, marked = stored(job), count(connect)
    if outcome in REFUSALS:
        with pytest.raises(REFUSALS[outcome]):
            write(old, connect)
    else:
        write(old, connect)
    after, dirty = stored(job), marks.count_dirty("default", "job_logs")
    assert (after != before) is (outcome in ("written", "recorded") or (outcome == "captured" and phase.writes_json))
    assert (count(connect) > marked) is (outcome in ("written", "recorded"))
    assert dirty == (outcome == "recorded")
    again = (
        outcome == "recorded" and not phase.writes_json
    )  # it wrote what it had been served: a distinct list shows it once
    nothing_is_dropped(job, phase, mine=outcome in ("recorded", "captured"), doubled=again)


def append(job: Job, minute: int, message: str) -> None:
    from datetime import timedelta

    use("job_logs").append(job, level="INFO", message=message, created_at=NOON + timedelta(minutes=minute))


def count(connect: Connect) -> int:
    (found,) = connect().execute("SELECT count(*) FROM cutover_mark").fetchone() or (0,)
    return int(found)


def nothing_is_dropped(job: Job, phase: Phase, *, mine: bool, doubled: bool) -> None:
    """From dual write on: after the backfill, and the repair of what was taken out of JSON, everybody sees every line."""
    if phase < Phase.DUAL_WRITE:
        return
    binding = bind("job_logs")
    to_the_end(binding)
    assert marks.count_dirty("default", "job_logs") == 0
    if phase.writes_json:
        list(verify.repair(binding, apply=True))
    expected = {ONE, THEIRS, *([MINE] if mine else [])}
    assert set(use("job_logs").read(job.pk)["stdout"]) == expected
    assert len(expected) <= JobLog.objects.filter(job=job).count() <= len(expected) + doubled
