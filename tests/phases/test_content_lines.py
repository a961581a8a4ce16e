"""Log lines that fit their template only nearly, or not at all: each is kept with its place and reason, its neighbours move."""

import json

import pytest
from django.test import override_settings

from backfilling import elements, execute, parent, to_the_end
from content import BESIDE, STORAGES, WAYS, Bad, comes_over, document, dumped, go, lines
from cutover.backfill import quarantine
from databases import Database

GOOD = ["[2024-01-02 03:04:09] INFO c", "[2024-01-02 03:04:08] INFO b", "[2024-01-02 03:04:07] INFO a"]
NEARLY = {
    "[2024-01-02 03:04:05 INFO no bracket": "'] ' is not where the template has it",
    "2024-01-02 03:04:05] INFO no bracket": "'[' is not where the template has it",
    " [2024-01-02 03:04:05] INFO a space before": "'[' is not where the template has it",
    "[2024-01-02  03:04:05] INFO two spaces": "created_at takes a time like %Y-%m-%d %H:%M:%S",
    "[2024-01-02T03:04:05] INFO a letter": "created_at takes a time like %Y-%m-%d %H:%M:%S",
    "[2024-1-2 3:04:05] INFO short": "created_at takes a time like %Y-%m-%d %H:%M:%S",
    "[24-01-02 03:04:05] INFO short": "created_at takes a time like %Y-%m-%d %H:%M:%S",
    "[٢٠٢٤-01-02 03:04:05] INFO digits of another script": "created_at takes a time like %Y-%m-%d %H:%M:%S",
    "[2024-01-02 03:04:05]INFO no space": "'] ' is not where the template has it",
    "[2024-01-02 03:04:05] INFO": "' ' does not follow level",
    "[2024-01-02 03:04:05] INFORMATION too long": "level takes 10 characters and would get 11",
    "[2024-01-02 03:04:05]\u00a0INFO another space": "'] ' is not where the template has it",
    "": "'[' is not where the template has it",
    "null": "'[' is not where the template has it",
    "{}": "'[' is not where the template has it",
}
FITS = [
    "[2024-01-02 03:04:05] info lower case",
    "[2024-01-02 03:04:05] INFO a trailing newline\n",
    "[2024-01-02 03:04:05] INFO  a space more",
    "[2024-01-02 03:04:05]  no level",
    "[2024-01-02 03:04:05] INFO ",
    "[2024-01-02 03:04:05] INFO \ttab, \u2028 line, \U0001f600 face, %s %(x)s {y} \\ ' \"",
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("storage", STORAGES)
def test_lines_that_fit_only_nearly_are_kept_and_their_neighbours_move(
    database: Database, monkeypatch: pytest.MonkeyPatch, storage: str, way: str
) -> None:
    go(monkeypatch, way)
    listed = [GOOD[0], *NEARLY, GOOD[1], *FITS, GOOD[2]]
    bad = [Bad(f"$.stdout[{number}]", reason, dumped(line)) for number, (line, reason) in enumerate(NEARLY.items(), 1)]
    comes_over(
        lines(storage), document([json.dumps(each) for each in listed]), [GOOD[2], *FITS[::-1], *GOOD[1::-1]], bad
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("storage", STORAGES)
def test_what_is_no_line_is_kept_as_it_is(
    database: Database, monkeypatch: pytest.MonkeyPatch, storage: str, way: str
) -> None:
    go(monkeypatch, way)
    odd = ["null", "5", "-1.50", "true", "{}", "[]", '{"line": null}', f"[{json.dumps(GOOD[1])}]", "9" * 5000]
    listed = [json.dumps(GOOD[0]), *odd, json.dumps(GOOD[2])]
    bad = [Bad(f"$.stdout[{number}]", "the element is not a string", text) for number, text in enumerate(odd, 1)]
    comes_over(lines(storage), document(listed), GOOD[::-2], bad)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("storage", STORAGES)
def test_an_element_that_was_encoded_twice_is_kept_and_not_guessed(
    database: Database, monkeypatch: pytest.MonkeyPatch, storage: str, way: str
) -> None:
    go(monkeypatch, way)
    twice = json.dumps(GOOD[1])
    bad = [Bad("$.stdout[1]", "'[' is not where the template has it", json.dumps(twice))]
    comes_over(lines(storage), document([json.dumps(each) for each in (GOOD[0], twice, GOOD[2])]), GOOD[::-2], bad)


@pytest.mark.parametrize("way", WAYS)
def test_bad_lines_that_are_equal_are_as_many_each_at_its_place(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    go(monkeypatch, way)
    listed = ["bad", GOOD[0], "bad", GOOD[0], "worse", "bad"]
    bad = [Bad(f"$.stdout[{number}]", "'[' is not where", f'"{listed[number]}"') for number in (0, 2, 4, 5)]
    found = comes_over(lines(), document([json.dumps(each) for each in listed]), [GOOD[0]] * 2, bad)
    assert {each.index: each.occurrence for each in found} == {0: 1, 2: 2, 4: 1, 5: 3}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("cap", "index"), [(1000, 0), (None, 4)])
def test_of_equal_bad_lines_a_distinct_list_keeps_the_one_that_it_shows(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str, cap: int | None, index: int
) -> None:
    go(monkeypatch, way)
    listed = ["bad", GOOD[0], "bad", GOOD[0], "bad"]
    bad = [Bad(f"$.stdout[{index}]", "'[' is not where", '"bad"')]
    comes_over(lines(distinct=True, cap=cap), document([json.dumps(each) for each in listed]), GOOD[:1], bad)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("storage", STORAGES)
def test_elements_of_a_mebibyte_move_or_are_kept_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch, storage: str, way: str
) -> None:
    go(monkeypatch, way)
    large = [f"[2024-01-02 03:04:0{number}] INFO " + "x" * 2**20 for number in range(3)]
    odd = [f"no line {number} " + "y" * 2**20 + "\u00e9" for number in range(3)]
    listed = [large[2], odd[2], large[1], odd[1], odd[0], large[0]]
    bad = [Bad(f"$.stdout[{number}]", "'[' is not where", dumped(listed[number])) for number in (1, 3, 4)]
    with override_settings(CUTOVER_LEASE_SECONDS=5):  # the default; that of the tests is short for a busy machine
        found = comes_over(lines(storage), document([json.dumps(each) for each in listed]), large, bad)
    assert all(len(each.reason) < 256 for each in found)


@pytest.mark.parametrize("way", WAYS)
def test_order_is_that_of_the_list_and_not_that_of_the_times(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    go(monkeypatch, way)
    listed = [f"[2024-01-02 03:04:{second:02}] INFO {second}" for second in (5, 59, 0, 30, 5, 58, 1)]
    listed[4:4] = ["bad"]
    bad = [Bad("$.stdout[4]", "'[' is not where", '"bad"')]
    good = [each for each in listed[::-1] if each != "bad"]
    comes_over(lines(), document([json.dumps(each) for each in listed]), good, bad)


@pytest.mark.parametrize("way", WAYS)
def test_a_thousand_equal_lines_are_a_thousand_rows_or_one(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    go(monkeypatch, way)
    listed = [json.dumps(GOOD[0])] * 1000 + ['"bad"']
    binding = lines()
    comes_over(binding, document(listed), GOOD[:1] * 1000, [Bad("$.stdout[1000]", "'[' is", '"bad"')])
    distinct = lines(distinct=True, cap=1000)
    execute(None, "TRUNCATE jobs_job, jobs_joblog, cutover_quarantine, cutover_segment")
    comes_over(distinct, document(listed), GOOD[:1], [Bad("$.stdout[1000]", "'[' is", '"bad"')])


def test_one_bad_element_in_each_of_many_parents_is_one_each(database: Database) -> None:
    binding = lines()
    for number in range(1, 301):
        parent(binding, number, {"stdout": [BESIDE[0], f"bad {number}", BESIDE[1]]})
    last = to_the_end(binding)
    assert (last.elements, last.quarantined) == (600, 300)
    assert {
        (each.parent_key, each.path, each.element) for each in quarantine.listing("default", "job_logs", limit=None)
    } == {(str(number), "$.stdout[1]", f'"bad {number}"') for number in range(1, 301)}
    assert elements(binding, 77) == BESIDE[::-1]
