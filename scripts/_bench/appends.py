"""The ways to append one line to a job: as the case had it, as it proposes, and by the toolkit in each phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django.db import connection, models
from django.utils import timezone

import cutover
from _bench.models import Line, LooseLine, Task
from project.jobs.models import Job, JobLog

CAP = 1000
LOGS = cutover.use("job_logs")
Append = Callable[[int, str], None]


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        append: of a job's key and a message; it raises what goes wrong.
        parent: who is locked.
        child: where the rows are to be found, and which field leads to the parent; None where there are none.
        document: whether the lines are to be found in the document.
        cap: how many lines the document keeps; None: all.
        phase: of the cutover; None where it has no part in this.
        buffer: whether lines wait in Redis, and a flusher is at work.
    """

    title: str
    append: Append
    parent: type[models.Model]
    child: tuple[type[models.Model], str] | None = None
    document: bool = False
    cap: int | None = None
    phase: int | None = None
    buffer: bool = False


_tasks: dict[int, Task] = {}


def legacy(key: int, message: str) -> None:
    """The handler as it was: read, change, save. It loses what another one has saved in between."""
    task = _tasks.setdefault(key, Task(pk=key))
    task.refresh_from_db(fields=["logs"])
    line = f"[{timezone.now():%Y-%m-%d %H:%M:%S}] INFO {message}"
    if line not in task.logs["stdout"]:
        task.logs["stdout"].insert(0, line)
    if len(task.logs["stdout"]) > CAP:
        task.logs["stdout"] = task.logs["stdout"][:CAP]
    task.save(update_fields=["logs"])


PROPOSAL_B = """
UPDATE bench_task SET logs = jsonb_set(
    COALESCE(logs, '{}'::jsonb), '{stdout}',
    jsonb_insert(COALESCE(logs -> 'stdout', '[]'::jsonb), '{0}', to_jsonb(%s::text), false)
) WHERE id = %s
"""


def plain_sql(key: int, message: str) -> None:
    """Proposal B as it stands in the case: without the cap, and without a look for what is there already."""
    with connection.cursor() as cursor:
        cursor.execute(PROPOSAL_B, [f"[{timezone.now():%Y-%m-%d %H:%M:%S}] INFO {message}", key])


def create(model: type[Line | LooseLine], key: int, message: str) -> None:
    """Proposal A."""
    model.objects.create(task_id=key, level="INFO", message=message)


def ours(key: int, message: str) -> None:
    LOGS.append(key, level="INFO", message=message, created_at=timezone.now())


def toolkit(phase: int) -> Way:
    rows = (JobLog, "job_id") if phase >= 2 else None
    return Way(f"append, phase {phase}", ours, Job, rows, document=phase < 4, cap=CAP, phase=phase)


WAYS: dict[str, Way] = {
    "legacy": Way("the legacy handler", legacy, Task, document=True, cap=CAP),
    "json": Way("B: one UPDATE by hand", plain_sql, Task, document=True),
    "key": Way("A: create(), foreign key", partial(create, Line), Task, (Line, "task_id")),
    "loose": Way("A without the key", partial(create, LooseLine), Task, (LooseLine, "task_id")),
    **{f"phase{phase}": toolkit(phase) for phase in range(1, 6)},
    "buffered": Way("buffered append, phase 4", ours, Job, (JobLog, "job_id"), phase=4, buffer=True),
}
