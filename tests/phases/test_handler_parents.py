"""Whose line a record is: one parent for the handler, or each record's own; through `logging.config` as well."""

import logging
import logging.config
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import documents
from cutover.errors import DeclarationError
from cutover.write import LogHandler
from databases import Database
from handling import handle, messages
from project.jobs.models import Job, JobLog
from stages import at_phase

ROOT = Path(__file__).parents[2]
CONFIGURED = documents.block(documents.README, "LOGGING = {")
EARLY = 'import logging\nlogging.getLogger("jobs").info("while the applications load", extra={"job": 1})\n'
STARTED = """
import logging, django
django.setup()
logging.getLogger("jobs.work").info("then", extra={"job": 1})
"""


def parent_of(record: logging.LogRecord) -> str:
    """The last part of the logger's name."""
    return record.name.rpartition(".")[2]


@pytest.mark.parametrize("key", [False, True], ids=["instance", "key"])
def test_record_says_its_parent(database: Database, log: logging.Logger, key: bool) -> None:
    at_phase("job_logs", 4)
    first, second = Job.objects.create(), Job.objects.create()
    handle(log, None, find="job")
    for job in (first, second):
        log.info("of %s", job.pk, extra={"job": job.pk if key else job})
    assert set(JobLog.objects.values_list("job_id", "message")) == {(job.pk, f"of {job.pk}") for job in (first, second)}


@pytest.mark.parametrize("find", [parent_of, f"{__name__}.parent_of"], ids=["function", "path"])
def test_function_of_the_record_finds_the_parent(
    database: Database, find: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[parent_of.__module__])
    at_phase("job_logs", 4)
    job = Job.objects.create()
    made = LogHandler("job_logs", find=find)
    made.handle(logging.makeLogRecord({"name": f"jobs.{job.pk}", "msg": "x", "levelname": "INFO"}))
    assert JobLog.objects.get().job_id == job.pk


def test_record_without_a_parent_is_not_this_handlers(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 4)
    made = handle(log, None, find="job")
    log.info("of nobody")
    log.info("of none", extra={"job": None})
    assert (messages(), made.pending, made.dropped, made.last_error) == ([], 0, 0, None)


def test_finder_that_breaks_costs_the_line_and_nothing_else(
    database: Database, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, None, find=lambda record: record.nothing_of_this_name)  # type: ignore[attr-defined]
    log.info("whose")
    assert (made.pending, made.dropped) == (0, 1)
    assert "nothing_of_this_name" in capsys.readouterr().err


@pytest.mark.parametrize("given", [{}, {"parent": 1, "find": "job"}], ids=["neither", "both"])
def test_handler_is_told_whose_its_lines_are_once(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match=r"has (neither|both)"):
        LogHandler("job_logs", **given)


def test_parent_that_has_not_been_saved_gets_its_lines_afterwards(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 4)
    job = Job()
    made = handle(log, None, find="job")
    log.info("early", extra={"job": job})
    assert (messages(), made.pending) == ([], 1)
    job.save()
    made.flush()
    assert JobLog.objects.values_list("job_id", "message").get() == (job.pk, "early")


def test_one_missing_parent_does_not_hold_up_the_lines_of_others(database: Database, log: logging.Logger) -> None:
    at_phase("job_logs", 4)
    job = Job.objects.create()
    made = handle(log, None, find="job")
    log.info("lost", extra={"job": 4711})
    log.info("here", extra={"job": job})
    assert (messages(), made.pending) == (["here"], 1)


def test_line_whose_parent_never_comes_is_given_up_and_reported(
    database: Database, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    at_phase("job_logs", 4)
    made = handle(log, None, find="job", wait=0)
    log.info("lost", extra={"job": 4711})
    made.flush()
    assert (made.pending, made.dropped) == (0, 1)


def test_example_of_the_readme_configures_level_formatter_and_parent(database: Database) -> None:
    at_phase("job_logs", 4)
    job, names = Job.objects.create(), dict[str, Any]()
    exec(CONFIGURED, names)  # noqa: S102 - the document is ours
    exec(documents.block(documents.README, "LoggerAdapter"), names)  # noqa: S102
    logging.config.dictConfig(names["LOGGING"])
    try:
        logger = names["logger_of"](job)
        logger.info("seen")
        logger.debug("below the level")
        assert JobLog.objects.values_list("job_id", "level", "message").get() == (job.pk, "INFO", "jobs.work: seen")
    finally:
        logging.getLogger("jobs").handlers.clear()


def test_handler_that_the_settings_configure_is_there_before_the_models(database: Database, tmp_path: Path) -> None:
    """Django configures logging before it loads the applications; a line from that time waits."""
    at_phase("job_logs", 4)
    Job.objects.create(pk=1)
    (tmp_path / "early.py").write_text(EARLY)
    settings = f"from project.settings import *\nINSTALLED_APPS = ['early', *INSTALLED_APPS]\n{CONFIGURED}"
    (tmp_path / "configured.py").write_text(settings)
    paths = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "configured"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", STARTED],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert messages() == ["jobs: while the applications load", "jobs.work: then"]
