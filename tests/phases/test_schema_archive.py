"""The archive: each chunk has its checksum; nothing is dropped or restored unless it still says what the column said."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from django.db import models

import project.jobs.models
from cutover import db
from cutover.chunk import Pace
from cutover.errors import DeclarationError, Refused
from cutover.mapping import Binding, bind
from cutover.operations import ArchiveColumn, DropColumn
from cutover.schema import archive, introspect, manifest, names
from databases import Database
from migrating import backwards, documents, droppable, forwards
from project.jobs.models import Job

LOGS = models.JSONField(null=True, default=project.jobs.models.empty_logs)
DROP = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=LOGS)
WAIVED = DropColumn("job_logs", model="jobs.Job", field_name="logs", field=LOGS, archive="waived by Ada")
LINE = "[2026-01-02 03:04:{:02}] INFO line {}\\tä"
PLACES = ("table", "file")


def taken(to: str) -> ArchiveColumn:
    return ArchiveColumn("job_logs", model="jobs.Job", column="logs", to=to)


@pytest.fixture
def binding(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Binding:
    """Seven jobs, droppable; chunks of three; archives that are files go into a directory of the test."""

    class Three(Pace):
        size = 3  # type: ignore[assignment]

    monkeypatch.setattr(archive, "Pace", Three)
    monkeypatch.setenv("CUTOVER_ARCHIVE_DIRECTORY", str(tmp_path))
    for n in range(6):
        Job.objects.create(logs={"stdout": [LINE.format(n, n)], "stderr": []})
    Job.objects.create(logs=None)
    return droppable("job_logs")


def column_exists() -> bool:
    return introspect.column_exists(bind("job_logs"))


def hurt(to: str, tmp_path: Path) -> None:
    """One document is another, or one byte of the file."""
    if to == "table":
        db.run("default", "UPDATE cutover_archive_job_logs_v1 SET document = '{}' WHERE chunk = 2")
        return
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


DAMAGE = {
    "table": r"cutover_archive_job_logs_v1 is damaged in 1 chunks, the first is 2",
    "file": r"job_logs-epoch\d+-\w+\.copy\.gz is damaged in chunk 2",
}


@pytest.mark.parametrize("to", PLACES)
def test_archive_is_whole_and_restores_every_document(to: str, binding: Binding, tmp_path: Path) -> None:
    before = documents(binding)
    forwards(taken(to), DROP)
    assert [each.parents for each in manifest.chunks("default", "job_logs")] == [3, 3, 1]
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        assert gzip.decompress(file.read_bytes()).count(b"\n") == 7
    assert len(list(tmp_path.iterdir())) == (to == "file")
    backwards(DROP)
    assert documents(binding) == before
    assert introspect.exists("default", names.archive_table("job_logs")) is (to == "table")


@pytest.mark.parametrize("to", PLACES)
def test_damaged_archive_holds_up_the_drop_and_is_taken_anew(to: str, binding: Binding, tmp_path: Path) -> None:
    forwards(taken(to))
    hurt(to, tmp_path)
    with pytest.raises(Refused, match=rf"(?m)^jobs_job\.logs stays as it is: .*{DAMAGE[to]}\.$"):
        forwards(DROP)
    assert column_exists()
    if to == "file":
        for file in tmp_path.iterdir():
            file.rename(tmp_path / "damaged")
    forwards(taken(to), DROP)
    assert not column_exists()


@pytest.mark.parametrize("to", PLACES)
def test_damaged_archive_is_found_before_anything_is_restored(to: str, binding: Binding, tmp_path: Path) -> None:
    forwards(taken(to), DROP)
    hurt(to, tmp_path)
    with pytest.raises(Refused, match=r"^jobs_job\.logs is not restored: ") as told:
        backwards(DROP)
    assert 'archive="waived by NAME"' in told.value.hint
    assert not column_exists()
    assert introspect.exists("default", names.archive_table("job_logs")) is (to == "table")
    backwards(WAIVED)
    assert [job.logs["stdout"] for job in Job.objects.order_by("pk")[:2]] == [[LINE.format(n, n)] for n in range(2)]


def test_file_that_is_not_there_restores_nothing(binding: Binding, tmp_path: Path) -> None:
    forwards(taken("file"), DROP)
    (file,) = tmp_path.iterdir()
    away = file.rename(tmp_path / "away")
    with pytest.raises(Exception, match=r"(?m)^The archive .* cannot be used: No such file or directory\.$"):
        backwards(DROP)
    assert not column_exists()
    away.rename(file)
    backwards(DROP)
    assert column_exists()


class Killed(Exception):
    pass


@pytest.mark.parametrize("to", PLACES)
def test_archive_that_was_killed_goes_on_where_it_was(
    to: str, binding: Binding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt: list[int] = []

    class Mortal(archive.Pace):  # type: ignore[name-defined, misc]
        def learn(self, *, parents: int, **_: Any) -> None:
            learnt.append(parents)
            if len(learnt) == 1:
                raise Killed

    monkeypatch.setattr(archive, "Pace", Mortal)
    with pytest.raises(Killed):
        forwards(taken(to))
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes() + b"what was written and is in no manifest")
    before = documents(binding)
    forwards(taken(to))
    forwards(taken(to))
    assert learnt == [3, 3, 1]
    forwards(DROP)
    backwards(DROP)
    assert documents(binding) == before


def test_directory_and_place_are_asked_for(binding: Binding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUTOVER_ARCHIVE_DIRECTORY")
    with pytest.raises(DeclarationError, match=r"^CUTOVER_ARCHIVE_DIRECTORY is not set"):
        forwards(taken("file"))
    with pytest.raises(DeclarationError, match=r"(?m)^ArchiveColumn\(to='tape'\) is no place\.$"):
        forwards(taken("tape"))
    monkeypatch.setenv("CUTOVER_ARCHIVE_DIRECTORY", "/proc/nowhere")
    with pytest.raises(Exception, match=r"^The archive /proc/nowhere/job_logs-epoch\d+-\w+\.copy\.gz cannot be used"):
        forwards(taken("file"))
