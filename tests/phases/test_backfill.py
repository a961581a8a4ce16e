"""The backfill alone: what becomes a row, in which order, and what goes into quarantine instead."""

import json
from typing import Any

import pytest

from backfilling import EXAMPLES, all_rows, elements, execute, parent, to_the_end
from cutover import backfill, ledger
from cutover.backfill import difference, dirty, finish, lease, plan, quarantine, work
from cutover.chunk import Pace
from cutover.errors import Refused
from databases import Database
from stages import at_phase, move_only


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("path", ["sql", "python"])
def test_every_shape_becomes_rows_and_a_second_run_adds_none(
    database: Database, monkeypatch: pytest.MonkeyPatch, name: str, path: str
) -> None:
    binding = at_phase(name, 2)
    if path == "python":
        monkeypatch.setattr(difference, "compiles", lambda binding: False)
    made = [parent(binding, number, EXAMPLES[name]) for number in range(1, 251)]
    parent(binding, 251, [] if name == "device_events" else None)
    parent(binding, 252, [] if name == "device_events" else {})
    told = to_the_end(binding)
    assert (told.parents, told.quarantined) == (252, 0)
    before = all_rows(binding)
    if name == "job_logs":
        assert elements(binding, made[9]) == EXAMPLES[name]["stdout"][::-1]  # type: ignore[call-overload]
    elif name == "account_tags":
        assert elements(binding, made[9], where="kind = 'color'") == ["red", "blue", "red"]
        assert elements(binding, made[9], where="kind = 'size'") == ["xl"]
    else:
        listed = EXAMPLES[name] if name == "device_events" else EXAMPLES[name]["changes"]["items"]  # type: ignore[call-overload]
        assert elements(binding, made[9]) == listed
    assert backfill.why_incomplete(binding) == []
    backfill.reset(binding)
    assert backfill.why_incomplete(binding) == [f"The backfill of {name} has not begun."]
    to_the_end(binding)
    assert all_rows(binding) == before


def test_what_a_look_has_found_is_visited_whole_however_little_a_chunk_takes(database: Database) -> None:
    binding = at_phase("device_events", 2)
    found = [str(parent(binding, number, [{"kind": "a", "count": n} for n in range(10)])) for number in range(1, 6)]
    plan.make(binding)
    lane = lease.take(binding, "one", lane=True)
    assert lane is not None
    job = work.Job(binding, "one", Pace(most_elements=10), lambda: False, None)
    told = list(finish.revisited(work.Held(job, lane), dirty.suspects(found)))
    job.post.leave()
    assert [each.chunk_parents for each in told if each.chunk_parents] == [1] * 5
    assert len(all_rows(binding)) == 50


def test_history_gets_no_time_but_its_own(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    parent(binding, 1, {"stdout": ["[2001-02-03 04:05:06] INFO old"], "stderr": ["alone"]})
    to_the_end(binding)
    assert execute(None, "SELECT created_at::text, level, message FROM jobs_joblog ORDER BY id") == [
        ("2001-02-03 04:05:06+00", "INFO", "old"),
        (None, "ERROR", "alone"),
    ]


def test_equal_elements_are_as_many_rows(database: Database) -> None:
    binding = at_phase("ticket_history", 2)
    one = parent(binding, 1, {"changes": {"items": [["a", 1]] * 3 + [["b", 2]] + [["a", 1]]}})
    to_the_end(binding)
    assert elements(binding, one) == [["a", 1], ["a", 1], ["a", 1], ["b", 2], ["a", 1]]


def test_live_rows_stay_behind_their_history(database: Database) -> None:
    binding = at_phase("device_events", 2)
    one = parent(binding, 1, [{"kind": kind} for kind in "abcabx"])
    for position, kind in ((11, "b"), (13, "x"), (14, "b")):  # the last one was written without JSON
        execute(
            None,
            "INSERT INTO shapes_event (device_id, position, kind, extra) VALUES (%s, %s, %s, '{}')",
            one,
            position,
            kind,
        )
    to_the_end(binding)
    assert [each["kind"] for each in elements(binding, one)] == [*"abcabx", "b"]


def test_a_row_written_without_json_stands_for_no_element(database: Database) -> None:
    binding = at_phase("device_events", 4)
    one = parent(binding, 1, [{"kind": "a"}])
    execute(None, "INSERT INTO shapes_event (device_id, position, kind, extra) VALUES (%s, 10, 'a', '{}')", one)
    to_the_end(binding)
    assert len(elements(binding, one)) == 2


def test_what_does_not_decode_is_quarantined_with_its_reason(database: Database) -> None:
    binding = at_phase("device_events", 2)
    bad = [{"kind": 5}, "text", None, {"kind": "x" * 21}, {"kind": 5}]
    one = parent(binding, 1, [{"kind": "a"}, *bad, {"kind": "b"}])
    assert to_the_end(binding).quarantined == 5
    assert [each["kind"] for each in elements(binding, one)] == ["a", "b"]
    held = quarantine.listing("default", "device_events")
    assert sorted(each.element for each in held) == sorted(json.dumps(each) for each in bad)
    assert all(each.reason and each.parent_key == str(one) and each.stream == "events" for each in held)
    assert sorted(each.occurrence for each in held if each.element == '{"kind": 5}') == [1, 2]
    assert backfill.why_incomplete(binding) == []


def test_mended_elements_leave_the_quarantine_and_waived_ones_stay_waived(database: Database) -> None:
    binding = at_phase("device_events", 2)
    one = parent(binding, 1, [{"kind": 5}, {"kind": 6}])
    to_the_end(binding)
    assert quarantine.waive("default", "device_events", who="ann") == 2
    assert quarantine.open_count("default", "device_events") == 0
    execute(None, "UPDATE shapes_device SET events = %s::jsonb", json.dumps([{"kind": "five"}, {"kind": 6}]))
    backfill.reset(binding)
    to_the_end(binding)
    assert [(each.element, each.waived_by) for each in quarantine.listing("default", "device_events", waived=True)] == [
        ('{"kind": 6}', "ann")
    ]
    assert elements(binding, one) == [{"kind": "five"}]


MALFORMED: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("job_logs", {"stdout": "a line", "stderr": 5}, [("stderr", "5"), ("stdout", '"a line"')]),
    ("job_logs", '{"stdout": []}', [("", '"{\\"stdout\\": []}"')]),  # encoded twice
    ("device_events", {"kind": "a"}, [("events", '{"kind": "a"}')]),
    ("account_tags", {"tags": ["red"]}, [("tags", '["red"]')]),
    ("account_tags", {"tags": {"color": "red", "size": ["xl"]}}, [("tags", '"red"')]),
    ("account_tags", {"tags": {"a": [5], "b": [5]}}, [("tags", "5"), ("tags", "5")]),
    ("ticket_history", {"changes": []}, [("items", "[]")]),
    ("ticket_history", [["a", 1]], [("", '[["a", 1]]')]),
]


@pytest.mark.parametrize("path", ["sql", "python"])
@pytest.mark.parametrize(("name", "document", "held"), MALFORMED)
def test_documents_without_a_list_are_quarantined_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch, name: str, document: object, held: Any, path: str
) -> None:
    binding = at_phase(name, 2)
    if path == "python":
        monkeypatch.setattr(difference, "compiles", lambda binding: False)
    parent(binding, 1, document)
    to_the_end(binding)
    found = quarantine.listing("default", name)
    assert sorted((each.stream, each.element) for each in found) == held
    assert backfill.why_incomplete(binding) == []


def test_text_that_is_no_json_is_quarantined_and_its_neighbours_are_not(database: Database) -> None:
    binding = at_phase("ticket_history", 2)
    parent(binding, 1, '{"changes": {"items": [["a", 1', text=True)
    two = parent(binding, 2, {"changes": {"items": [["b", 2]]}})
    to_the_end(binding)
    assert elements(binding, two) == [["b", 2]]
    (held,) = quarantine.listing("default", "ticket_history")
    assert (held.stream, held.parent_key, held.element) == ("", "1", '{"changes": {"items": [["a", 1')
    assert held.reason.startswith("The document is no JSON: ")
    assert backfill.why_incomplete(binding) == []


def test_json_that_jsonb_cannot_hold_loses_only_the_elements_that_are_broken(database: Database) -> None:
    binding = at_phase("ticket_history", 2)
    broken = '["nul\\u0000", 1], ["lone\\ud800", 2], ["nan", NaN], ["big", ' + "9" * 5000 + '], ["e", 1e2]'
    one = parent(binding, 1, f'{{"changes": {{"items": [["a", 1], {broken}, ["b", 2]]}}}}', text=True)
    to_the_end(binding)
    assert elements(binding, one) == [["a", 1], ["b", 2]]
    assert quarantine.open_count("default", "ticket_history") == 5
    assert backfill.why_incomplete(binding) == []


@pytest.mark.parametrize("path", ["sql", "python"])
def test_elements_too_deep_for_python_are_quarantined(
    database: Database, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    binding = at_phase("ticket_history", 2)
    if path == "python":
        monkeypatch.setattr(difference, "compiles", lambda binding: False)
    deep = "[" * 3000 + "]" * 3000
    parent(binding, 1, f'{{"changes": {{"items": [["a", 1], {deep}]}}}}', text=True)
    two = parent(binding, 2, {"changes": {"items": [["b", 2]]}})
    assert to_the_end(binding).quarantined == 1
    assert elements(binding, two) == [["b", 2]]
    assert backfill.why_incomplete(binding) == []


def test_parent_with_a_hundred_thousand_elements_is_one_chunk(database: Database) -> None:
    binding = at_phase("ticket_history", 2)
    one = parent(binding, 1, {"changes": {"items": [[f"f{number % 1000}", number // 3] for number in range(100_000)]}})
    parent(binding, 2, {"changes": {"items": [["a", 1]]}})
    assert [each.chunk_parents for each in backfill.run(binding)][:2] == [1, 1]
    assert len(elements(binding, one)) == 100_000
    assert elements(binding, one)[-1] == ["f999", 33_333]


def test_it_does_not_run_before_rows_are_written(database: Database) -> None:
    binding = at_phase("job_logs", 1)
    with pytest.raises(Refused) as refused:
        next(backfill.run(binding))
    assert str(refused.value) == "job_logs is at ADD_TABLE; the backfill runs from DUAL_WRITE on."
    assert refused.value.hint == "Run `cutover advance job_logs DUAL_WRITE`."


def test_it_waits_while_a_move_has_not_settled_and_says_so(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    parent(binding, 1, {"stdout": ["[2001-02-03 04:05:06] INFO old"]})
    entry = move_only("job_logs", 3)
    told = backfill.run(binding)
    for _ in range(3):
        assert next(told).waiting == "job_logs is at PROPERTY_SHIM, which has not settled."
    assert backfill.status(binding).waiting == ["job_logs is at PROPERTY_SHIM, which has not settled."]
    assert all_rows(binding) == []
    ledger.settle("default", entry)
    assert [each.finished for each in told if not each.waiting][-1]
    assert len(all_rows(binding)) == 1


def test_a_pause_from_another_terminal_holds_it_between_two_chunks(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    for number in range(1, 201):
        parent(binding, number, EXAMPLES["job_logs"])
    told = backfill.run(binding)
    assert next(told).parents == 100
    ledger.pause("default", "job_logs", True)
    assert next(told).waiting == "job_logs is paused."
    assert next(told).parents == 100
    ledger.pause("default", "job_logs", False)
    assert list(told)[-1].parents == 200


def test_stop_ends_it_between_two_chunks_and_the_next_run_goes_on(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    for number in range(1, 201):
        parent(binding, number, EXAMPLES["job_logs"])
    seen: list[int] = []
    for each in backfill.run(binding, stop=lambda: bool(seen)):
        seen.append(each.parents)
    assert seen == [100]
    assert backfill.status(binding).workers == []
    assert backfill.why_incomplete(binding)[0] == "1 of 1 segments of job_logs are not done."
    assert to_the_end(binding).parents == 200


def test_a_reason_of_the_project_holds_it(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    reasons = iter(["The night shift is over.", None])
    told = backfill.run(binding, hold=lambda: next(reasons, None))
    assert next(told).waiting == "The night shift is over."
    assert list(told)[-1].finished


def test_the_last_look_finds_what_the_cursor_passed(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    one = parent(binding, 1, EXAMPLES["job_logs"])
    to_the_end(binding)
    execute(None, "DELETE FROM jobs_joblog WHERE message = 'a'")
    assert backfill.why_incomplete(binding) == ["Job 1 has elements of job_logs without a row: 1 in stdout."]
    to_the_end(binding)
    assert backfill.why_incomplete(binding) == []
    assert [each.split()[-1] for each in elements(binding, one)] == ["a", "b"]


def test_dirty_parents_are_visited_by_their_own_marks(database: Database) -> None:
    binding = at_phase("job_logs", 2)
    parent(binding, 1, {"stdout": []})
    to_the_end(binding)
    execute(None, "UPDATE jobs_job SET logs = %s::jsonb", json.dumps(EXAMPLES["job_logs"]))
    execute(
        None,
        "INSERT INTO cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at)"
        " VALUES ('job_logs', '77', 'UPDATE', '', '', 2, now())",  # no parent any more
    )
    assert backfill.why_incomplete(binding) == ["2 foreign writes to job_logs wait for a visit of their parents."]
    to_the_end(binding)
    assert len(all_rows(binding)) == 2
    assert backfill.why_incomplete(binding) == []


def test_the_json_column_and_the_parent_row_are_never_written(database: Database) -> None:
    binding = at_phase("ticket_history", 2)
    parent(binding, 1, EXAMPLES["ticket_history"])
    before = execute(None, "SELECT xmin::text, ctid::text, history FROM shapes_ticket")
    to_the_end(binding)
    assert execute(None, "SELECT xmin::text, ctid::text, history FROM shapes_ticket") == before
