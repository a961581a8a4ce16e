"""`cutover quarantine` on the command line: what it prints, what it changes, and its exit codes."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backfilling import all_rows, execute, parent, to_the_end
from content import BESIDE
from cutover import ledger, runner
from cutover.backfill import quarantine
from cutover.cli import main
from cutover.mapping import Binding
from databases import Database
from documents import ROOT
from stages import at_phase

ODD = ["no line", "x" * 300]


def cutover(*args: object) -> Result:
    return CliRunner().invoke(main.cutover, ["quarantine", *map(str, args)])


@pytest.fixture
def binding(database: Database) -> Binding:
    """Two parents of job_logs with two odd lines each."""
    found = at_phase("job_logs", 2)
    for number in (1, 2):
        parent(found, number, {"stdout": [BESIDE[0], ODD[0], BESIDE[1], ODD[1]]})
    to_the_end(found)
    return found


def ids() -> list[int]:
    return [each.id for each in quarantine.listing("default", "job_logs", waived=True)]


def test_it_lists_each_with_its_parent_path_and_reason(binding: Binding) -> None:
    found = cutover("job_logs")
    assert found.exit_code == 0
    assert "job_logs: 4 are open, 0 are waived; 4 are listed." in found.stderr
    lines = found.stdout.splitlines()
    assert lines[1].split() == ["id", "parent", "path", "reason", "element", "waived", "by"]
    first = f"""{ids()[0]} 1 $.stdout[1] '[' is not where the template has it: 'no line'. "no line\""""
    assert lines[2].split() == first.split()
    assert lines[3].rstrip().endswith(f'"{"x" * 126}… (302 characters)')


def test_the_list_as_json_is_cut_and_says_how_much_there_is(binding: Binding) -> None:
    found = cutover("job_logs", "--json", "--limit", 2)
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert (told["open"], told["waived"], len(told["elements"])) == (4, 0, 2)
    second = told["elements"][1]
    assert {name: second[name] for name in ("stream", "parent_key", "path", "index", "characters", "waived_by")} == {
        "stream": "stdout",
        "parent_key": "1",
        "path": "$.stdout[3]",
        "index": 3,
        "characters": 302,
        "waived_by": "",
    }
    assert len(second["element"]) == 128


def test_an_empty_quarantine_is_no_error(database: Database) -> None:
    at_phase("job_logs", 2)
    found = cutover("job_logs")
    assert (found.exit_code, found.stdout) == (0, "")
    assert "job_logs: 0 are open, 0 are waived; 0 are listed." in found.stderr
    assert cutover("job_logs", "--retry").exit_code == 0


def test_one_is_shown_whole_with_what_is_around_it(binding: Binding) -> None:
    found = cutover("job_logs", "--show", ids()[1])
    assert found.exit_code == 0
    assert f'"{ODD[1]}"' in found.stdout
    assert "'[' is not where the template has it" in found.stdout
    assert f'  [2] "{BESIDE[1]}"' in found.stdout.splitlines()
    assert "> [3] " in found.stdout
    told = json.loads(cutover("job_logs", "--show", ids()[1], "--json").stdout)
    assert (told["element"], told["around"]["path"]) == (json.dumps(ODD[1]), "$.stdout[3]")
    assert [each["index"] for each in told["around"]["neighbors"]] == [1, 2, 3]


def test_a_retry_that_leaves_some_exits_7_and_says_how_many_became_rows(binding: Binding) -> None:
    mended = {"stdout": [BESIDE[0], "[2024-01-02 03:04:05] INFO mended", ODD[1]]}
    execute(None, "UPDATE jobs_job SET logs = %s::jsonb WHERE id = 1", json.dumps(mended))
    found = cutover("job_logs", "--retry", "--json")
    assert found.exit_code == 7
    assert json.loads(found.stdout) == {
        "elements": 4,
        "parents": 2,
        "visited": 2,
        "rows": 1,
        "left": 3,
        "waiting": "",
    }
    assert "4 elements of 2 parents were tried again: 1 rows were inserted, 3 stay in quarantine." in found.stderr
    assert "3 elements of job_logs still cannot become rows." in found.stderr
    assert len(all_rows(binding)) == 5


def test_a_retry_that_leaves_none_exits_0(binding: Binding) -> None:
    execute(None, "UPDATE jobs_job SET logs = %s::jsonb", json.dumps({"stdout": BESIDE}))
    assert cutover("job_logs", "--retry", *ids()).exit_code == 0
    assert ids() == []


def test_a_waiver_names_who_and_why_and_can_be_taken_back(binding: Binding) -> None:
    one, two, *_ = ids()
    found = cutover("job_logs", "--waive", one, two, "--by", "Ada", "--reason", "of the load test", "--json")
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {
        "changed": 2,
        "open": 2,
        "by": f"Ada ({runner.whoami()})",
        "reason": "of the load test",
    }
    assert "job_logs: 2 elements were waived; 2 are open." in found.stderr
    assert "2 are listed" in cutover("job_logs").stderr
    listed = cutover("job_logs", "--all")
    assert "4 are listed" in listed.stderr
    assert listed.stdout.count("Ada (") == 2
    assert "of the load test" in cutover("job_logs", "--show", one).stdout
    assert (
        "2 elements were waived; 0 are open."
        in cutover("job_logs", "--waive", "--all", "--by", "Bob", "--reason", "x").stderr
    )
    back = cutover("job_logs", "--unwaive", one, "--by", "Eve", "--reason", "of a customer")
    assert "1 elements are open again; 1 are open." in back.stderr
    last = ledger.history("default", "job_logs")[-1]
    assert (last.who, last.why) == (
        f"Eve ({runner.whoami()})",
        f"took back the waiver of 1 in quarantine ({one}): of a customer",
    )


MISUSE: list[tuple[list[Any], str]] = [
    (["--waive", 1], "--waive has no --by."),
    (["--waive", 1, "--by", " "], "--waive has no --by."),
    (["--waive", 1, "--by", "Ada"], "--waive has no --reason."),
    (["--waive", "--by", "Ada", "--reason", "x"], "--waive takes either IDs or --all."),
    (["--waive", 1, "--all", "--by", "Ada", "--reason", "x"], "--waive takes either IDs or --all."),
    (["--unwaive", "--by", "Ada", "--reason", "x"], "--unwaive takes either IDs or --all."),
    (["--waive", 4711, "--by", "Ada", "--reason", "x"], "job_logs has no element 4711 in quarantine."),
    (["--retry", 4711], "job_logs has no element 4711 in quarantine."),
    (["--show", 4711], "job_logs has no element 4711 in quarantine."),
    (["--show"], "--show takes one ID."),
    (["--show", 1, 2], "--show takes one ID."),
    (["--by", "Ada"], "--by and --reason go with --waive or --unwaive."),
]


@pytest.mark.parametrize(("args", "told"), MISUSE)
def test_what_is_not_meant_exits_2_and_changes_nothing(binding: Binding, args: list[Any], told: str) -> None:
    before = quarantine.listing("default", "job_logs", waived=True)
    found = cutover("job_logs", *args)
    assert found.exit_code == 2
    assert told in found.stderr
    assert quarantine.listing("default", "job_logs", waived=True) == before


def test_phase_5_is_refused_until_they_are_waived(binding: Binding) -> None:
    at_phase("job_logs", 4)
    refused = CliRunner().invoke(main.cutover, ["advance", "job_logs", "BACKFILL_AND_DROP", "--dry-run"])
    assert refused.exit_code == 3
    assert "4 elements are in quarantine." in refused.output
    assert "See `cutover quarantine job_logs`" in refused.output
    told = CliRunner().invoke(main.cutover, ["status", "job_logs"])
    assert "4 elements" in next(line for line in told.output.splitlines() if "quarantine" in line)
    cutover("job_logs", "--waive", "--all", "--by", "Ada", "--reason", "x")
    refused = CliRunner().invoke(main.cutover, ["advance", "job_logs", "BACKFILL_AND_DROP", "--dry-run"])
    assert "elements are in quarantine" not in refused.output


def test_the_backfill_exits_0_and_says_how_many_are_in_quarantine(binding: Binding) -> None:
    found = CliRunner().invoke(main.cutover, ["backfill", "job_logs"])
    assert found.exit_code == 0
    assert "4 are in quarantine: `cutover quarantine job_logs`." in found.stderr


def test_as_a_process_it_ends_with_the_same_code(binding: Binding) -> None:
    where = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "DJANGO_SETTINGS_MODULE": "project.settings"}
    command = [sys.executable, "-m", "cutover", "quarantine", "job_logs"]
    ended = {
        code: subprocess.run(
            [*command, *more], env=where, cwd=ROOT, check=False, capture_output=True, timeout=60
        ).returncode
        for code, more in ((0, []), (7, ["--retry"]), (2, ["--waive", "1"]))
    }
    assert ended == {0: 0, 7: 7, 2: 2}
