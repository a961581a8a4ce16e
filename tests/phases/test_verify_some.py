"""Some of the parents: a sample, what has changed, those that are named; and that no gate takes any of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from django.db import connection

from bothsides import NAMES, Pair, kinds, parent, seen, verified, visited
from cutover import verify, write
from cutover.cli import main as cli
from cutover.errors import DeclarationError, Refused
from cutover.mapping import Binding
from cutover.verify import Line, selection
from databases import Database
from livewriters import FIELDS
from stages import at_phase


def cutover(*args: object) -> Result:
    return CliRunner().invoke(cli.cutover, [str(each) for each in args])


def some(binding: Binding, which: verify.Selection) -> verify.Result:
    *_, last = verify.run_some(binding, which)
    assert last.done
    return last.result


def several(name: str, count: int) -> list[Pair]:
    """Parents that agree, under a phase that writes both sides."""
    binding = at_phase(name, 2)
    visited(binding)
    made = [parent(binding, number) for number in range(count)]
    for each in made:
        each.write_json([each.element(1)])
        each.add_rows([each.element(1)])
    return made


def lost_class(name: str) -> str:
    """What a row that JSON lacks is called: where lists are replaced, JSON rules."""
    return "stale" if name == "ticket_history" else "missing_in_json"


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_counts_what_a_whole_verification_counts(name: str, database: Database) -> None:
    made = several(name, 7)
    made[3].write_json([made[3].element(1), made[3].element(2)])
    whole, found = verified(made[0].binding), some(made[0].binding, verify.sample(made[0].binding, "100%"))
    assert (found.parents, found.json_elements, found.table_elements) == (7, 8, 7)
    assert kinds(found) == kinds(whole) == {"missing_in_table": 1}
    assert found.json_checksum != found.table_checksum
    assert found.scope == "a random sample of 100% of the parents"


def test_a_sample_is_random_and_as_large_as_it_was_asked_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = several("device_events", 40)[0].binding
    monkeypatch.setattr(selection, "AT_ONCE", 3)
    drawn = [frozenset(key for page in verify.sample(binding, "7").pages() for key in page) for _ in range(3)]
    assert {len(each) for each in drawn} == {7}
    assert len(set(drawn)) > 1
    assert sum(len(page) for page in verify.sample(binding, "100").pages()) == 40
    shares = [sum(len(page) for page in verify.sample(binding, "50%").pages()) for _ in range(20)]
    assert 200 < sum(shares) < 600  # 400 on the average, and less than one in a million runs out of it


@pytest.mark.parametrize("size", ["0", "-1", "many", "0%", "101%", "5.5", "%", "nan%"])
def test_a_size_that_is_none_is_refused(size: str, database: Database) -> None:
    with pytest.raises(DeclarationError, match="is no size of a sample"):
        verify.sample(at_phase("job_logs", 2), size)


def test_what_is_looked_at_in_part_is_not_stored(database: Database) -> None:
    made = several("job_logs", 2)
    before = verified(made[0].binding)
    some(made[0].binding, verify.sample(made[0].binding, "1"))
    some(made[0].binding, verify.since(made[0].binding, None))
    some(made[0].binding, verify.named(made[0].binding, [str(made[0].key)]))
    assert verify.latest("default", "job_logs") == before


@pytest.mark.parametrize("name", NAMES)
def test_since_sees_appends_foreign_writes_and_rows_by_hand_and_nothing_else(name: str, database: Database) -> None:
    made = several(name, 6)
    binding = made[0].binding
    verified(binding)
    assert changed(binding) == []
    write.append(binding, made[0].key, FIELDS[name](5))
    made[1].write_json([made[1].element(1), made[1].element(3)])
    made[2].add_row(made[2].element(4), 101)
    new = parent(binding, 77)
    seen(binding)
    assert changed(binding) == sorted(each.key for each in (*made[:3], new))
    found = some(binding, verify.since(binding, None))
    assert kinds(found) == {"missing_in_table": 1, lost_class(name): 1}
    verified(binding)
    assert changed(binding) == []


def test_since_sees_what_was_open_while_the_verification_ran(database: Database, connect: Any) -> None:
    """Its mark, its row and its positions are from before; only its transaction tells."""
    made = several("device_events", 2)
    binding = made[0].binding
    other = connect(autocommit=False)
    other.execute("update shapes_device set events = '[]' where id = %s", [made[1].key])
    verified(binding)
    other.commit()
    seen(binding)
    assert changed(binding) == [made[1].key]
    assert kinds(some(binding, verify.since(binding, None))) == {"missing_in_json": 1}


def test_since_does_not_see_a_row_that_was_deleted(database: Database) -> None:
    """As its help says."""
    made = several("device_events", 2)
    verified(made[0].binding)
    with connection.cursor() as cursor:
        cursor.execute("delete from shapes_event where device_id = %s", [made[1].key])
    assert changed(made[0].binding) == []
    assert kinds(verified(made[0].binding)) == {"missing_in_table": 1}


def test_since_counts_rows_of_a_parent_that_is_gone(database: Database) -> None:
    made = several("device_events", 2)
    verified(made[0].binding)
    made[0].add_row(made[0].element(9), 201, parent="00000000-0000-0000-0000-000000000009")
    assert kinds(some(made[0].binding, verify.since(made[0].binding, None))) == {"orphan": 1}


def test_since_a_time_takes_the_verification_that_began_before_it(database: Database) -> None:
    made = several("device_events", 3)
    binding = made[0].binding
    first = verified(binding)
    made[0].write_json([])
    verified(binding)
    made[1].write_json([])
    assert changed(binding) == [made[1].key]
    assert changed(binding, first.started_at) == sorted(each.key for each in made[:2])
    with pytest.raises(Refused, match="no finished verification of device_events that began before"):
        verify.since(binding, first.started_at - timedelta(seconds=1))


def test_since_without_a_verification_is_refused(database: Database) -> None:
    with pytest.raises(Refused, match="There is no finished verification of job_logs; nothing says what has changed"):
        verify.since(at_phase("job_logs", 2), None)


def test_since_a_verification_of_another_server_is_refused(database: Database) -> None:
    binding = several("device_events", 1)[0].binding
    verified(binding)
    with connection.cursor() as cursor:
        cursor.execute("update cutover_verification set horizon = horizon + 1000000")
    with pytest.raises(Refused, match="is from another server, or too many transactions ago"):
        verify.since(binding, None)


def changed(binding: Binding, when: datetime | None = None) -> list[Any]:
    return [key for page in verify.since(binding, when).pages() for key in page]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("job_logs", "nine", "'nine' is no key of jobs_job"),
        ("job_logs", "99999999999999999999", "'99999999999999999999' is no key of jobs_job"),
        ("job_logs", "99", "jobs_job has no row 99"),
        ("device_events", "9", "'9' is no key of shapes_device"),
        ("device_events", "00000000-0000-0000-0000-000000000009", "shapes_device has no row 0000"),
        ("account_tags", "nobody", "shapes_account has no row nobody"),
        ("account_tags", "no\0body", "is no key of shapes_account"),
    ],
)
def test_a_parent_that_is_none_is_named(name: str, text: str, why: str, database: Database) -> None:
    with pytest.raises(DeclarationError, match=why):
        verify.named(at_phase(name, 2), [text])


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_of_a_parent_beside_each_other(name: str, database: Database) -> None:
    (made,) = several(name, 1)
    made.write_json([made.element(n) for n in (1, 2, 3)])
    made.add_row(made.element(3), 5)
    made.add_row(made.element(4), 7)
    made.add_row(made.element(5), 8)
    lines = verify.compared(made.binding, made.key)
    assert [(each.verdict, each.element is not None, each.row is not None) for each in lines] == [
        ("after_json", False, True),
        (lost_class(name), False, True),
        ("agrees", True, True),
        ("missing_in_table", True, False),
        ("agrees", True, True),
    ]
    assert all(each.element == each.row for each in lines if each.verdict == "agrees")


def test_an_element_and_its_row_that_differ_are_one_line(database: Database) -> None:
    (made,) = several("ticket_history", 1)
    made.write_json([["status", 1], ["status", 2]])
    made.add_row(["status", 3], 5)
    assert verify.compared(made.binding, made.key) == [
        Line("items", None, '["status",2]', '["status",3]', "value_differs"),
        Line("items", None, '["status",1]', '["status",1]', "agrees"),
    ]


def test_what_is_no_list_and_what_is_no_element_have_a_line(database: Database) -> None:
    (made,) = several("job_logs", 1)
    made.write_document({"stdout": "nonsense", "stderr": ["line 1", "line 1"]})
    row = made.binding.child.model._default_manager.create(job_id=made.key, position=5, level="ERROR", message="line 1")
    lines = verify.compared(made.binding, made.key)
    assert Line("stdout", None, "nonsense", None, "undecodable") in lines
    assert [each for each in lines if each.stream == "stderr"] == [
        Line("stderr", None, "line 1", "line 1", "agrees"),
        Line("stderr", None, "line 1", None, "repeated"),
    ]
    assert row.pk


def test_the_command_says_which_part_it_was_and_exits_with_6(database: Database) -> None:
    made = several("device_events", 3)
    verified(made[0].binding)
    assert cutover("verify", "device_events", "--sample", "2").exit_code == 0
    made[0].write_json([made[0].element(1), made[0].element(2)])
    told = cutover("verify", "device_events", "--since", "last")
    assert told.exit_code == 6
    assert "Only what was written since the verification of" in told.stdout
    assert "no gate takes this for a verification" in told.stdout
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert cutover("verify", "device_events", "--since", later).exit_code == 6
    assert cutover("verify", "device_events", "--parent", made[1].key).exit_code == 0
    told = cutover("verify", "device_events", "--parent", made[0].key, "--parent", made[1].key, "--json")
    assert (told.exit_code, json.loads(told.stdout)["scope"]) == (6, "2 parents")


def test_the_command_shows_both_sides_cut_and_as_json_whole(database: Database) -> None:
    (made,) = several("account_tags", 1)
    made.write_json(["x" * 500])
    told = cutover("verify", "account_tags", "--parent", made.key, "--show")
    assert told.exit_code == 6
    assert "x" * 127 + "…" in told.stdout
    assert "x" * 128 not in told.stdout
    whole = json.loads(cutover("verify", "account_tags", "--parent", made.key, "--show", "--json").stdout)
    (line,) = whole["sides"][made.key]
    assert (line["element"], line["row"], line["verdict"]) == ("x" * 500, "tag 1", "value_differs")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--sample", "1", "--since", "last"), "--sample and --since are two commands"),
        (("--repair", "--rehydrate"), "--repair and --rehydrate are two commands"),
        (("--show",), "--show goes with --parent"),
        (("--yes",), "--yes goes with --repair or --rehydrate"),
        (("--since", "yesterday"), "'yesterday' is no time"),
    ],
)
def test_options_that_do_not_fit_are_named(args: tuple[str, ...], why: str, database: Database) -> None:
    at_phase("job_logs", 2)
    told = cutover("verify", "job_logs", *args)
    assert told.exit_code == 2
    assert why in told.stderr
