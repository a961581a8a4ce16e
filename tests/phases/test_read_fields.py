"""Field classes of third parties, event loops, and what becomes of a value after a write: the attribute stays what it was."""

import asyncio
import copy
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import django_pydantic_field as pydantic_field
import pydantic
import pydantic.v1
import pytest
from django.core import serializers
from django.core.exceptions import SynchronousOnlyOperation
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.forms.models import model_to_dict
from django.test.utils import isolate_apps
from django_pydantic_field.v1 import fields as pydantic_field_v1

import cutover
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


class Logs2(pydantic.BaseModel):
    """The same for pydantic 2."""

    stdout: list[str] = []
    stderr: list[str] = []


class Logs1(pydantic.v1.BaseModel):
    """The same for pydantic 1, which pydantic 2 brings along."""

    stdout: list[str] = []
    stderr: list[str] = []


KINDS: dict[str, tuple[Any, Callable[[], Any]]] = {
    "by hand": (Logs, lambda: SchemaField(null=True)),
    "pydantic 2": (Logs2, lambda: pydantic_field.SchemaField(schema=Logs2, null=True)),
    "pydantic 2, with a default": (Logs2, lambda: pydantic_field.SchemaField(schema=Logs2, default=Logs2)),
    "pydantic 1": (Logs1, lambda: pydantic_field_v1.SchemaField(schema=Logs1, null=True)),
}


@pytest.fixture(params=KINDS)
def typed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A model over the same table, whose field has a schema; `Typed.made(stdout, stderr)` makes a value of it."""
    schema, field_of = KINDS[request.param]
    with isolate_apps("project.jobs"):

        class Typed(models.Model):
            name = models.CharField(max_length=100, default="")
            progress = models.IntegerField(default=0)
            logs = field_of()

            class Meta:
                app_label = "jobs"
                db_table = "jobs_job"
                managed = False

            @staticmethod
            def made(stdout: list[str], stderr: list[str]) -> Any:
                return schema(stdout=stdout, stderr=stderr)

        known = bind("job_logs")
        field: Any = Typed._meta.get_field("logs")
        binding = replace(known, field=field, parent=replace(known.parent, model=Typed))
        for module in ("cutover.read.attribute", "cutover.write.saving", "cutover.facade"):
            monkeypatch.setattr(f"{module}.bind", lambda name: binding)
        read.install(binding)
        saving.install(binding)
        yield Typed


def job_of(typed: Any) -> tuple[Any, dict[bool, Any]]:
    """A parent with an element and a row of its own, and what JSON and rows show of it."""
    job = typed.objects.create(logs=typed.made([line(1, "old")], []))
    row(Job(pk=job.pk), 2, "new", "ERROR", position=2)
    old, new = line(1, "old"), line(2, "new", "ERROR")
    return job, {False: typed.made([old], []), True: typed.made([new, old], ["new"])}


def test_a_schema_field_gives_what_it_gave(database: Database, typed: Any) -> None:
    job, shown = job_of(typed)
    for phase in (Phase.NOT_STARTED, *GUARDED):
        at_phase("job_logs", phase)
        expected = shown[phase.reads_rows]
        for found in (typed.objects.get(pk=job.pk), typed.objects.defer("logs").get(pk=job.pk)):
            assert (found.logs, type(found.logs)) == (expected, type(expected))
            assert found.logs.stdout is found.logs.stdout
        assert typed(logs={"stdout": [], "stderr": []}).logs == typed.made([], [])


def test_a_schema_field_goes_where_an_instance_goes(database: Database, typed: Any) -> None:
    """Copies, forms, serializers, a refresh, a page of parents; the class of the model cannot be pickled here, its state can."""
    job, shown = job_of(typed)
    for phase in GUARDED:
        at_phase("job_logs", phase)
        expected, plain = shown[phase.reads_rows], json.loads(json.dumps(vars(shown[phase.reads_rows])))
        found, paged = typed.objects.get(pk=job.pk), typed.objects.get(pk=job.pk)
        assert found.logs == expected
        with queries(0):
            assert twin_of(found).logs == copy.deepcopy(found.logs) == expected
        assert model_to_dict(found)["logs"] == expected
        assert dumped(found) == plain
        assert cutover.use("job_logs").plain(found) == plain
        found.refresh_from_db(fields=["logs"])
        assert found.logs == expected
        cutover.use("job_logs").prefetch([paged])
        assert paged.logs == expected


def twin_of(found: Any) -> Any:
    """A copy by way of a pickle, as Django makes one of a model that is installed."""
    twin = type(found)()
    twin.__setstate__(pickle.loads(pickle.dumps(found.__reduce__()[2])))  # noqa: S301
    return twin


def dumped(found: Any) -> Any:
    """The document as a fixture has it; a field of pydantic writes text."""
    (told,) = json.loads(serializers.serialize("json", [found], default=vars))
    value = told["fields"]["logs"]
    return json.loads(value) if isinstance(value, str) else value


def test_a_schema_field_is_guarded(database: Database, typed: Any) -> None:
    pk = typed.objects.create(logs=typed.made([line(1, "old")], [])).pk
    for phase in GUARDED:
        at_phase("job_logs", phase)
        job = typed.objects.get(pk=pk)
        job.save()
        job.logs.stdout.insert(0, "mine")
        with pytest.raises(MutatedDocument, match="append"):
            job.save()
        assert stored(Job(pk=pk)) == {"stdout": [line(1, "old")], "stderr": []}


def test_a_change_of_a_schema_in_place_is_captured_where_declared(
    database: Database, typed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bind("job_logs").cutover, "on_mutation", "capture")
    monkeypatch.setattr(bind("job_logs").cutover, "rewrites", True)
    pk = typed.objects.create(logs=typed.made([line(1, "old")], [])).pk
    for number, phase in enumerate(GUARDED, 2):
        at_phase("job_logs", phase)
        job = typed.objects.get(pk=pk)
        job.logs.stdout.insert(0, line(number, "mine"))
        job.save()
        assert typed.objects.get(pk=pk).logs.stdout[:2] == [line(number, "mine"), job.logs.stdout[1]]
    assert len(typed.objects.get(pk=pk).logs.stdout) == 1 + len(GUARDED)


def test_elements_of_a_new_parent_with_a_schema_become_rows(database: Database, typed: Any) -> None:
    at_phase("job_logs", Phase.STOP_JSON_WRITES)
    job = typed.objects.create(logs=typed.made([line(1, "first")], []))
    assert stored(Job(pk=job.pk)) == {"stdout": [], "stderr": []}
    assert typed.objects.get(pk=job.pk).logs == typed.made([line(1, "first")], [])


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
