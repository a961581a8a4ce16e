"""By generation: any mix of history, live rows, rows without JSON and elements that do not decode, against the pure model."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backfilling import all_rows, elements, execute, parent
from cutover import db
from cutover.backfill import complete, reach, visit
from cutover.chunk import Pace
from cutover.mapping import Binding, bind
from cutover.pairing import distinct_view, pair, places, token
from databases import Database
from stages import at_phase

TICKETS = [["a", 1], ["a", 2], ["b", None], ["b", 1.5], "no tuple"]
LINES = [f"[2024-01-02 03:04:0{second}] INFO {text}" for second in (1, 2) for text in "ab"] + ["no time"]
WAYS = ("sql", "python", "portions")
POSITIONS = st.integers(-4, 9).filter(lambda position: position != 0)
own = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fresh(binding: Binding, document: object, rows: list[tuple[int, Any]]) -> None:
    """One parent with a document and rows, and nothing else."""
    tables = f"{binding.parent.name}, {binding.child.name}, cutover_quarantine, cutover_mark"
    execute(None, f"TRUNCATE {tables} RESTART IDENTITY")
    parent(binding, 1, document)
    for position, value in rows:
        values = binding.streams[0].codec.decode(value)
        columns = {"position": position, **values}
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        execute(
            None,
            f"INSERT INTO {binding.child.name} ({binding.fk}, {names}) VALUES (1, {marks})",  # noqa: S608 - names of tests
            *columns.values(),
        )


def fill(binding: Binding, *, precise: bool) -> int:
    with db.read_committed("default"):
        visit.prepare(binding)
        return visit.fill(binding, reach.among(binding, ["1"], Pace()), Pace(), precise=precise).inserted


def fill_in_portions(binding: Binding) -> int:
    """The same, an element at a time where that is possible."""
    inserted, inside, small = 0, None, Pace(most_elements=1)
    while True:
        with db.read_committed("default"):
            visit.prepare(binding)
            done = visit.fill(binding, reach.among(binding, ["1"], small), small, inside, precise=False)
        inserted, inside = inserted + done.inserted, done.inside and done.inside.text()
        if not done.unfinished:
            return inserted
        assert done.inserted, "A portion of nothing would go on for ever."


def filled(binding: Binding, way: str) -> int:
    return fill_in_portions(binding) if way == "portions" else fill(binding, precise=way == "python")


def expected(
    values: list[Any], rows: list[tuple[int, Any]], *, decodes: Any, distinct: bool, cap: int | None
) -> list[Any]:
    """The rows after the backfill as elements, oldest first; `values` are newest first."""
    tokens = [token(value) for value in values]
    kept = distinct_view(tokens, cap=cap) if distinct else range(len(values))
    tokens, values = [tokens[number] for number in kept], [values[number] for number in kept]
    ordered = sorted(((position, number, value) for number, (position, value) in enumerate(rows)), reverse=True)[:]
    ordered.sort(key=lambda each: each[:2], reverse=True)
    stands = [position < 0 or position % 2 == 1 for position, _, _ in ordered]
    pairing = pair(tokens, [token(value) for _, _, value in ordered], stands=stands, distinct=distinct)
    found = places(pairing, [position for position, _, _ in ordered], min(0, *(p for p, _ in rows), 0))
    new = [(found[number], values[number]) for number in reversed(pairing.missing) if decodes(values[number])]
    whole = [(position, number, value) for number, (position, value) in enumerate([*rows, *new])]
    return [value for _, _, value in sorted(whole, key=lambda each: each[:2])]


@own
@given(
    st.lists(st.sampled_from(TICKETS), max_size=7),
    st.lists(st.tuples(POSITIONS, st.sampled_from(TICKETS[:3])), max_size=5),
)
@pytest.mark.parametrize("way", WAYS)
def test_multisets_fill_as_the_model_says(
    database: Database, way: str, values: list[Any], rows: list[tuple[int, Any]]
) -> None:
    binding = at_phase("ticket_history", 2)
    fresh(binding, {"changes": {"items": values}}, rows)
    filled(binding, way)
    wanted = expected(values[::-1], rows, decodes=lambda each: each in TICKETS[:3], distinct=False, cap=None)
    assert elements(binding, 1) == wanted
    assert complete.gaps(binding, ["1"], []) == {}
    assert fill(binding, precise=way != "python") == 0


@own
@given(
    st.lists(st.sampled_from(LINES), max_size=7), st.lists(st.tuples(POSITIONS, st.sampled_from(LINES[:4])), max_size=5)
)
@pytest.mark.parametrize("way", WAYS)
def test_distinct_lists_fill_as_the_model_says(
    database: Database, way: str, values: list[Any], rows: list[tuple[int, Any]]
) -> None:
    binding = at_phase("job_logs", 2)
    fresh(binding, {"stdout": values}, rows)
    filled(binding, way)
    assert elements(binding, 1) == expected(
        values, rows, decodes=lambda each: each in LINES[:4], distinct=True, cap=1000
    )
    assert complete.gaps(binding, ["1"], []) == {}
    assert fill(binding, precise=way != "python") == 0


@own
@given(
    st.lists(st.sampled_from([*LINES, "[2024-01-02 03:04:05] ERROR b"]), max_size=5),
    st.lists(st.sampled_from(["a", "b", "c", 5, None, "x\n"]), max_size=5),
    st.lists(st.tuples(POSITIONS, st.sampled_from([*LINES[:4], "[2024-01-02 03:04:05] ERROR b"])), max_size=4),
)
def test_sql_and_python_make_the_same_rows_of_two_streams(
    database: Database, stdout: list[Any], stderr: list[Any], rows: list[tuple[int, Any]]
) -> None:
    binding = at_phase("job_logs", 2)
    made = []
    for way in WAYS:
        fresh(binding, {"stdout": stdout, "stderr": stderr}, rows)
        filled(binding, way)
        held = execute(
            None, "SELECT stream, digest, occurrence, element, reason FROM cutover_quarantine ORDER BY 1, 2, 3"
        )
        made.append((all_rows(binding), held))
        assert fill(binding, precise=way != "python") == 0
        assert complete.gaps(binding, ["1"], []) == {}
    assert made[0] == made[1]
    assert (Counter(made[0][0]), made[0][1]) == (Counter(made[2][0]), made[2][1])
    assert set(elements(binding, 1, 1, "level IN ('ERROR', 'CRITICAL')")) >= {
        each for each in stderr if isinstance(each, str)
    }


@own
@given(st.lists(st.sampled_from(TICKETS[:3]), max_size=6), st.lists(st.sampled_from(TICKETS[:3]), max_size=6))
def test_history_and_live_rows_are_in_the_order_of_the_list(
    database: Database, history: list[Any], live: list[Any]
) -> None:
    binding = at_phase("ticket_history", 2)
    fresh(binding, {"changes": {"items": history + live}}, [(2 * n + 1, value) for n, value in enumerate(live, 1)])
    assert fill(binding, precise=False) == len(history)
    assert elements(binding, 1) == history + live


@own
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["tags", "a", "b", ""]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_no_document_stops_the_backfill(database: Database, document: Any) -> None:
    binding = bind("account_tags")
    at_phase("account_tags", 2)
    made = []
    for precise in (False, True):
        execute(None, "TRUNCATE shapes_account, shapes_tag, cutover_quarantine RESTART IDENTITY")
        execute(None, "INSERT INTO shapes_account VALUES ('1', %s::json)", json.dumps({"tags": document}))
        fill(binding, precise=precise)
        made.append((all_rows(binding), execute(None, "SELECT stream, element FROM cutover_quarantine ORDER BY 1, 2")))
        unreadable = [] if execute(None, "SELECT cutover_jsonb_v1(profile::text) FROM shapes_account")[0][0] else ["1"]
        assert complete.gaps(binding, ["1"], unreadable) == {}
    assert sorted(made[0][0], key=str) == sorted(made[1][0], key=str)
    assert made[0][1] == made[1][1]
