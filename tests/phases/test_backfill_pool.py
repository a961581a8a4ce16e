"""Processes that decode beside a worker: the rows are the same, whatever happens to them, and none outlives the worker."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import transaction

from backfilling import EXAMPLES, elements, execute, parent, to_the_end
from cutover import backfill, conf
from cutover.backfill import decoding, pool, pouring, reach, slices, visit
from cutover.backfill.decoding import Given, Inexact, Recipe
from cutover.backfill.pool import Helper
from cutover.chunk import Pace
from cutover.codecs import Codec
from cutover.errors import DeclarationError
from cutover.mapping import Binding
from databases import Database
from plaincodecs import Message, Plain, without_sql

PARENTS, EACH = 12, 400
BAD = "no line"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Help from the first unit on, in small shares; which helper has given something, time after time."""
    found, take = list[int](), Helper.take

    def kept(helper: Helper, wait: float) -> list[tuple[pool.Unit, decoding.Made]]:
        made = take(helper, wait)
        found.extend([helper.process.pid] if made else [])
        return made

    monkeypatch.setattr(Helper, "take", kept)
    monkeypatch.setattr(pool, "AFTER", -1.0)
    monkeypatch.setattr(pool, "cores", lambda: 3)
    monkeypatch.setattr(pool.conf, "decoding_processes", lambda: 2)
    monkeypatch.setattr(pool, "SHARE", 1)
    monkeypatch.setattr(slices, "UNIT_BYTES", 1)
    yield found
    pool.close()


@pytest.fixture
def filled(database: Database) -> Callable[..., dict[int, list[str]]]:
    """Parents with lists of their own, as `without_sql` sees them; the lists, oldest first."""

    def fill(binding: Binding, *, bad: int = 0) -> dict[int, list[str]]:
        made = {}
        for number in range(1, PARENTS + 1):
            lines = [f"[2024-01-02 03:{n // 60:02}:{n % 60:02}] INFO {number}\\n{n}\ttab é" for n in range(EACH)]
            made[number] = lines
            parent(binding, number, {"stdout": lines[::-1] + [f"{BAD} {n}" for n in range(bad if number == 7 else 0)]})
        return made

    return fill


def ready(number: int = 2) -> list[Helper]:
    """Helpers that have said that they are there."""
    pool._held.helpers = pool.started(number)
    for each in pool._held.helpers:
        assert each.take(60) == []
        assert not each.busy
    return pool._held.helpers


def expect(binding: Binding, made: dict[int, list[str]]) -> None:
    assert {number: elements(binding, number) for number in made} == made
    assert backfill.why_incomplete(binding) == []


def test_helpers_make_the_same_rows(taken: list[int], filled: Callable[..., dict[int, list[str]]]) -> None:
    binding = without_sql("job_logs")
    bad = 3
    made = filled(binding, bad=bad)
    helpers = [each.process for each in ready()]
    done = to_the_end(binding)
    expect(binding, made)
    assert done.quarantined == bad
    assert execute(None, "SELECT element FROM cutover_quarantine ORDER BY 1") == [(f'"{BAD} {n}"',) for n in range(bad)]
    assert set(taken) == {each.pid for each in helpers}, "both have helped"
    assert [each.returncode for each in helpers] == [-signal.SIGKILL] * 2, "and are gone with the backfill"


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_helper_had_in_hand_is_made_by_the_worker(
    taken: list[int],
    filled: Callable[..., dict[int, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    blow: signal.Signals,
) -> None:
    """Each helper is killed, or stopped, when it has been given something for the second time."""
    binding = without_sql("job_logs")
    made = filled(binding)
    monkeypatch.setattr(pool, "PATIENCE", 1)
    give, given = Helper.give, list[int]()

    def struck(helper: Helper, recipe: bytes, units: list[pool.Unit]) -> None:
        given.append(helper.process.pid)
        if given.count(helper.process.pid) == 2:
            os.kill(helper.process.pid, blow)
        give(helper, recipe, units)

    monkeypatch.setattr(Helper, "give", struck)
    helpers = [each.process.pid for each in ready()]
    to_the_end(binding)
    expect(binding, made)
    assert set(helpers) <= set(given)
    assert [given.count(each) for each in helpers] == [2, 2], "nobody asks it again"
    assert set(taken) <= set(helpers)


def test_a_helper_that_cannot_begin_is_done_without(
    taken: list[int], filled: Callable[..., dict[int, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = without_sql("job_logs")
    made = filled(binding)
    monkeypatch.setattr(pool, "PROGRAM", "raise SystemExit('there is something wrong here')")
    for each in pool.started(2):
        with pytest.raises(pool.Gone):
            each.take(60)
        each.end()
    to_the_end(binding)
    expect(binding, made)
    assert taken == []


class Local(Plain):
    """A codec that holds what cannot go to another process."""

    def __init__(self, inner: Codec) -> None:
        super().__init__(inner)
        self.other = lambda: None


def test_a_codec_that_cannot_go_there_stays_here(
    taken: list[int], filled: Callable[..., dict[int, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = without_sql("job_logs", Local)
    made = filled(binding)
    monkeypatch.setattr(pool, "started", lambda _: pytest.fail("It has asked for help."))
    to_the_end(binding)
    expect(binding, made)


def test_nobody_helps_where_others_are_at_work(taken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "started", lambda _: pytest.fail("It has asked for help."))
    assert list(pool.made(recipe(), iter([]), alone=False)) == []
    with pytest.raises(pytest.fail.Exception):
        list(pool.made(recipe(), iter([]), alone=True))


@pytest.mark.parametrize(("name", "may"), [("job_logs", True), ("ticket_history", False)])
def test_nobody_helps_where_parents_are_locked(
    database: Database, monkeypatch: pytest.MonkeyPatch, name: str, may: bool
) -> None:
    """A helper that does not answer is waited for, and writers would wait for that chunk's locks as long."""
    binding, asked = without_sql(name), list[bool]()
    parent(binding, 1, EXAMPLES[name])
    fill = pouring.fill

    def kept(*args: Any, alone: bool) -> pouring.Poured:
        asked.append(alone)
        return fill(*args, alone=alone)

    monkeypatch.setattr(pouring, "fill", kept)
    with transaction.atomic():
        visit.prepare(binding)
        visit.fill(binding, reach.among(binding, ["1"], Pace()), Pace(), precise=False, alone=True)
    assert set(asked) == {may}


# What a codec raises, and what is left of a chunk


def recipe(codec: Codec | None = None) -> Recipe:
    return Recipe(codec or Message(), False, (Given("message", str, 5, False),), False, (), 0)


class Changeable(Message):
    """A codec that is compared by its contents, and so has no hash."""

    __hash__ = None  # type: ignore[assignment]


def test_a_codec_without_a_hash_is_taken(taken: list[int]) -> None:
    ready(1)
    found = list(pool.made(recipe(Changeable()), iter([unit("a")]), alone=True))
    assert [each.rows for each in found] == [b"1\t-5\ta\n"]


def unit(*found: str) -> pool.Unit:
    return [('"1"', None, "-5", json.dumps(found)), ('"1"', None, "0", None)]


def test_what_a_helper_gives_back_is_what_the_worker_would_make(taken: list[int]) -> None:
    units = [unit("a", "none", "\t\\é"), unit("none"), unit("b"), unit()]
    expected = [decoding.made(recipe(), each) for each in units]
    assert expected[0].rows.decode() == "1\t-5\ta\n1\t-3\t\\t\\\\é\n"
    (helper,) = ready(1)
    helper.give(pool.packed(recipe()), units)
    assert helper.take(60) == list(zip(units, expected, strict=True))
    assert (helper.given, helper.busy) == ([], False)


def test_a_value_that_does_not_fit_is_inexact_there_too(taken: list[int]) -> None:
    (helper,) = ready(1)
    with pytest.raises(Inexact):
        list(pool.made(recipe(), iter([unit("longer"), unit("ab")]), alone=True))
    assert (helper.given, helper.ended) == ([], False), "it has answered"


def test_what_a_codec_raises_is_raised_here(taken: list[int]) -> None:
    """The helper ends by it; the worker meets it by itself."""
    (helper,) = ready(1)
    with pytest.raises(ZeroDivisionError) as raised:
        list(pool.made(recipe(), iter([unit("error")]), alone=True))
    assert raised.value.args == (os.getpid(),)
    assert helper.process.returncode is not None


def test_what_is_left_of_a_chunk_that_has_failed_is_not_taken_for_the_next(taken: list[int]) -> None:
    (helper,) = ready(1)
    failed = pool.made(recipe(), iter([unit("old"), unit("older"), unit("last")]), alone=True)
    next(failed)
    assert helper.given
    rows = b"".join(each.rows for each in pool.made(recipe(), iter([unit("new")]), alone=True))
    assert rows == b"1\t-5\tnew\n"
    assert helper.process.returncode is not None


def test_no_helper_outlives_its_worker(taken: list[int]) -> None:
    """Each ends when the other end of its socket is closed, and no other helper keeps that open."""
    helpers = ready(2)
    for each in helpers:
        each.link.close()
        each.process.wait(10)


@pytest.mark.parametrize("where", ["take", "share"])
def test_a_time_limit_of_the_application_passes_through(
    taken: list[int], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It may be a TimeoutError, which is an OSError, as is what a helper that is gone gives. Nothing is taken for the end."""
    ready(1)
    monkeypatch.setattr(pool, "SHARE", 1000)

    def units() -> Iterator[pool.Unit]:
        yield unit("a")
        if where == "share":
            raise TimeoutError("soft limit")
        yield unit("b")

    if where == "take":
        monkeypatch.setattr(pool.Connection, "poll", lambda *_: raised(TimeoutError("soft limit")))
        pool._held.helpers[0].busy = True  # type: ignore[index]
    with pytest.raises(TimeoutError, match="soft limit"):
        list(pool.made(recipe(), units(), alone=True))


def raised(error: Exception) -> None:
    raise error


def test_what_a_helper_refuses_is_looked_at_here(taken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec that knows more in this process: what it decodes here is no refusal."""
    (helper,) = ready(1)
    monkeypatch.setattr(Message, "decode", lambda _, element: {"message": element})
    found = list(pool.made(recipe(), iter([unit("none"), unit("a", "none")]), alone=True))
    assert [each.rows.count(b"\n") for each in found] == [2, 1]
    assert not any(each.refused for each in found)
    assert helper.process.pid in taken


def test_another_recipe_that_cannot_go_there_leaves_the_helpers_alone(taken: list[int]) -> None:
    (helper,) = ready(1)
    assert list(pool.made(recipe(Local(Message())), iter([unit("a")]), alone=True)) == [
        decoding.made(recipe(), unit("a"))
    ]
    assert (helper.ended, helper.busy) == (False, False)


def test_a_process_that_cannot_be_started_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one; the first helps."""
    start, number = subprocess.Popen, [0]

    def failing(*args: Any, **more: Any) -> Any:
        number[0] += 1
        return start(*args, **more) if number[0] == 1 else raised(BlockingIOError("no more processes"))

    monkeypatch.setattr(pool.subprocess, "Popen", failing)
    helpers = pool.started(3)
    assert (len(helpers), number) == (1, [2])
    helpers[0].end()


def test_settings_that_are_no_module_cannot_be_passed_on(settings: LazySettings) -> None:
    """Those of `configure`, or overridden ones."""
    settings.CUTOVER_DECODING_PROCESSES = 2
    assert pool.started(2) == []


@pytest.mark.parametrize(("said", "most"), [(None, 0), (1, 1), (3, 3)])
def test_how_many_may_help_is_a_setting(settings: LazySettings, said: int | None, most: int) -> None:
    settings.CUTOVER_DECODING_PROCESSES = said
    assert conf.decoding_processes() == most


def test_a_wrong_number_is_told_before_anything_is_done(database: Database, settings: LazySettings) -> None:
    binding = without_sql("job_logs")
    settings.CUTOVER_DECODING_PROCESSES = -1
    with pytest.raises(DeclarationError, match="CUTOVER_DECODING_PROCESSES is -1"):
        next(backfill.run(binding))


@pytest.mark.parametrize(("quota", "most"), [("max 100000", 64), ("150000 100000", 1), ("400000 100000", 4)])
def test_cores_are_those_that_a_container_may_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, most: int
) -> None:
    monkeypatch.setattr(pool, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(pool.os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert pool.cores() == 64
    pool.QUOTA.write_text(f"{quota}\n")
    assert pool.cores() == most


def test_short_work_asks_for_no_help(taken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "AFTER", 60.0)
    monkeypatch.setattr(pool, "started", lambda _: pytest.fail("It has asked for help."))
    assert list(pool.made(recipe(), iter([unit("a")]), alone=True)) == [decoding.made(recipe(), unit("a"))]
    assert 0 < pool._held.seconds < 60
    pool._held.seconds = 61.0
    with pytest.raises(pytest.fail.Exception):
        list(pool.made(recipe(), iter([unit("a")]), alone=True))
