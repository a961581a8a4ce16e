"""From rows alone back to JSON and forward again, by the real command line, while processes write and readers read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db.models import JSONField
from django.test.utils import isolate_apps

import backfilling
import operating
import parents
import stages
import traffic
from adopting import adopted
from backfilling import to_the_end
from cutover import db, lease, ledger, read, runner, verify, wayback, write
from cutover.mapping import Binding, bind
from cutover.operations import ArchiveColumn, DropColumn
from cutover.phase import Phase
from damage.workers import nursery
from databases import Database
from migrating import backwards, droppable, forwards
from operating import Operator
from project.jobs.models import Job
from shapes import SHAPES, Shape, counted, listed
from traffic import OwnBeliefs, Traffic

BY_NAME = {shape.name: shape for shape in SHAPES}
PROCESSES = (7, 8)


@dataclass
class Scene:
    """Threads of this process and processes of their own write, each to parents of theirs; the operator commands."""

    live: Traffic
    keys: list[Any]
    operator: Operator
    said: list[Path]

    @property
    def name(self) -> str:
        return self.live.shape.name

    def status(self) -> Any:
        return json.loads(self.operator("status", self.name, "--json"))

    def column(self, key: Any) -> Any:
        """The document in the column, asked for by a statement that knows nothing of the toolkit."""
        parent = self.live.binding.parent
        query = f'SELECT "{self.live.binding.column}"::text FROM "{parent.name}" WHERE "{parent.pk}"::text = %s'  # noqa: S608
        (text,) = self.operator.connection.execute(query, [str(key)]).fetchone() or (None,)
        return None if text is None else json.loads(text)

    def json_is_whole(self) -> None:
        """Where JSON is read alone it holds what everybody has committed before, once, history first, each in his order."""
        with self.live.halted():
            for key in self.live.before:
                self.live.compare(key, self.column(key))
        old = listed(self.live.binding, json.loads(self.live.shape.documents[0] or "null"))
        before = operating.committed(self.said)
        for key in self.keys:
            found = listed(self.live.binding, self.column(key))
            for place, writers in before[str(key)].items():
                assert found[place][: len(old.get(place, []))] == old.get(place, [])
                new = found[place][len(old.get(place, [])) :]
                assert max(counted({place: new}, place).values()) == 1, "doubled"
                for elements in writers:
                    assert [each for each in new if each in elements] == elements, "lost, or out of order"

    def there_and_back(self) -> None:
        """4 to 3, what rows hold alone into JSON, 3 to 2, and forward again."""
        operator, name = self.operator, self.name
        operator("rollback", name, "PROPERTY_SHIM")
        operator("verify", name, "--rehydrate", "--yes")
        operator("verify", name)
        assert self.status()["back"]["lossless"] is True
        operator("rollback", name, "DUAL_WRITE")
        self.json_is_whole()
        operator("verify", name)
        operator("advance", name, "PROPERTY_SHIM")
        operator("advance", name, "STOP_JSON_WRITES")
        self.live.everybody_sees_what_was_committed()
        self.live.goes_on()


@pytest.fixture
def scene(
    database: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, connect: Any
) -> Iterator[Scene]:
    """At phase 4, everything backfilled; everybody at work."""
    shape: Shape = BY_NAME[request.param]
    monkeypatch.setattr(bind(shape.name).cutover, "quiet", timedelta(0))
    monkeypatch.setattr(lease, "_held", OwnBeliefs())
    monkeypatch.setenv("LEASE_SECONDS", "0.5")
    live = traffic.traffic(shape)
    keys = [backfilling.parent(live.binding, number, shape.documents[0], text=True) for number in (101, 102)]
    to_the_end(stages.at_phase(shape.name, Phase.DUAL_WRITE))
    stages.at_phase(shape.name, Phase.STOP_JSON_WRITES)
    stages.set_flags(shape.name, Phase.BACKFILL_AND_DROP)
    with nursery(0.5) as made, operating.writing(tmp_path, shape.name, keys, PROCESSES) as said, live.running():
        live.goes_on()
        yield Scene(live, keys, Operator(made, connect()), said)


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["ticket_history"], indirect=True)
def test_three_times_there_and_back_beside_live_writers(scene: Scene) -> None:
    for _ in range(3):
        scene.there_and_back()


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["job_logs"], indirect=True)
def test_there_and_back_though_the_commands_are_killed_on_the_way(scene: Scene) -> None:
    scene.operator.chance = Random(4)  # noqa: S311 - data of a test
    scene.there_and_back()
    assert scene.operator.kills >= 7


# --- what has no threads ---


def driven(binding: Binding, *phases: Phase) -> None:
    """Move by move, through every gate, as the only process."""
    for to in phases:
        db.run(binding.alias, "DELETE FROM cutover_process")
        forward = to > ledger.read(binding.alias, binding.name).phase
        *_, last = (runner.advance if forward else runner.rollback)(runner.Order(binding, to))
        assert isinstance(last, runner.Settled)
        lease.forget()


def brought_back(binding: Binding) -> verify.Rehydrated:
    """From 4 to 2 and forward again; what the rehydration has done."""
    driven(binding, Phase.PROPERTY_SHIM)
    *_, done = verify.rehydrate(binding)
    list(verify.run(binding))
    driven(binding, Phase.DUAL_WRITE)
    assert wayback.look(binding, ledger.read(binding.alias, binding.name)).lossless
    return done


@isolate_apps("project.jobs")
def test_a_table_without_positions_goes_there_and_back_three_times(database: Database) -> None:
    binding = adopted()
    db.run("default", "CREATE INDEX ON jobs_adoptedlog (job_id, created_at, id)")
    stages.set_flags("job_logs", Phase.BACKFILL_AND_DROP)
    lines = [parents.line(minute, f"old {minute}", "ERROR") for minute in (2, 1)]
    job = Job.objects.create(logs={"stdout": lines, "stderr": ["old 2", "old 1"]})
    db.run("default", "DELETE FROM cutover_mark")
    to_the_end(binding)
    for turn in range(3):
        list(verify.run(binding))
        driven(binding, Phase.PROPERTY_SHIM, Phase.STOP_JSON_WRITES)
        for minute in (10 * turn + 3, 10 * turn + 4):
            fields = {
                "created_at": parents.NOON + timedelta(minutes=minute),
                "level": "ERROR",
                "message": f"new {minute}",
            }
            write.append(binding, job.pk, fields)
            lines.insert(0, parents.line(minute, f"new {minute}", "ERROR"))
        look = wayback.look(binding, ledger.read("default", "job_logs"))
        assert (look.lossless, look.alone) == (False, verify.Alone(2, 1))
        assert brought_back(binding).left == 0
        assert parents.stored(job) == {"stdout": lines, "stderr": [text.split(" ERROR ")[1] for text in lines]}
        assert read.read(binding, job.pk)["stdout"] == lines


def test_from_the_dropped_column_back_to_json(database: Database) -> None:
    lines = [parents.line(2, "two"), parents.line(1, "one")]
    job = Job.objects.create(logs={"stdout": lines, "stderr": []})
    binding = droppable("job_logs")
    field = JSONField(null=True, default=dict)
    archived = ArchiveColumn("job_logs", model="jobs.Job", column="logs")
    drop = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=field)
    forwards(archived, drop)
    assert wayback.look(binding, ledger.read("default", "job_logs")).lossless
    for minute, step_back in ((3, lambda: backwards(drop, archived)), (4, lambda: None)):
        fields = {"created_at": parents.NOON + timedelta(minutes=minute), "level": "INFO", "message": f"new {minute}"}
        write.append(binding, job.pk, fields)
        lines.insert(0, parents.line(minute, f"new {minute}"))
        step_back()
        lease.forget()
    stages.set_flags("job_logs", Phase.BACKFILL_AND_DROP)
    driven(binding, Phase.STOP_JSON_WRITES)
    assert brought_back(binding).rows == 1
    assert parents.stored(job) == {"stdout": lines, "stderr": []}
