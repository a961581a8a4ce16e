"""Documents that are broken, elements that JSON text can hold and jsonb cannot: what becomes of them, and of what is beside."""

import json
from typing import Any

import pytest
from django.db.models import JSONField

from backfilling import EXAMPLES, elements, parent, to_the_end
from content import STORAGES, WAYS, Bad, comes_over, declared, document, go, lines
from cutover import Stream, Tuple, backfill
from cutover.backfill import quarantine
from databases import Database
from stages import at_phase

GOOD = ["[2024-01-02 03:04:09] INFO c", "[2024-01-02 03:04:08] INFO b", "[2024-01-02 03:04:07] INFO a"]
UNHOLDABLE = {
    r'"[2024-01-02 03:04:05] INFO nul \u0000 inside"': "jsonb cannot hold the element, a string holds the character NUL",
    r'"[2024-01-02 03:04:05] INFO lone \ud800 inside"': "jsonb cannot hold the element, a string holds a lone surrogate",
    r'"[2024-01-02 03:04:05] INFO lone \uDC00"': "jsonb cannot hold the element, a string holds a lone surrogate",
    r'{"key\u0000": [1,  2 ], "b" : 1.50}': "jsonb cannot hold the element, a string holds the character NUL",
}
TEXT_ONLY = {
    "NaN": "jsonb cannot hold the element, a number is not finite",
    "-Infinity": "jsonb cannot hold the element, a number is not finite",
    '{"n": [Infinity]}': "jsonb cannot hold the element, a number is not finite",
}
KEPT_BESIDE = {"9" * 5000: "the element is not a string", "1e2": "the element is not a string"}


@pytest.mark.parametrize("storage", ["json", "text"])
def test_what_jsonb_cannot_hold_is_kept_as_it_was_written(database: Database, storage: str) -> None:
    odd = UNHOLDABLE | (TEXT_ONLY if storage == "text" else {}) | KEPT_BESIDE
    listed = [json.dumps(GOOD[0]), *odd, json.dumps(GOOD[1]), json.dumps(GOOD[2])]
    bad = [Bad(f"$.stdout[{number}]", reason, text) for number, (text, reason) in enumerate(odd.items(), 1)]
    comes_over(lines(storage), document(listed), GOOD[::-1], bad)


@pytest.mark.parametrize("storage", ["json", "text"])
def test_beside_what_jsonb_cannot_hold_nothing_else_is_odd(database: Database, storage: str) -> None:
    """NUL stands outside of any list: the elements move, and nothing is in quarantine."""
    text = r'{"note": "nul \u0000 and \ud800", "stdout": ' + json.dumps(GOOD) + "}"
    comes_over(lines(storage), text, GOOD[::-1], [])


@pytest.mark.parametrize("storage", ["json", "text"])
def test_of_keys_that_come_twice_the_last_one_counts(database: Database, storage: str) -> None:
    listed = ", ".join(map(json.dumps, GOOD))
    text = f'{{"stdout": ["first"], "stdout" : [ {listed} , "nul\\u0000"] }}'
    comes_over(lines(storage), text, GOOD[::-1], [Bad("$.stdout[3]", "jsonb cannot hold the element", r'"nul\u0000"')])


CUT_SHORT = [
    '{"stdout": ["[2024-01-02 03:04:09] INFO c", "[2024-01-',
    '{"stdout": ["[2024-01-02 03:04:09] INFO c"]',
    '{"stdout": ["[2024-01-02 03:04:09] INFO c"]}}',
    "{'stdout': ['[2024-01-02 03:04:09] INFO c']}",
    '{"stdout": ["a raw \n new line"]}',
    "",
    " ",
    "no JSON at all",
    '\ufeff{"stdout": []}',
]


@pytest.mark.parametrize("text", CUT_SHORT)
def test_text_that_is_no_json_is_kept_whole(database: Database, text: str) -> None:
    comes_over(lines("text"), text, [], [Bad("$", "The document is no JSON: ", text)])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("storage", STORAGES)
def test_a_document_that_was_encoded_twice_is_kept_whole_and_said_to_be(
    database: Database, monkeypatch: pytest.MonkeyPatch, storage: str, way: str
) -> None:
    go(monkeypatch, way)
    text = json.dumps(json.dumps({"stdout": GOOD}))
    reason = "A list of stdout needs an object here, and there is a string that holds JSON, as if it was encoded twice."
    comes_over(lines(storage), text, [], [Bad("$", reason, text)])


NO_LIST: list[tuple[str, str, str, str]] = [
    ("job_logs", '{"stdout": {"0": "a"}}', "$.stdout", "A list of stdout needs a list here, and there is an object."),
    (
        "job_logs",
        '{"stdout": "[]"}',
        "$.stdout",
        "A list of stdout needs a list here, and there is a string that holds JSON",
    ),
    ("job_logs", '{"stdout": 1.50}', "$.stdout", "A list of stdout needs a list here, and there is a number."),
    ("job_logs", "[]", "$", "A list of stdout needs an object here, and there is a list."),
    ("device_events", '{"kind": "a"}', "$", "A list of events needs a list here, and there is an object."),
    ("account_tags", '{"tags": ["red"]}', "$.tags", "A list of tags needs an object here, and there is a list."),
    (
        "account_tags",
        '{"tags": {"a b": "c"}}',
        '$.tags."a b"',
        "A list of tags needs a list here, and there is a string.",
    ),
    (
        "account_tags",
        '{"tags": {"é\\"": {}}}',
        '$.tags."\\u00e9\\""',
        "A list of tags needs a list here, and there is an object.",
    ),
    (
        "ticket_history",
        '{"changes": true}',
        "$.changes",
        "A list of items needs an object here, and there is true or false.",
    ),
    ("ticket_history", '{"changes": {"items": {}}}', "$.changes.items", "A list of items needs a list here"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "text", "path", "reason"), NO_LIST)
def test_something_else_in_the_place_of_a_list_is_kept_with_its_path(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str, name: str, text: str, path: str, reason: str
) -> None:
    go(monkeypatch, way)
    binding = lines() if name == "job_logs" else at_phase(name, 2)
    value = json.loads(text, parse_float=str)
    for step in path.replace('"a b"', "a b").replace('"\\u00e9\\""', 'é"').split(".")[1:]:
        value = value[step]
    kept = "1.50" if value == "1.50" else json.dumps(value)
    comes_over(binding, text, [], [Bad(path, reason, kept)])


@pytest.mark.parametrize("way", WAYS)
def test_one_key_with_something_else_does_not_touch_the_others(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    go(monkeypatch, way)
    text = '{"tags": {"a": ["x", null, "y"], "b": {"0": "x"}, "c d": [5, "z"], "e": null, "f": []}}'
    bad = [
        Bad("$.tags.a[1]", "value takes no null: None.", "null"),
        Bad("$.tags.b", "A list of tags needs a list here, and there is an object.", '{"0": "x"}'),
        Bad('$.tags."c d"[0]', "value takes a string", "5"),
    ]
    comes_over(at_phase("account_tags", 2), text, ["x", "y", "z"], bad)


OBJECTS = {
    "null": "the element is not an object",
    "[]": "the element is not an object",
    r'"{\"kind\": \"on\"}"': "the element is not an object",
    "{}": "kind takes no NULL and its key is not there",
    '{"kind": null}': "kind takes no NULL and its key is not there",
    '{"kind": ["on"]}': "kind takes a string",
    '{"kind": "on", "count": 1.0}': "count takes a whole number of 32 bits",
    '{"kind": "on", "count": "1"}': "count takes a whole number of 32 bits",
    '{"kind": "on", "count": 2147483648}': "count takes a whole number of 32 bits",
    '{"kind": "on", "count": ' + "9" * 5000 + "}": "count takes a whole number of 32 bits",
    '{"at": "2024-02-30T00:00:00Z", "kind": "on"}': "at takes a time like",
    '{"kind": "' + "x" * 21 + '"}': "kind takes 20 characters and would get 21",
}


@pytest.mark.parametrize("way", WAYS)
def test_objects_that_do_not_fit_are_kept_and_nulls_inside_come_back(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    go(monkeypatch, way)
    fine: list[Any] = [
        {"kind": "on", "count": None, "by": None, "in": {"a": [None, {"b": None}]}},
        {"kind": "", "at": None},
        {"kind": "on", "count": -1, "": {"": []}},
        {"kind": "on", "number": 10**40},
    ]
    listed = [json.dumps(fine[0]), *OBJECTS, *map(json.dumps, fine[1:])]
    bad = []
    for number, (text, reason) in enumerate(OBJECTS.items(), 1):
        bad.append(Bad(f"$[{number}]", reason, text))
    comes_over(at_phase("device_events", 2), f"[{', '.join(listed)}]", fine, bad)


@pytest.mark.parametrize("way", WAYS)
def test_tuples_that_do_not_fit_are_kept(database: Database, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    go(monkeypatch, way)
    odd = ['["a"]', '["a", 1, 2]', '{"0": "a"}', "null", "[null, 1]", '["a", true]', '["a", 1.5]', '[["a"], 1]']
    text = f'{{"changes": {{"items": [["a", 1], {", ".join(odd)}, ["a", null], ["a", 1]]}}}}'
    bad = [Bad(f"$.changes.items[{number}]", "", each) for number, each in enumerate(odd, 1)]
    comes_over(at_phase("ticket_history", 2), text, [["a", 1], ["a", None], ["a", 1]], bad)


def test_a_key_that_jsonb_cannot_hold_is_refused_with_its_elements(database: Database) -> None:
    text = r'{"tags": {"a": ["x"], "n\u0000": ["y", "z"], "b": ["w"]}}'
    bad = [
        Bad(rf'$.tags."n\u0000"[{number}]', "The database cannot hold the key, a string holds the character NUL", each)
        for number, each in enumerate(('"y"', '"z"'))
    ]
    comes_over(at_phase("account_tags", 2), text, ["x", "w"], bad)


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_documents_that_the_field_of_the_model_cannot_load_move(
    database: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A schema field raises for them: the ORM cannot load such a parent at all, and the backfill never asks it to."""
    binding = at_phase(name, 2)
    one = parent(binding, 1, EXAMPLES[name])

    def refuse(*_: object) -> Any:
        raise AssertionError("the document does not fit its schema")

    for place in ("from_db_value", "get_prep_value", "get_db_prep_value", "to_python"):
        monkeypatch.setattr(
            type(binding.field) if type(binding.field) is not JSONField else JSONField, place, refuse, raising=False
        )
    with pytest.raises(AssertionError):
        binding.parent.model._default_manager.get(pk=one)
    to_the_end(binding)
    assert len(elements(binding, one)) in (2, 3, 4)
    assert backfill.why_incomplete(binding) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", ["5", "5.5", "-0", "5.0", "1.50", "1e2", "1e400", "0.1234567890123456789"])
def test_numbers_that_a_column_would_change_are_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str, number: str
) -> None:
    go(monkeypatch, way)
    stream = Stream("items", Tuple("field", "amount"), path=("changes", "items"))
    binding = declared("ticket_history", stream, storage="jsonb")
    whole = {"5": 5, "-0": 0, "1e2": 100}
    kept = {"1e400": "1" + "0" * 400}.get(number, number)
    text = f'{{"changes": {{"items": [["a", {number}], ["b", 1]]}}}}'
    bad = [] if number in whole else [Bad("$.changes.items[0]", "amount takes a whole", f'["a", {kept}]')]
    good = [["a", whole[number]], ["b", 1]] if number in whole else [["b", 1]]
    comes_over(binding, text, good, bad)


def test_nothing_is_in_quarantine_of_an_empty_column(database: Database) -> None:
    for name in EXAMPLES:
        binding = at_phase(name, 2)
        for number, text in enumerate(["null", "[]" if name == "device_events" else "{}"], 1):
            parent(binding, number, text, text=True)
        assert to_the_end(binding).quarantined == 0
        assert quarantine.listing("default", name) == []
