"""A flush as a Celery task, for a project that would rather have beat call it every few seconds than run a service.

Celery finds it by itself where it looks for the tasks of installed apps. The module needs the package `celery`, and nothing
else of the toolkit imports it.
"""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task  # type: ignore[import-untyped]

from cutover import flush as flushing
from cutover.flush import Step
from cutover.mapping import bind


@shared_task(name="cutover.flush", ignore_result=True)  # type: ignore[untyped-decorator]
def flush(name: str, seconds: float = 50.0) -> dict[str, Any]:
    """Move what waits in the buffer of a cutover, for at most so many seconds; what it did.

    It ends between two batches. Tasks that overlap are kept apart as any two flushers are.
    """
    until, last = time.monotonic() + seconds, Step()
    for last in flushing.run(bind(name), stop=lambda: time.monotonic() > until, overdue=0.0):
        if last.idle and not last.waiting:
            break
    return last.as_dict()
