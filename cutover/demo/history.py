"""Jobs with log lines from before the demonstration, as the legacy handler left them."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from cutover.demo.lines import Message
from cutover.sql import query

LONGEST = 900  # lines; the cap is 1,000, so that only jobs that are busy reach it
HOT = 400
FORGOTTEN = 3  # errors that are left in stderr while their lines were cut from stdout


def make(connection: psycopg.Connection[Any], jobs: int, feed: Sequence[Message]) -> int:
    """Insert the jobs; the number of elements. The first one is the hot one."""
    elements = 0
    statement = query("demo", "make_job")
    for number in range(1, jobs + 1):
        logs = document(HOT if number == 1 else random.randint(0, LONGEST), feed)
        connection.execute(statement, {"name": f"job {number}", "logs": json.dumps(logs)})
        elements += len(logs["stdout"]) + len(logs["stderr"])
    return elements


def document(length: int, feed: Sequence[Message]) -> dict[str, list[str]]:
    """Newest first. Time goes back along the list, but for a clock that was set: time is not list order."""
    time = datetime.now(UTC) - timedelta(hours=1)
    stdout: dict[str, None] = {}
    stderr: dict[str, None] = {}
    for number in range(length, 0, -1):
        time += timedelta(seconds=90) if random.random() < 0.01 else -timedelta(seconds=random.randint(0, 3))
        level, text = random.choice(feed)
        text = f"{text} (history #{number})"
        stdout[f"[{time:%Y-%m-%d %H:%M:%S}] {level} {text}"] = None
        if level in ("ERROR", "CRITICAL"):
            stderr[text] = None
    forgotten = [f"An error whose line is gone (history #{-number})" for number in range(FORGOTTEN)] if length else []
    return {"stdout": list(stdout), "stderr": [*stderr, *forgotten]}
