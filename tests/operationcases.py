"""Every operation with what it needs, run as a migration runs it; for tests that hold for all of them."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

import migrating
import project.jobs.models
from cutover import db
from cutover.operations import (
    ArchiveColumn,
    DropColumn,
    EnsureConstraint,
    EnsureIndex,
    EnsureTable,
    ForgetField,
    InstallWatch,
    RefreshWatch,
    RelaxColumn,
    RemoveWatch,
    StripClaimed,
)
from project.jobs.models import Job, JobLog

LINE = "[2026-01-02 03:04:0{}] INFO line {}"
LOGS = models.JSONField(null=True, default=project.jobs.models.empty_logs)
DROP = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=LOGS, archive="waived by Ada")


@dataclass(frozen=True)
class Case:
    """An operation, and what is to be there before it.

    Attributes:
        undone: whether going back leads to where it was; a refreshed trigger stays.
    """

    operation: Any
    before: Callable[[], object]
    undone: bool = True

    @property
    def name(self) -> str:
        return type(self.operation).__name__


def nothing() -> None:
    pass


def finished() -> None:
    """A cutover whose column may be dropped, with a few documents."""
    for n in range(3):
        Job.objects.create(logs={"stdout": [LINE.format(n, n)], "stderr": []})
    migrating.droppable("job_logs")


def relaxed() -> None:
    """The same, and the column as code without the field needs it: as it comes back."""
    finished()
    migrating.forwards(RelaxColumn("job_logs"))


def outdated() -> None:
    db.run("default", "COMMENT ON FUNCTION cutover_watch_job_logs_v1() IS 'old'")


def without(operation: Any) -> Callable[[], None]:
    return lambda: migrating.backwards(operation)


TABLE = EnsureTable(
    name="Extra",
    fields=[
        ("id", models.BigAutoField(primary_key=True)),
        ("job", models.ForeignKey("jobs.Job", models.CASCADE, db_constraint=False)),
        ("text", models.TextField(db_index=True)),
    ],
)
CASES = [
    Case(TABLE, nothing),
    Case(InstallWatch("job_logs"), without(InstallWatch("job_logs"))),
    Case(RemoveWatch("job_logs"), nothing),
    Case(RefreshWatch("job_logs"), outdated, undone=False),
    Case(EnsureIndex("job_logs"), without(EnsureIndex("job_logs"))),
    Case(EnsureConstraint("job_logs"), lambda: JobLog.objects.create(job=Job.objects.create(), level="", message="")),
    Case(RelaxColumn("job_logs"), nothing),
    Case(ForgetField("job_logs", model="jobs.Job", field_name="logs"), nothing),
    Case(StripClaimed("job_logs", archive="waived by Ada"), finished),
    Case(ArchiveColumn("job_logs", model="jobs.Job", column="logs"), finished),
    Case(DROP, relaxed),
]


@cache
def states(case: Case) -> tuple[ProjectState, ProjectState]:
    """The models before and after it."""
    before = migrating.state()
    after = before.clone()
    case.operation.state_forwards("jobs", after)
    return before, after


def forwards(case: Case, wrapper: Any = None) -> None:
    before, after = states(case)
    run(case.operation.database_forwards, before, after, wrapper)


def backwards(case: Case, wrapper: Any = None) -> None:
    before, after = states(case)
    run(case.operation.database_backwards, after, before, wrapper)


def run(work: Callable[..., None], from_state: ProjectState, to_state: ProjectState, wrapper: Any) -> None:
    with (
        connection.execute_wrapper(wrapper) if wrapper else nullcontext(),
        connection.schema_editor(atomic=False) as editor,
    ):
        work("jobs", editor, from_state, to_state)


def optimized(operations: list[Operation]) -> list[Operation]:
    """What squashing makes of them."""
    from django.db.migrations.optimizer import MigrationOptimizer

    return MigrationOptimizer().optimize(operations, "jobs")
