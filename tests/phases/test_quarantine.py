"""What the quarantine keeps, and how an element leaves it: mended and tried again, or waived by name until that is taken back."""

import json
import threading
from typing import Any

import pytest
from django.db import connections

from backfilling import all_rows, elements, execute, parent, to_the_end
from bothsides import kinds, verified
from content import BESIDE, WAYS, declared, go, lines, recoded
from cutover import Object, Stream, Text, backfill, ledger
from cutover.backfill import around, lease, quarantine, retry, visit, waiver
from cutover.backfill.retry import Retried
from cutover.codecs import Codec
from cutover.errors import DeclarationError, Refused
from cutover.gates import backfill_complete, quarantine_empty
from cutover.gates.verdict import Move
from cutover.mapping import Binding
from cutover.phase import Phase
from databases import Database
from stages import at_phase

MIXED = [BESIDE[0], "odd 2", BESIDE[1], "odd 1"]


class Lenient(Codec):
    """Lines without a time as well: the codec after it was mended. It has no SQL."""

    columns = ("created_at", "level", "message")

    def __init__(self) -> None:
        self.strict: Codec = Text("[{created_at:%Y-%m-%d %H:%M:%S}] {level} {message}", tz="UTC")

    def bind(self, kinds: Any) -> Any:
        self.strict = self.strict.bind(kinds)
        return self

    def decode(self, element: object) -> dict[str, object]:
        if isinstance(element, str) and element.startswith("odd"):
            return {**self.strict.decode(BESIDE[0]), "level": "odd", "message": element}
        return self.strict.decode(element)

    def encode(self, row: Any) -> object:
        return row["message"] if row["level"] == "odd" else self.strict.encode(row)


def held(binding: Binding, **options: Any) -> list[tuple[str, str | None]]:
    return [(each.parent_key, each.path) for each in quarantine.listing(binding.alias, binding.name, **options)]


def retried(binding: Binding, ids: list[int] | None = None) -> Retried:
    *_, last = retry.retry(binding, ids)
    assert not last.waiting
    return last


@pytest.mark.parametrize("way", WAYS)
def test_what_decodes_after_the_codec_was_mended_becomes_a_row_in_its_place(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    go(monkeypatch, way)
    binding = lines()
    keys = [parent(binding, number, {"stdout": [*MIXED, "worse"]}) for number in (1, 2, 10)]
    to_the_end(binding)
    mended = recoded(binding, Lenient())
    assert retried(mended) == Retried(elements=9, parents=3, visited=3, rows=6, left=3)
    assert [elements(mended, key) for key in keys] == [["odd 1", BESIDE[1], "odd 2", BESIDE[0]]] * 3
    assert held(mended) == [("1", "$.stdout[4]"), ("2", "$.stdout[4]"), ("10", "$.stdout[4]")]
    assert backfill.why_incomplete(mended) == []
    before = all_rows(mended)
    assert retried(mended) == Retried(elements=3, parents=3, visited=3, rows=0, left=3)
    assert all_rows(mended) == before


def test_only_the_parents_of_the_elements_that_are_named_are_visited(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = lines()
    for number in range(1, 6):
        parent(binding, number, {"stdout": MIXED})
    to_the_end(binding)
    ids = [each.id for each in quarantine.listing(binding.alias, binding.name) if each.parent_key in ("2", "4")]
    mended = recoded(binding, Lenient())
    assert retried(mended, [*ids, 10**9]) == Retried(elements=4, parents=2, visited=2, rows=4, left=0)
    assert {key for key, _ in held(mended)} == {"1", "3", "5"}


def test_a_retry_goes_chunk_by_chunk_in_the_order_of_the_keys(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = lines()
    binding = recoded(strict, Lenient())
    for number in range(1, 41):
        parent(strict, number, {"stdout": ["odd", "x" * 1000]})
    to_the_end(strict)
    monkeypatch.setattr(retry, "pace", lambda *_: retry.chunk.Pace(parents=3, largest=3))
    seen = list(retry.retry(binding))
    assert [each.visited for each in seen][:-1] == [*range(3, 40, 3), 40]
    assert (seen[-1].rows, seen[-1].left) == (40, 40)


def test_parents_that_are_gone_leave_the_quarantine(database: Database) -> None:
    binding = lines()
    for number in range(1, 4):
        parent(binding, number, {"stdout": ["odd"]})
    to_the_end(binding)
    execute(None, "DELETE FROM jobs_job WHERE id IN (1, 2)")
    assert retried(recoded(binding, Lenient())) == Retried(elements=1, parents=1, visited=1, rows=1, left=0)
    assert held(binding) == []


def test_a_retry_waits_for_the_lane_and_says_so(database: Database) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": ["odd"]})
    to_the_end(binding)
    lane = lease.take(binding, "somebody else", lane=True)
    assert lane is not None
    steps = retry.retry(recoded(binding, Lenient()))
    assert [next(steps).waiting for _ in range(2)] == ["Another worker visits parents or takes the last look."] * 2
    assert held(binding) == [("1", "$.stdout[0]")]
    lease.release(binding, lane)
    assert list(steps)[-1] == Retried(elements=1, parents=1, visited=1, rows=1, left=0)


def test_a_retry_whose_lane_was_taken_over_writes_nothing_and_takes_it_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": ["odd"]})
    to_the_end(binding)
    again, stolen = visit.again, list[object]()

    def steal_first(mended: Binding, lane: Any, *rest: Any, **options: Any) -> Any:
        if not stolen:
            stolen.append(lane)
            execute(
                None, "UPDATE cutover_segment SET token = gen_random_uuid(), leased_until = now() WHERE number = -1"
            )
        return again(mended, lane, *rest, **options)

    monkeypatch.setattr(visit, "again", steal_first)
    seen = list(retry.retry(recoded(binding, Lenient())))
    assert [each.rows for each in seen] == [0, 1, 1]
    assert len(all_rows(binding)) == 1


def test_a_retry_is_refused_where_the_backfill_is(database: Database) -> None:
    binding = at_phase("job_logs", 1)
    with pytest.raises(Refused) as refused:
        next(retry.retry(binding))
    assert str(refused.value) == "job_logs is at ADD_TABLE; the backfill runs from DUAL_WRITE on."


def test_a_retry_beside_a_backfill_doubles_nothing(database: Database) -> None:
    binding = lines()
    for number in range(1, 61):
        parent(binding, number, {"stdout": MIXED})
    to_the_end(binding)
    mended = recoded(binding, Lenient())
    backfill.reset(mended)

    def other() -> None:
        try:
            list(backfill.run(mended))
        finally:
            connections.close_all()

    worker = threading.Thread(target=other)
    worker.start()
    list(retry.retry(mended))
    worker.join(60)
    assert not worker.is_alive()
    assert execute(None, "SELECT count(*) FROM jobs_joblog") == [(240,)]
    assert held(mended) == []


def test_a_waiver_keeps_who_and_why_and_the_history_too(database: Database) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": MIXED})
    to_the_end(binding)
    one, two = quarantine.listing(binding.alias, binding.name)
    assert waiver.waive(binding.alias, binding.name, who="Ada", why="of the load test", ids=[one.id]) == 1
    assert waiver.waive(binding.alias, binding.name, who="Bob", why="again", ids=[one.id]) == 0
    (kept,) = quarantine.listing(binding.alias, binding.name, waived=True, ids=[one.id])
    assert (kept.waived_by, kept.waived_why, kept.element) == ("Ada", "of the load test", one.element)
    assert quarantine.open_count(binding.alias, binding.name) == 1
    assert waiver.waive(binding.alias, binding.name, who="Ada", why="all") == 1
    assert waiver.take_back(binding.alias, binding.name, who="Eve", why="of a customer", ids=[two.id]) == 1
    assert quarantine.listing(binding.alias, binding.name) == [two]
    *_, first, second, third = ledger.history(binding.alias, binding.name)
    assert [(move.who, move.why) for move in (first, second, third)] == [
        ("Ada", f"waived 1 in quarantine ({one.id}): of the load test"),
        ("Ada", f"waived 1 in quarantine ({two.id}): all"),
        ("Eve", f"took back the waiver of 1 in quarantine ({two.id}): of a customer"),
    ]
    assert {(move.from_phase, move.to_phase) for move in (first, second, third)} == {(Phase.DUAL_WRITE,) * 2}


def test_a_waiver_of_what_is_not_there_changes_nothing(database: Database) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": MIXED})
    to_the_end(binding)
    one, _ = quarantine.listing(binding.alias, binding.name)
    before = ledger.history(binding.alias, binding.name)
    for decision in (waiver.waive, waiver.take_back):
        with pytest.raises(DeclarationError) as refused:
            decision(binding.alias, binding.name, who="Ada", why="x", ids=[one.id, 4711])
        assert str(refused.value) == "job_logs has no element 4711 in quarantine."
    assert quarantine.open_count(binding.alias, binding.name) == 2
    assert ledger.history(binding.alias, binding.name) == before


def test_many_ids_are_counted_in_the_history_and_not_all_named(database: Database) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": [f"odd {number}" for number in range(30)]})
    to_the_end(binding)
    waiver.waive(binding.alias, binding.name, who="Ada", why="why")
    assert ledger.history(binding.alias, binding.name)[-1].why.endswith(" and 10 more): why")


def test_a_waiver_outlives_another_backfill_and_a_retry(database: Database) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": MIXED})
    to_the_end(binding)
    waiver.waive(binding.alias, binding.name, who="Ada", why="why")
    before = quarantine.listing(binding.alias, binding.name, waived=True)
    backfill.reset(binding)
    to_the_end(binding)
    assert retried(binding) == Retried(elements=0, parents=0)
    assert retried(binding, [each.id for each in before]).left == 2
    assert quarantine.listing(binding.alias, binding.name, waived=True) == before
    assert kinds(verified(binding)) == {"waived": 2}


def test_phase_5_is_refused_until_everything_is_mended_or_waived(database: Database) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": MIXED})
    to_the_end(binding)
    move = Move(binding, ledger.read(binding.alias, binding.name), Phase.BACKFILL_AND_DROP)
    refused = quarantine_empty(move)
    assert (refused.holds, refused.fact) == (False, "2 elements are in quarantine.")
    assert refused.hint == "See `cutover quarantine job_logs`; mend them and `--retry`, or `--waive` them by name."
    assert backfill_complete(move).holds
    one, two = quarantine.listing(binding.alias, binding.name)
    waiver.waive(binding.alias, binding.name, who="Ada", why="why", ids=[one.id])
    assert not quarantine_empty(move).holds
    execute(None, "UPDATE jobs_job SET logs = %s::jsonb", json.dumps({"stdout": [BESIDE[0], "odd 2", BESIDE[1]]}))
    retried(binding, [two.id])
    assert quarantine_empty(move).holds
    waiver.take_back(binding.alias, binding.name, who="Ada", why="why")
    assert not quarantine_empty(move).holds


def test_the_place_is_that_of_the_first_look_and_show_finds_where_it_is_now(database: Database) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": MIXED})
    to_the_end(binding)
    one = next(each for each in quarantine.listing(binding.alias, binding.name) if each.index == 1)
    newer = ["[2024-01-02 03:04:07] INFO third", "odd 2", *MIXED]
    execute(None, "UPDATE jobs_job SET logs = %s::jsonb", json.dumps({"stdout": newer}))
    to_the_end(binding)
    assert one in quarantine.listing("default", "job_logs")
    found = around.look(binding, one)
    assert found.path == "$.stdout[1]"
    assert [(each.index, each.text, each.itself) for each in found.neighbors] == [
        (0, json.dumps(newer[0]), False),
        (1, '"odd 2"', True),
        (2, json.dumps(newer[2]), False),
        (3, '"odd 2"', False),
    ]
    execute(None, "UPDATE jobs_job SET logs = %s::jsonb", json.dumps({"stdout": BESIDE}))
    assert around.look(binding, one) == around.Around(None, note="It is not in its list any more.")
    execute(None, "UPDATE jobs_job SET logs = NULL")
    assert around.look(binding, one) == around.Around(None, note="The column is NULL now.")
    execute(None, "DELETE FROM jobs_job")
    assert around.look(binding, one) == around.Around(None, note="The parent is gone.")


def test_show_cuts_a_document_that_is_no_json_out_where_it_breaks(database: Database) -> None:
    binding = lines("text")
    text = json.dumps({"stdout": BESIDE * 10})[:-30]
    parent(binding, 1, text, text=True)
    to_the_end(binding)
    (one,) = quarantine.listing(binding.alias, binding.name)
    assert one.element == text
    found = around.look(binding, one)
    assert found.excerpt in text
    assert len(found.excerpt) <= 2 * around.EXCERPT
    assert found.note.startswith("Unterminated string starting at: line 1 column ")


def test_the_path_leads_to_the_element_in_the_database(database: Database) -> None:
    binding = at_phase("account_tags", 2)
    tags = {"a": ["x", 1], "a b": [2], 'q"\\': [3], "é": [4], "1": [5], "": [6], "a.b": ["y", 7], "$": [8], "null": [9]}
    parent(binding, 1, {"tags": tags})
    to_the_end(binding)
    found = quarantine.listing(binding.alias, binding.name)
    assert len(found) == 9
    for each in found:
        asked = "SELECT jsonb_path_query(profile::jsonb, %s::jsonpath)::text FROM shapes_account"
        assert execute(None, asked, each.path) == [(each.element,)]


def test_elements_that_an_earlier_release_left_without_a_place_get_one(database: Database) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": MIXED})
    to_the_end(binding)
    before = quarantine.listing(binding.alias, binding.name)
    execute(None, "UPDATE cutover_quarantine SET path = NULL, list_index = NULL")
    to_the_end(binding)
    assert {each.path for each in quarantine.listing(binding.alias, binding.name)} == {None}
    backfill.reset(binding)
    to_the_end(binding)
    assert quarantine.listing(binding.alias, binding.name) == before


def test_an_element_that_a_writer_takes_away_meanwhile_is_kept_without_an_index(
    database: Database, monkeypatch: pytest.MonkeyPatch, connect: Any
) -> None:
    binding = lines()
    parent(binding, 1, {"stdout": ["odd", {"b": 1, "a": 1.50}]})
    settle = quarantine.settle

    def late(*args: Any) -> None:
        execute(connect(), "UPDATE jobs_job SET logs = '{\"stdout\": []}'")
        settle(*args)

    monkeypatch.setattr(quarantine, "settle", late)
    assert next(backfill.run(binding)).quarantined == 2
    found = [(each.path, each.index, each.element) for each in quarantine.listing(binding.alias, binding.name)]
    assert sorted(found) == [("$.stdout", None, '"odd"'), ("$.stdout", None, '{"a": 1.5, "b": 1}')]
    monkeypatch.setattr(quarantine, "settle", settle)
    to_the_end(binding)
    assert held(binding) == []


def test_a_number_is_kept_digit_by_digit(database: Database) -> None:
    codec = Object({"kind": "kind", "count": "count"})
    binding = declared("device_events", Stream("events", codec, path=()))
    text = '[{"kind": "a", "count": 1.50}, {"kind": "b", "count": 0.12345678901234567890}]'
    parent(binding, 1, text, text=True)
    to_the_end(binding)
    assert [each.element for each in quarantine.listing(binding.alias, binding.name)] == [
        '{"kind": "a", "count": 1.50}',
        '{"kind": "b", "count": 0.12345678901234567890}',
    ]
    assert backfill.why_incomplete(binding) == []
    assert kinds(verified(binding)) == {"undecodable": 2}
