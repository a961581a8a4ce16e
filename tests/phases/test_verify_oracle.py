"""Random mixes of a JSON list and rows, judged by the verification and by a few lines of Python that know nothing of it."""

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bothsides import kinds, parent, verified, visited
from cutover.mapping import Binding, bind
from databases import Database
from stages import at_phase

LETTERS = st.integers(0, 4)
LISTS = st.lists(LETTERS, max_size=7)
ROWS = st.lists(st.tuples(LETTERS, st.booleans()), max_size=7)
CAP = 3


@cache
def shaped(name: str, cap: int | None, distinct: bool) -> Binding:
    """A cutover of the example project whose first stream has this cap and is or is not distinct."""
    binding = bind(name)
    first, *others = binding.streams
    first = replace(first, spec=replace(first.spec, cap=cap, distinct=distinct))
    return replace(binding, streams=(first, *others))


def judged(elements: list[int], rows: list[tuple[int, bool]], cap: int | None, distinct: bool) -> dict[str, int]:
    """By hand, newest first: what is missing, what JSON lost or cut, what never had JSON, and whether the order is right."""
    standing = [letter for letter, stands in rows if stands]
    after_json = len(rows) - len(standing)
    if distinct:
        missing, surplus = len(set(elements) - set(standing)), len(set(standing) - set(elements))
    else:
        missing = (Counter(elements) - Counter(standing)).total()
        surplus = (Counter(standing) - Counter(elements)).total()
    same = elements == standing
    return {"missing": missing, "surplus": surplus, "after_json": after_json, "same": int(same)}


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("cap", [None, CAP])
@pytest.mark.parametrize("name", ["job_logs", "device_events", "ticket_history"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(elements=LISTS, rows=ROWS)
def test_the_verification_agrees_with_the_oracle(
    database: Database, name: str, cap: int | None, distinct: bool, elements: list[int], rows: list[tuple[int, bool]]
) -> None:
    binding = shaped(name, cap, distinct)
    clean(binding)
    made = parent(binding)
    made.write_json([made.element(n) for n in reversed(elements)])
    for number, (letter, stands) in enumerate(reversed(rows), start=1):
        made.add_row(made.element(letter), 2 * number + int(stands))
    check(kinds(verified(binding)), judged(elements, rows, cap, distinct), distinct, cap)


def check(found: dict[str, int], expected: dict[str, Any], distinct: bool, cap: int | None) -> None:
    differ = found.get("value_differs", 0)
    assert found.get("missing_in_table", 0) + differ == expected["missing"]
    assert found.get("after_json", 0) == expected["after_json"]
    gone = found.get("missing_in_json", 0) + found.get(
        "stale", 0
    )  # the second where lists are replaced and JSON is read
    lost = gone + differ + (0 if distinct else found.get("beyond_cap", 0))
    if cap is None or not distinct:
        assert lost == expected["surplus"]
    else:
        assert lost <= expected["surplus"]
    if cap is None:
        assert not found.get("beyond_cap")
    if expected["same"]:
        assert set(found) <= {"after_json"}
    elif not expected["missing"] and not expected["surplus"] and not distinct:
        assert found.get("order_differs", 0) > 0
    else:
        assert expected["missing"] + expected["surplus"] or distinct


def clean(binding: Binding) -> None:
    at_phase(binding.name, 2)
    visited(binding)
    with connection.cursor() as cursor:
        for table in (binding.child.name, binding.parent.name):
            cursor.execute(f'delete from "{table}"')  # noqa: S608 - a table of the example project


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(elements=LISTS, rows=ROWS, cap=st.sampled_from([None, CAP]), distinct=st.booleans())
def test_sql_and_python_measure_the_same(
    database: Database, elements: list[int], rows: list[tuple[int, bool]], cap: int | None, distinct: bool
) -> None:
    """The checksums differ, for the hashes do; all that is counted, and whether the sides agree, is equal."""
    from cutover.verify import compare, course, streaming

    binding = shaped("job_logs", cap, distinct)
    clean(binding)
    made = parent(binding)
    made.write_json([made.element(n) for n in reversed(elements)])
    for number, (letter, stands) in enumerate(reversed(rows), start=1):
        made.add_row(made.element(letter), 2 * number + int(stands))
    (by_sql,), (by_python,) = compare.chunk(binding, None, 10), streaming.chunk(binding, None, 10)
    assert course.agrees(binding, by_sql) == course.agrees(binding, by_python)
    names = ("stream", "elements", "table_elements", "rows", "kept", "after_json", "broken", "odd")
    for one, other in zip(by_sql.streams, by_python.streams, strict=True):
        assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
