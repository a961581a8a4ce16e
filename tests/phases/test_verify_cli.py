"""`--repair` and `--rehydrate` on the command line: they say first, do with `--yes`, and their exit code says what is left."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bothsides import Pair, kinds, parent, verified, visited
from cutover import verify
from cutover.cli import main as cli
from databases import Database
from stages import at_phase


def cutover(*args: object) -> Result:
    return CliRunner().invoke(cli.cutover, [str(each) for each in args])


@pytest.fixture
def pair(database: Database) -> Pair:
    """Two elements without rows."""
    binding = at_phase("account_tags", 2)
    visited(binding)
    made = parent(binding)
    made.write_json([made.element(1), "x" * 300])
    return made


@pytest.fixture
def alone(database: Database) -> Pair:
    """Two rows without elements, back from phase 4."""
    binding = at_phase("account_tags", 4)
    visited(binding)
    made = parent(binding)
    made.add_row("red", 100)
    made.add_row("blue", 102)
    at_phase("account_tags", 3)
    return made


def test_a_repair_says_first_and_does_with_yes(pair: Pair) -> None:
    told = cutover("verify", "account_tags", "--repair")
    assert told.exit_code == 0
    assert told.stdout.splitlines() == [
        "Would be done",
        f"missing_in_table account 1 tags colour  {'x' * 127}…  ->  insert its row",
        "missing_in_table account 1 tags colour  tag 1  ->  insert its row",
    ]
    assert "Nothing was changed. `cutover verify account_tags --repair --yes` does it." in told.stderr
    assert pair.rows() == []
    told = cutover("verify", "account_tags", "--repair", "--yes")
    assert (told.exit_code, told.stdout.splitlines()[0]) == (0, "Done")
    assert len(pair.rows()) == 2
    assert cutover("verify", "account_tags").exit_code == 0
    told = cutover("verify", "account_tags", "--repair")
    assert told.stdout.splitlines() == ["Would be done", "nothing: the two sides agree"]


def test_a_repair_is_one_json_document(pair: Pair) -> None:
    planned: list[dict[str, Any]] = json.loads(cutover("verify", "account_tags", "--repair", "--json").stdout)
    assert [(each["kind"], each["done"]) for each in planned] == [("missing_in_table", False)] * 2
    done = json.loads(cutover("verify", "account_tags", "--repair", "--yes", "--json").stdout)
    assert [each["done"] for each in done] == [True, True]
    assert json.loads(cutover("verify", "account_tags", "--repair", "--yes", "--json").stdout) == []


def test_what_a_repair_leaves_alone_makes_it_end_with_6(pair: Pair) -> None:
    pair.write_document({"tags": {"colour": "no list"}})
    told = cutover("verify", "account_tags", "--repair", "--yes")
    assert told.exit_code == 6
    assert "left alone: mend the element, or waive it by name" in told.stdout
    assert "1 differences were left alone." in told.stderr


def test_a_rehydration_says_first_and_does_with_yes(alone: Pair) -> None:
    told = cutover("verify", "account_tags", "--rehydrate")
    assert told.exit_code == 0
    assert told.stdout == "2 elements would be written back to JSON, for which 1 documents would be changed.\n"
    assert "Nothing was changed. `cutover verify account_tags --rehydrate --yes` does it." in told.stderr
    assert (alone.listed(), verify.rehydrated(alone.binding)) == ([], 2)
    told = cutover("verify", "account_tags", "--rehydrate", "--yes")
    assert (told.exit_code, told.stdout) == (
        0,
        "2 elements were written back to JSON, for which 1 documents were changed.\n",
    )
    assert alone.listed() == ["red", "blue"]
    assert kinds(verified(alone.binding)) == {}
    done = json.loads(cutover("verify", "account_tags", "--rehydrate", "--yes", "--json").stdout)
    assert done == {"parents": 0, "rows": 0, "left": 0, "done": True, "applied": True}


@pytest.mark.parametrize("yes", [(), ("--yes",)])
def test_rows_that_json_cannot_hold_make_it_end_with_6(yes: tuple[str, ...], alone: Pair) -> None:
    alone.write_document({"tags": {"colour": "no list"}})
    told = cutover("verify", "account_tags", "--rehydrate", *yes)
    assert told.exit_code == 6
    assert "JSON cannot hold 2 rows" in told.stderr
    assert alone.document() == {"tags": {"colour": "no list"}}
