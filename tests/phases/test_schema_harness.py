"""Every operation: forwards, again, backwards, again, forwards; killed at every change; and the schema is what it should be."""

import re
from collections.abc import Callable
from itertools import count
from typing import Any

import psycopg
import pytest
from django.db import connection, migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.writer import OperationWriter

import catalogue
import operationcases
from databases import Database
from operationcases import CASES, Case

Connect = Callable[..., psycopg.Connection[Any]]
every_operation = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


CHANGES = re.compile(r"\s*(ALTER|CREATE|DROP|COMMENT|INSERT|UPDATE|DELETE|WITH|COPY)\b", re.IGNORECASE)


class Killed(BaseException):
    """The process ends: nobody catches it."""


@every_operation
def test_forwards_and_backwards_twice_each_lead_to_the_same_schema(
    case: Case, database: Database, connect: Connect
) -> None:
    look = connect()
    case.before()
    start = catalogue.schema(look)
    operationcases.forwards(case)
    done = catalogue.schema(look)
    operationcases.forwards(case)
    assert catalogue.schema(look) == done
    for _ in range(2):
        operationcases.backwards(case)
        assert catalogue.schema(look) == (start if case.undone else done)
    operationcases.forwards(case)
    assert catalogue.schema(look) == done


@every_operation
def test_killed_before_any_of_its_changes_it_is_run_again(case: Case, database: Database, connect: Connect) -> None:
    look = connect()
    case.before()
    start = catalogue.schema(look)
    operationcases.forwards(case)
    done = catalogue.schema(look)
    for step, end in ((operationcases.backwards, start if case.undone else done), (operationcases.forwards, done)):
        for number in count():
            finished = not killed(step, case, at=number)
            step(case)
            assert catalogue.schema(look) == end
            if finished:
                break
            (operationcases.forwards if step is operationcases.backwards else operationcases.backwards)(case)


def killed(step: Any, case: Case, at: int) -> bool:
    """Run it until its change of this number, and end the connection there; False where it has fewer."""
    numbers = count()

    def wrapper(execute: Any, statement: str, *args: Any) -> Any:
        if CHANGES.match(statement) and next(numbers) == at:
            raise Killed
        return execute(statement, *args)

    try:
        step(case, wrapper)
    except Killed:
        connection.close()
        return True
    return False


@every_operation
def test_it_says_what_it_locks_and_can_be_written_down(case: Case, database: Database) -> None:
    operation = case.operation
    name, args, kwargs = operation.deconstruct()
    assert type(operation)(*args, **kwargs).deconstruct() == (name, args, kwargs)
    assert operation.describe()
    assert operation.migration_name_fragment
    text, _ = OperationWriter(operation).serialize()
    assert type(operation).__name__ in text
    before, after = operationcases.states(case)
    with connection.schema_editor(collect_sql=True) as editor:
        operation.database_forwards("jobs", editor, before, after)
    assert editor.collected_sql[0].startswith("-- Lock")
    assert all(f"{lock.mode.value} on {lock.table}" in editor.collected_sql[0] for lock in operation.locks)


@every_operation
def test_squashing_keeps_it(case: Case) -> None:
    parent = migrations.CreateModel(
        "Job", [("id", models.BigAutoField(primary_key=True)), ("logs", models.JSONField())]
    )
    around: list[Operation] = [
        parent,
        case.operation,
        migrations.AddField("Job", "more", models.IntegerField(null=True)),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("Job", "logs")]),
    ]
    assert [type(each) for each in operationcases.optimized(around)].count(type(case.operation)) == 1


def test_table_that_is_merged_with_what_follows_stays_one_that_is_made_once() -> None:
    merged = operationcases.optimized(
        [operationcases.TABLE, migrations.AddField("Extra", "more", models.IntegerField(null=True))]
    )
    assert [type(each) for each in merged] == [type(operationcases.TABLE)]
    assert dict(merged[0].fields).keys() == {"id", "job", "text", "more"}
