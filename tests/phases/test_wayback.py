"""What status says of the way back to JSON, in each phase, and that it is true."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from backfilling import to_the_end
from cutover import ledger, report, use, verify, wayback, write
from cutover.cli import main
from cutover.mapping import Binding, bind
from cutover.phase import Phase
from databases import Database
from project.shapes.models import Ticket
from stages import at_phase, step

pytestmark = pytest.mark.usefixtures("database")
HISTORY = use("ticket_history")


def looked(name: str = "ticket_history") -> wayback.WayBack:
    binding = bind(name)
    return report.gather(binding).back


def standing(phase: Phase, alone: int = 0, parents: int = 1) -> Binding:
    """At the phase, everything backfilled and verified; then so many rows for each parent that JSON does not know."""
    made = [Ticket.objects.create(history={"changes": {"items": [["state", 0]]}}) for _ in range(parents)]
    binding = at_phase("ticket_history", min(phase, Phase.DUAL_WRITE))
    if phase >= Phase.DUAL_WRITE:
        to_the_end(binding)
    at_phase("ticket_history", phase)
    for ticket in made:
        for number in range(alone):
            HISTORY.append(ticket, field="alone", amount=number)
    return binding


@pytest.mark.parametrize("phase", [Phase.NOT_STARTED, Phase.ADD_TABLE, Phase.DUAL_WRITE, Phase.PROPERTY_SHIM])
def test_before_json_stops_being_written_the_way_back_is_lossless(phase: Phase) -> None:
    standing(phase, alone=2)
    found = looked()
    assert (found.lossless, found.alone.rows, found.commands) == (True, 0, [])
    assert found.to == (None if phase is Phase.NOT_STARTED else phase - 1)


@pytest.mark.parametrize("phase", [Phase.STOP_JSON_WRITES, Phase.BACKFILL_AND_DROP])
def test_rows_that_json_lacks_are_counted_and_the_commands_bring_them_back(phase: Phase) -> None:
    binding = standing(phase, alone=3, parents=2)
    found = looked()
    assert (found.lossless, found.alone) == (False, verify.Alone(6, 2))
    assert found.fact == "6 rows (parents: 2) have no JSON element; a reader of JSON would miss them."
    back = [f"cutover rollback ticket_history {Phase(n).name}" for n in range(phase - 1, 2, -1)]
    assert found.commands == [
        *back,
        "cutover verify ticket_history --rehydrate --yes",
        "cutover verify ticket_history",
    ]
    for command in found.commands:
        words = command.split()[1:]
        done = CliRunner().invoke(main.cutover, words)
        assert done.exit_code == 0, (command, done.output)
    assert looked().lossless is True
    assert ledger.read("default", "ticket_history").phase is Phase.PROPERTY_SHIM
    assert binding.name == "ticket_history"


def test_what_a_replace_took_out_of_json_is_not_said_to_be_there() -> None:
    binding = standing(Phase.STOP_JSON_WRITES)
    ticket = Ticket.objects.get()
    write.replace(binding, ticket.pk, "items", [["state", 0]])
    assert looked().lossless is None
    at_phase("ticket_history", Phase.PROPERTY_SHIM)
    found = looked()
    assert found.lossless is None
    assert found.commands == ["cutover verify ticket_history"]
    list(verify.run(binding))
    found = looked()
    assert (found.lossless, found.commands) == (
        False,
        ["cutover verify ticket_history --repair --yes", "cutover verify ticket_history"],
    )
    list(verify.repair(binding, apply=True))
    list(verify.run(binding))
    assert looked().lossless is True


def test_a_foreign_write_makes_it_unknown_until_somebody_has_looked(connect: Any) -> None:
    binding = standing(Phase.PROPERTY_SHIM)
    connect().execute("UPDATE shapes_ticket SET history = '{}'")
    found = looked()
    assert found.lossless is None
    assert "No verification began after the foreign write" in found.fact
    list(verify.run(binding))
    assert looked().lossless is False


def test_more_than_a_second_of_counting_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, connect: Any) -> None:
    standing(Phase.STOP_JSON_WRITES, alone=1)
    blocker = connect(autocommit=False)
    blocker.execute("LOCK TABLE shapes_change IN ACCESS EXCLUSIVE MODE")
    found = wayback.look(bind("ticket_history"), ledger.read("default", "ticket_history"))
    blocker.rollback()
    assert (found.lossless, found.alone.exact) == (None, False)
    assert found.fact == "It could not be told within 1 s whether rows lack their JSON elements."


def test_once_the_column_is_gone_the_archive_says_whether_it_comes_back_whole(connect: Any) -> None:
    binding = standing(Phase.BACKFILL_AND_DROP)
    connect().execute("ALTER TABLE shapes_ticket DROP COLUMN history CASCADE")
    ledger.set_dropped("default", "ticket_history", True)
    found = wayback.look(binding, ledger.read("default", "ticket_history"))
    assert (found.to, found.lossless) == (None, False)
    assert "there is no archive" in found.fact


def test_status_says_it(database: Database) -> None:
    standing(Phase.STOP_JSON_WRITES, alone=2)
    told = CliRunner().invoke(main.cutover, ["status", "ticket_history"])
    assert told.exit_code == 0, told.output
    assert "  to JSON    NOT LOSSLESS: 2 rows (parents: 1) have no JSON element" in told.output
    assert "             cutover verify ticket_history --rehydrate --yes" in told.output
    said = json.loads(CliRunner().invoke(main.cutover, ["status", "ticket_history", "--json"]).stdout)["back"]
    assert said["to"] == "PROPERTY_SHIM"
    assert (said["lossless"], said["rows_without_json"], said["parents_without_json"]) == (False, 2, 1)


def test_a_phase_that_has_not_settled_is_no_reason_to_say_nothing() -> None:
    binding = standing(Phase.STOP_JSON_WRITES, alone=1)
    step(binding, ledger.read("default", "ticket_history"), Phase.PROPERTY_SHIM, settled=False)
    assert looked().alone.rows == 1
