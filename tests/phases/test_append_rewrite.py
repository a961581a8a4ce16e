"""What JSON and rows hold after replace and clear, in every phase and for every shape of document."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from cutover import lease, ledger, snapshot
from cutover.errors import DeclarationError, NotEncodable, ParentMissing
from cutover.facade import use
from cutover.mapping import Binding, bind
from cutover.pairing import token
from cutover.phase import Phase
from cutover.write import append, clear, extend, replace
from databases import Database
from project.jobs.models import Job, JobLog
from project.shapes.models import Account, Change, Device, Event, Tag, Ticket
from stages import at_phase

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
EVERY = range(6)


def stored(table: str, column: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column}::text FROM {table}")  # noqa: S608
        (text,) = cursor.fetchone()
    return None if text is None else json.loads(text)


def sides_agree(binding: Binding, key: Any) -> None:
    """Every list holds what its rows say, in their order."""
    sides = snapshot.take(binding, [key])[key]
    for stream in binding.streams:
        for each in snapshot.lists(stream, sides, sides.document()).values():
            assert not each.pairing.missing, stream.name
            assert not each.pairing.surplus, stream.name
            rows = (
                list(dict.fromkeys(map(token, each.row_elements)))
                if stream.distinct
                else list(map(token, each.row_elements))
            )
            assert [token(element) for element in each.elements] == rows


def backfilled(name: str) -> None:
    ledger.set_backfilled("default", name, True)
    lease.forget()


def line(message: str, level: str = "INFO") -> dict[str, Any]:
    return {"level": level, "message": message, "created_at": NOON}


def out(*messages: str) -> list[str]:
    return [f"[2026-01-02 12:00:00] {message}" for message in messages]


@pytest.mark.parametrize("phase", EVERY)
def test_list_is_replaced_on_both_sides(database: Database, phase: int) -> None:
    ticket = Ticket.objects.create(history={"open": True})
    binding = at_phase("ticket_history", phase)
    extend(binding, ticket.pk, [{"field": "a", "amount": 1}, {"field": "b", "amount": 2}, {"field": "c", "amount": 3}])
    pks = dict(Change.objects.values_list("field", "pk"))
    replace(binding, ticket.pk, "items", [["c", 3], ["new", None], ["a", 1], ["a", 1]])
    expected: dict[str, Any] = {"open": True}
    if phase <= 3:
        expected["changes"] = {"items": [["c", 3], ["new", None], ["a", 1], ["a", 1]]}
    assert stored("shapes_ticket", "history") == expected
    changes = list(Change.objects.order_by("position"))
    assert [change.field for change in changes] == ([] if phase < 2 else ["c", "new", "a", "a"])
    assert {change.pk for change in changes} & set(pks.values()) == ({pks["c"], pks["a"]} if phase >= 2 else set())
    if phase in (2, 3):
        sides_agree(binding, ticket.pk)
        append(binding, ticket.pk, {"field": "last", "amount": 0})
        sides_agree(binding, ticket.pk)


@pytest.mark.parametrize("phase", EVERY)
def test_list_is_cleared_and_the_rest_of_the_document_stays(database: Database, phase: int) -> None:
    ticket = Ticket.objects.create(history={"open": 1.50, "changes": {"items": [["old", 1]], "by": "me"}})
    binding = at_phase("ticket_history", phase)
    append(binding, ticket.pk, {"field": "a", "amount": 1})
    clear(binding, ticket.pk, "items")
    assert stored("shapes_ticket", "history") == {"open": 1.5, "changes": {"items": [], "by": "me"}}
    assert Change.objects.count() == 0


@pytest.mark.parametrize("phase", EVERY)
def test_clearing_what_is_not_there_changes_nothing(database: Database, phase: int) -> None:
    ticket = Ticket.objects.create(history=None)
    clear(at_phase("ticket_history", phase), ticket.pk)
    assert stored("shapes_ticket", "history") is None


@pytest.mark.parametrize("phase", [4, 5])
def test_frozen_list_does_not_come_back_after_a_replace(database: Database, phase: int) -> None:
    ticket = Ticket.objects.create(history={"changes": {"items": [["old", 1], ["kept", 2]]}})
    binding = at_phase("ticket_history", phase)
    replace(binding, ticket.pk, "items", [["kept", 2], ["new", 3]])
    assert stored("shapes_ticket", "history") == {"changes": {"items": []}}
    assert [change.field for change in Change.objects.order_by("position")] == ["kept", "new"]


def test_column_that_was_dropped_is_not_named(database: Database, connect: Any) -> None:
    ticket = Ticket.objects.create(history={"changes": {"items": [["old", 1]]}})
    binding = at_phase("ticket_history", 5)
    backfilled("ticket_history")
    connect().execute("ALTER TABLE shapes_ticket DROP COLUMN history CASCADE")
    ledger.set_dropped("default", "ticket_history", True)
    lease.forget()
    replace(binding, ticket.pk, "items", [["new", 3]])
    clear(binding, ticket.pk)
    assert Change.objects.count() == 0


@pytest.mark.parametrize("phase", [2, 3, 4, 5])
def test_rewriting_is_refused_where_it_is_not_declared_and_the_backfill_not_complete(
    database: Database, phase: int
) -> None:
    job = Job.objects.create()
    binding = at_phase("job_logs", phase)
    for rewrite in (lambda: clear(binding, job.pk), lambda: replace(binding, job.pk, "stdout", [])):
        with pytest.raises(DeclarationError) as refused:
            rewrite()
        assert str(refused.value) == (
            f"job_logs is at {Phase(phase).name} and not yet backfilled; its lists cannot be replaced or cleared."
        )
        assert refused.value.hint == "Declare `rewrites = True` on JobLogs, or complete the backfill first."
    backfilled("job_logs")
    clear(binding, job.pk)


@pytest.mark.parametrize("phase", [2, 3])
def test_row_that_goes_leaves_every_list_that_shows_it(database: Database, phase: int) -> None:
    job = Job.objects.create()
    binding = at_phase("job_logs", phase)
    backfilled("job_logs")
    extend(binding, job.pk, [line("a"), line("boom", "ERROR"), line("late", "ERROR")])
    replace(binding, job.pk, "stdout", out("ERROR late", "INFO a"))
    assert stored("jobs_job", "logs") == {"stdout": out("ERROR late", "INFO a"), "stderr": ["late"]}
    sides_agree(binding, job.pk)
    clear(binding, job.pk, "stderr")
    assert stored("jobs_job", "logs") == {"stdout": out("INFO a"), "stderr": []}
    sides_agree(binding, job.pk)


@pytest.mark.parametrize("phase", [2, 3])
def test_rows_that_are_new_or_move_come_to_the_newest_end_of_the_other_lists(database: Database, phase: int) -> None:
    job = Job.objects.create()
    binding = at_phase("job_logs", phase)
    backfilled("job_logs")
    extend(binding, job.pk, [line("a", "ERROR"), line("b", "ERROR"), line("c")])
    replace(binding, job.pk, "stdout", out("ERROR new", "ERROR a", "INFO c", "ERROR b"))
    assert stored("jobs_job", "logs") == {
        "stdout": out("ERROR new", "ERROR a", "INFO c", "ERROR b"),
        "stderr": ["new", "a", "b"],
    }
    sides_agree(binding, job.pk)


def test_element_of_a_secondary_stream_becomes_a_row_with_its_fill(database: Database) -> None:
    job = Job.objects.create()
    binding = at_phase("job_logs", 2)
    backfilled("job_logs")
    replace(binding, job.pk, "stderr", ["alone"])
    assert list(JobLog.objects.values_list("level", "created_at", "message")) == [("ERROR", None, "alone")]
    assert stored("jobs_job", "logs") == {"stdout": [], "stderr": ["alone"]}


def test_list_in_json_is_cut_at_its_cap_and_the_table_is_not(database: Database) -> None:
    job = Job.objects.create()
    binding = at_phase("job_logs", 2)
    backfilled("job_logs")
    lines = out(*(f"INFO {number}" for number in range(1001)))
    replace(binding, job.pk, "stdout", lines)
    assert stored("jobs_job", "logs")["stdout"] == lines[:1000]
    assert JobLog.objects.count() == 1001


@pytest.mark.parametrize("phase", EVERY)
def test_replaced_element_that_is_no_row_is_refused_and_nothing_is_written(database: Database, phase: int) -> None:
    ticket = Ticket.objects.create(history={"changes": {"items": []}})
    binding = at_phase("ticket_history", phase)
    for block in (transaction.atomic, pytest.MonkeyPatch.context):
        with block(), pytest.raises(NotEncodable):
            replace(binding, ticket.pk, "items", [["a", 1], ["a", "one"]])
        assert Change.objects.count() == 0
        assert stored("shapes_ticket", "history") == {"changes": {"items": []}}


@pytest.mark.parametrize("phase", [0, 1, 2, 3])
def test_element_that_does_not_decode_may_stay_where_it_is(database: Database, phase: int) -> None:
    ticket = Ticket.objects.create(history={"changes": {"items": [["odd", "text"], ["a", 1]]}})
    binding = at_phase("ticket_history", phase)
    replace(binding, ticket.pk, "items", [["odd", "text"], ["b", 2]])
    assert stored("shapes_ticket", "history") == {"changes": {"items": [["odd", "text"], ["b", 2]]}}
    assert [change.field for change in Change.objects.all()] == ([] if phase < 2 else ["b"])


@pytest.mark.parametrize("phase", EVERY)
@pytest.mark.parametrize("document", [{"changes": "text"}, {"changes": {"items": "text"}}, [1]])
def test_document_without_a_place_is_refused(database: Database, phase: int, document: Any) -> None:
    ticket = Ticket.objects.create(history=document)
    binding = at_phase("ticket_history", phase)
    with pytest.raises(NotEncodable) as refused:
        replace(binding, ticket.pk, "items", [["a", 1]])
    assert str(refused.value) == (
        f"history.changes.items of shapes.Ticket {ticket.pk} has no place for a list; nothing was written."
    )
    assert stored("shapes_ticket", "history") == document


@pytest.mark.parametrize("phase", [0, 1, 2, 3])
def test_text_that_is_no_json_is_refused(database: Database, phase: int, connect: Any) -> None:
    ticket = Ticket.objects.create()
    binding = at_phase("ticket_history", phase)
    connect().execute("UPDATE shapes_ticket SET history = '{broken'")
    with pytest.raises(NotEncodable, match="is no JSON"):
        clear(binding, ticket.pk)


@pytest.mark.parametrize("phase", EVERY)
def test_missing_parent_is_told(database: Database, phase: int) -> None:
    with pytest.raises(ParentMissing):
        clear(at_phase("ticket_history", phase), 404)


@pytest.mark.parametrize("phase", [0, 1])
def test_lists_under_keys_are_replaced_and_cleared_by_key(database: Database, phase: int) -> None:
    Account.objects.create(code="a", profile={"tags": {"color": ["red"], "size": ["L"]}})
    at_phase("account_tags", phase)
    tags = use("account_tags")
    tags.replace("a", tags={"color": ["blue"], "mood": ["good"]})
    assert stored("shapes_account", "profile") == {"tags": {"color": ["blue"], "size": ["L"], "mood": ["good"]}}
    clear(bind("account_tags"), "a", "tags")
    assert stored("shapes_account", "profile") == {"tags": {"color": [], "size": [], "mood": []}}


def test_lists_under_keys_are_replaced_in_dual_write(database: Database) -> None:
    Account.objects.create(code="a", profile={"tags": {"size": []}})
    binding = at_phase("account_tags", 2)
    backfilled("account_tags")
    extend(binding, "a", [{"kind": "color", "value": "red"}, {"kind": "size", "value": "L"}])
    replace(binding, "a", "tags", ["blue", "red"], key="color")
    assert stored("shapes_account", "profile") == {"tags": {"color": ["blue", "red"], "size": ["L"]}}
    assert list(Tag.objects.order_by("kind", "position").values_list("value", flat=True)) == ["blue", "red", "L"]
    sides_agree(binding, "a")
    clear(binding, "a")
    assert stored("shapes_account", "profile") == {"tags": {"color": [], "size": []}}
    assert Tag.objects.count() == 0


def test_key_is_asked_for_and_refused(database: Database) -> None:
    with pytest.raises(DeclarationError, match=r"account_tags\.tags needs a key"):
        replace(bind("account_tags"), "a", "tags", [])
    with pytest.raises(DeclarationError, match=r"ticket_history\.items has a fixed path"):
        replace(bind("ticket_history"), 1, "items", [], key="x")
    with pytest.raises(DeclarationError, match="ticket_history has no stream 'nope'"):
        clear(bind("ticket_history"), 1, "nope")


def test_root_list_is_replaced(database: Database) -> None:
    device = Device.objects.create()
    binding = at_phase("device_events", 2)
    backfilled("device_events")
    append(binding, device.pk, {"kind": "on", "count": 1})
    replace(binding, device.pk, "events", [{"kind": "on", "count": 1}, {"kind": "off", "x": [1.5, None]}])
    assert stored("shapes_device", "events") == [{"kind": "on", "count": 1}, {"kind": "off", "x": [1.5, None]}]
    assert [event.extra for event in Event.objects.order_by("position")] == [{}, {"x": [1.5, None]}]
    sides_agree(binding, device.pk)


def test_facade_clears_and_replaces_in_one_transaction(database: Database) -> None:
    job = Job.objects.create(logs={"stdout": out("INFO a"), "stderr": ["b"]})
    at_phase("job_logs", 1)
    logs = use("job_logs")
    with pytest.raises(NotEncodable):
        logs.replace(job, stderr=["c"], stdout=["no line"])
    assert stored("jobs_job", "logs") == {"stdout": out("INFO a"), "stderr": ["b"]}
    logs.replace(job, stderr=["c"], stdout=[])
    logs.append(job, **line("x"))
    assert stored("jobs_job", "logs") == {"stdout": out("INFO x"), "stderr": ["c"]}
    logs.clear(job)
    assert stored("jobs_job", "logs") == {"stdout": [], "stderr": []}
