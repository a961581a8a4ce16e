"""Field classes of third parties, event loops, and what becomes of a value after a write: the attribute stays what it was."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.test.utils import isolate_apps

from cutover import lease, read
from cutover.errors import MutatedDocument
from cutover.mapping import bind, held
from cutover.phase import Phase
from cutover.write import append, saving
from databases import Database
from parents import line, queries, row, stored
from project.jobs.models import Job
from stages import at_phase

GUARDED = [Phase.DUAL_WRITE, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP]


@dataclass
class Logs:
    """What a schema field gives instead of a dict."""

    stdout: list[str]
    stderr: list[str]


class SchemaAttribute(DeferredAttribute):
    """Turns what is assigned into the schema, as such fields do."""

    field: Any

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = Logs(**value) if isinstance(value, dict) else value


class SchemaField(models.JSONField):
    descriptor_class = SchemaAttribute

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        return None if value is None else Logs(**json.loads(value))

    def get_prep_value(self, value: Any) -> Any:
        return {"stdout": value.stdout, "stderr": value.stderr} if isinstance(value, Logs) else value


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A model over the same table, whose field has a schema."""
    with isolate_apps("project.jobs"):

        class Typed(models.Model):
            name = models.CharField(max_length=100, default="")
            progress = models.IntegerField(default=0)
            logs = SchemaField(null=True)

            class Meta:
                app_label = "jobs"
                db_table = "jobs_job"
                managed = False

        known = bind("job_logs")
        field: Any = Typed._meta.get_field("logs")
        binding = replace(known, field=field, parent=replace(known.parent, model=Typed))
        for module in ("cutover.read.attribute", "cutover.write.saving"):
            monkeypatch.setattr(f"{module}.bind", lambda name: binding)
        read.install(binding)
        saving.install(binding)
        yield Typed


@pytest.mark.parametrize("phase", [Phase.NOT_STARTED, *GUARDED])
def test_a_schema_field_gives_what_it_gave(database: Database, typed: Any, phase: Phase) -> None:
    job = typed.objects.create(logs={"stdout": [line(1, "old")], "stderr": []})
    row(Job(pk=job.pk), 2, "new", "ERROR", position=2)
    at_phase("job_logs", phase)
    new = phase.reads_rows
    stdout = [*([line(2, "new", "ERROR")] if new else []), line(1, "old")]
    assert typed.objects.get(pk=job.pk).logs == Logs(stdout, ["new"] if new else [])
    assert typed(logs={"stdout": [], "stderr": []}).logs == Logs([], [])


@pytest.mark.parametrize("phase", GUARDED)
def test_a_schema_field_is_guarded(database: Database, typed: Any, phase: Phase) -> None:
    job = typed.objects.get(pk=typed.objects.create(logs=Logs([line(1, "old")], [])).pk)
    at_phase("job_logs", phase)
    job.save()
    job.logs.stdout.insert(0, "mine")
    with pytest.raises(MutatedDocument):
        job.save()
    assert stored(Job(pk=job.pk)) == {"stdout": [line(1, "old")], "stderr": []}


def test_elements_of_a_new_parent_with_a_schema_become_rows(database: Database, typed: Any) -> None:
    at_phase("job_logs", Phase.STOP_JSON_WRITES)
    job = typed.objects.create(logs=Logs([line(1, "first")], []))
    assert stored(Job(pk=job.pk)) == {"stdout": [], "stderr": []}
    assert typed.objects.get(pk=job.pk).logs == Logs([line(1, "first")], [])


def test_installing_twice_changes_nothing(database: Database) -> None:
    before = Job.__dict__["logs"], Job.save_base, Job.refresh_from_db, Job._meta.get_field("logs").pre_save
    read.install(bind("job_logs"))
    saving.install(bind("job_logs"))
    after = Job.__dict__["logs"], Job.save_base, Job.refresh_from_db, Job._meta.get_field("logs").pre_save
    assert all(one is two for one, two in zip(before, after, strict=True))


def test_an_event_loop_reads_what_is_in_memory(database: Database) -> None:
    pk = Job.objects.create(logs={"stdout": ["x"]}).pk
    binding = at_phase("job_logs", Phase.DUAL_WRITE)

    async def look(job: Job) -> Any:
        return job.logs

    assert asyncio.run(look(Job.objects.get(pk=pk))) == {"stdout": ["x"]}
    at_phase("job_logs", Phase.PROPERTY_SHIM)
    lease.current(binding)
    unread, prefetched = Job.objects.get(pk=pk), Job.objects.get(pk=pk)
    read.prefetch(binding, [prefetched])
    assert asyncio.run(look(prefetched)) == {"stdout": ["x"]}
    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(look(unread))


@pytest.mark.parametrize("phase", [Phase.NOT_STARTED, *GUARDED])
def test_what_was_forgotten_is_read_anew(database: Database, phase: Phase) -> None:
    job = Job.objects.get(pk=Job.objects.create(logs={"stdout": [], "stderr": []}).pk)
    binding = at_phase("job_logs", phase)
    assert job.logs["stdout"] == []
    append(binding, job.pk, {"level": "INFO", "message": "new", "created_at": "2025-03-01T12:01:00Z"})
    held.forget(binding, job)
    with queries(1):
        assert job.logs["stdout"] == [line(1, "new")]
    held.forget(binding, job)
    job.save()


def test_a_change_in_memory_is_not_forgotten(database: Database) -> None:
    job = Job.objects.get(pk=Job.objects.create(logs={"stdout": []}).pk)
    binding = at_phase("job_logs", Phase.PROPERTY_SHIM)
    job.logs["stdout"].append("mine")
    held.forget(binding, job)
    assert job.logs["stdout"] == ["mine"]
    assigned = Job.objects.get(pk=job.pk)
    assigned.logs = {"stdout": []}
    held.forget(binding, assigned)
    assert assigned.logs == {"stdout": []}
