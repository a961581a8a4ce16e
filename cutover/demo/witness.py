"""The oracle inside a worker process: swear to each line, and compare what a reader sees with what was sworn.

It uses Django's own connection, so that an oath stands or falls with the line's transaction. It works in every release of the
project, also in the one that does not know the toolkit yet.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cutover import db
from cutover.demo.comparison import CAP, Finding, Written, missing, repeated
from cutover.sql import query

ALIAS = "default"
Logs = Mapping[str, Sequence[str]]
Line = tuple[str, str, str, datetime]  # text, message, level, started
NEWEST = CAP + CAP // 2
ERRORS = ("ERROR", "CRITICAL")


def swear(job_id: int, record: logging.LogRecord) -> None:
    """Put the line into the oracle, in the transaction that is open."""
    time = datetime.fromtimestamp(int(record.created), UTC)
    message = record.getMessage()
    values = {
        "job_id": job_id,
        "text": f"[{time:%Y-%m-%d %H:%M:%S}] {record.levelname} {message}",
        "message": message,
        "level": record.levelname,
        "process": os.environ.get("PROCESS", ""),
    }
    db.run(ALIAS, query("demo", "swear"), values)


def begin() -> None:
    """Begin the transaction of a line that goes past the database: the oracle's time of it is to be the earlier one."""
    db.scalar(ALIAS, query("demo", "begin"))


def look(job_id: int, read: Callable[[], Logs]) -> Finding:
    """Read one job and compare; before the baseline there is nothing to compare with."""
    if not db.scalar(ALIAS, query("demo", "baseline_taken")):
        read()
        return Finding()
    written = db.rows(ALIAS, query("demo", "written_to"), {"job_id": job_id, "limit": NEWEST})
    return compare(job_id, read(), written, history(job_id))


def audit(jobs: Iterable[Any], read: Callable[[Any], Logs]) -> str:
    """Read every job and compare; JSON with the number of jobs and what was found."""
    total = Finding()
    written: dict[int, list[Line]] = {}
    for job_id, *line in db.rows(ALIAS, query("demo", "written")):
        written.setdefault(job_id, []).append(tuple(line))
    read_jobs = list(jobs)
    for job in read_jobs:
        total.add(compare(job.pk, read(job), written.get(job.pk, []), history(job.pk)))
    return json.dumps({"jobs": len(read_jobs), **vars(total)})


def compare(job_id: int, logs: Logs, written: Sequence[Line], past: tuple[list[str], list[str]]) -> Finding:
    first = {
        line[0]: line for line in sorted(written, key=lambda line: line[3], reverse=True)
    }  # a repetition is skipped
    stdout = [Written(text, started) for text, _, _, started in first.values()]
    stderr = [Written(message, started) for _, message, level, started in first.values() if level in ERRORS]
    found = stream(job_id, logs["stdout"], stdout, past[0], CAP)
    found.add(stream(job_id, logs["stderr"], stderr, past[1], None))
    return found


def stream(job_id: int, view: Sequence[str], written: list[Written], past: list[str], cap: int | None) -> Finding:
    view = list(view)
    full = cap is not None and len(view) >= cap
    known, last_ended = last_known(job_id, view, past) if full else (len(view), None)
    lost = missing(view[:known], written, past, full=full, last_ended=last_ended)
    doubled = [text for text, shown in repeated(view).items() if shown > times(job_id, text)]
    examples = [f"job {job_id} lacks {text[:128]}" for text in lost[:2]]
    examples += [f"job {job_id} doubles {text[:128]}" for text in doubled[:2]]
    return Finding(len(view), len(lost), len(doubled), examples)


def last_known(job_id: int, view: list[str], past: list[str]) -> tuple[int, datetime | None]:
    """Where the last element stands of which the oracle knows, and when that had been written; None for history.

    A line whose transaction failed behind the handler's back is there and was not sworn: it says nothing about the others.
    """
    for known in range(len(view), 0, -1):
        ended = db.scalar(ALIAS, query("demo", "ended"), {"job_id": job_id, "text": view[known - 1]})
        if ended is not None or view[known - 1] in past:
            return known, ended
    return 0, None


def times(job_id: int, text: str) -> int:
    return max(1, int(db.scalar(ALIAS, query("demo", "times"), {"job_id": job_id, "text": text})))


@cache
def history(job_id: int) -> tuple[list[str], list[str]]:
    """What JSON held at the baseline; it does not change any more."""
    found = db.one(ALIAS, query("demo", "baseline_of"), {"job_id": job_id})
    return ([], []) if found is None else (json.loads(found[0]), json.loads(found[1]))
