"""Tables and codecs that the template did not make: no positions, no SQL, keys in another collation."""

from dataclasses import replace

import pytest
from django.test.utils import isolate_apps

from adopting import adopted
from backfilling import all_rows, elements, execute, parent, to_the_end
from cutover import backfill
from cutover.backfill import plan, pouring
from databases import Database
from plaincodecs import Plain
from stages import at_phase


@isolate_apps("project.jobs")
def test_a_table_without_positions_gets_every_element_once(database: Database) -> None:
    binding = adopted()
    lines = ["[2024-01-02 03:04:09] ERROR c", "[2024-01-02 03:04:05] INFO a", "[2024-01-02 03:04:07] INFO b"]
    one = parent(binding, 1, {"stdout": lines, "stderr": ["c", "alone"]})
    execute(
        None,
        "INSERT INTO jobs_adoptedlog (job_id, created_at, level, message) VALUES (1, %s, 'INFO', 'b')",
        "2024-01-02 03:04:07Z",
    )
    to_the_end(binding)
    assert elements(binding, one, where="created_at IS NOT NULL") == sorted(lines)
    assert execute(None, "SELECT created_at, level FROM jobs_adoptedlog WHERE message = 'alone'") == [(None, "ERROR")]
    before = all_rows(binding)
    backfill.reset(binding)
    to_the_end(binding)
    assert all_rows(binding) == before


def test_a_codec_without_sql_takes_the_way_through_python(database: Database) -> None:
    compiled = at_phase("device_events", 2)
    events = [
        {"kind": "a", "x": None},
        {"kind": "b", "at": "2024-01-02T03:04:05Z"},
        {"kind": 5},
        {"kind": "a", "x": None},
    ]
    for number in range(1, 30):
        parent(compiled, number, events)
    to_the_end(compiled)
    rows = all_rows(compiled)
    execute(None, "TRUNCATE shapes_event, cutover_quarantine")
    backfill.reset(compiled)
    stream = replace(compiled.streams[0], codec=Plain(compiled.streams[0].codec))
    plain = replace(compiled, streams=(stream,))
    assert not plain.compiles
    assert to_the_end(plain).quarantined == 29
    assert all_rows(plain) == rows
    poured = pouring.fill(plain, stream, ["1"])
    assert (poured.parents, poured.inserted, poured.refused) == (set(), 0, []), "it has rows"
    assert backfill.why_incomplete(plain) == []


def test_string_keys_are_compared_by_the_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    triggers = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'shapes_account'::regclass AND NOT tgisinternal"
    for (trigger,) in execute(None, triggers):
        execute(None, f'DROP TRIGGER "{trigger}" ON shapes_account')
    execute(None, 'ALTER TABLE shapes_account ALTER code TYPE varchar(40) COLLATE "C"')
    binding = at_phase("account_tags", 2)
    keys = ["a", "B", "c", "Z", "ä", "", "10", "9", "a b", "%s", "Ö'", "_"]
    for each in keys:
        execute(None, 'INSERT INTO shapes_account VALUES (%s, \'{"tags": {"k": ["v"]}}\')', each)
    bounds = [row[0] for row in execute(None, "SELECT code FROM shapes_account ORDER BY code")][3::4]
    monkeypatch.setattr(plan, "quantiles", lambda binding: (12, bounds))
    told = to_the_end(binding)
    assert (told.parents, told.elements, told.segments) == (12, 12, len(bounds) + 1)
    assert [elements(binding, each) for each in keys] == [["v"]] * 12
    assert backfill.why_incomplete(binding) == []


def test_segments_are_cut_at_quantiles_and_the_last_is_open(database: Database) -> None:
    binding = at_phase("ticket_history", 2)
    execute(None, "INSERT INTO shapes_ticket (history) SELECT '{}' FROM generate_series(1, 20000)")
    execute(None, "ANALYZE shapes_ticket")
    plan.make(binding)
    plan.make(binding)
    found = execute(None, "SELECT number, lower, upper, estimate FROM cutover_segment ORDER BY number")
    assert found == [
        (-1, None, None, 0),
        (0, None, "5000", 5000),
        (1, "5000", "10000", 5000),
        (2, "10000", "15000", 5000),
        (3, "15000", None, 5000),
    ]


def test_few_parents_with_long_lists_are_cut_by_what_they_weigh(database: Database) -> None:
    """One segment is one worker's: without this a second worker would have nothing to do."""
    binding = at_phase("job_logs", 2)
    execute(
        None,
        "INSERT INTO jobs_job (name, progress, logs) SELECT '', 0, jsonb_build_object('stdout', (SELECT jsonb_agg(md5("
        "random()::text)) FROM generate_series(1, 2000))) FROM generate_series(1, 200)",
    )
    execute(None, "ANALYZE jobs_job")
    plan.make(binding)
    ((segments,),) = execute(None, "SELECT count(*) FROM cutover_segment WHERE number >= 0")
    assert 2 <= segments <= 8
