"""Start, roll back, start again, complete: every shape of cutover, under live writers and a reader who may miss nothing."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import call_command

import stages
import traffic
from cutover import backfill, lease, ledger, runner, verify
from cutover.demo.server import Server
from cutover.mapping import bind
from cutover.phase import Phase
from databases import Database
from shapes import SHAPES, Shape
from traffic import OwnBeliefs, Traffic

MENDS = 10
pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(params=SHAPES, ids=lambda shape: shape.name)
def live(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traffic]:
    """Not started, with history in every shape of document, every flag on, two writers and a reader at work."""
    shape: Shape = request.param
    monkeypatch.setattr(bind(shape.name).cutover, "quiet", timedelta(0))
    monkeypatch.setattr(lease, "_held", OwnBeliefs())
    stages.set_flags(shape.name, Phase.BACKFILL_AND_DROP)
    made = traffic.traffic(shape)
    with made.running():
        made.goes_on()
        made.everybody_sees_what_was_committed()
        yield made


def go(live: Traffic, *phases: int) -> None:
    """Move by move, through gates and settling; after each, traffic goes on and every reader sees what was committed."""
    for to in map(Phase, phases):
        forward = to > ledger.read(live.binding.alias, live.binding.name).phase
        *_, last = (runner.advance if forward else runner.rollback)(runner.Order(live.binding, to))
        assert isinstance(last, runner.Settled)
        live.everybody_sees_what_was_committed()
        live.goes_on()
        live.everybody_sees_what_was_committed()


def fill(live: Traffic) -> None:
    *_, last = backfill.run(live.binding)
    assert last.finished
    live.everybody_sees_what_was_committed()


def verified(live: Traffic) -> verify.Result:
    *_, last = verify.run(live.binding, resume=False)
    return last.result


def compare(live: Traffic) -> None:
    """With writers who only append, the two sides never disagree."""
    found = verified(live)
    assert not found.differs, (found.found, found.examples)


def mend(live: Traffic) -> None:
    """What the gates ask for after a time of JSON alone: its elements have no rows, and rows from before are out of order.

    Once is not always enough: a writer who goes on adding what an old row is equal to moves that row again.
    """
    for _ in range(MENDS):
        if not verified(live).differs:
            return
        list(verify.repair(live.binding, apply=True))
        live.everybody_sees_what_was_committed()
    compare(live)


def rehydrate(live: Traffic) -> None:
    *_, last = verify.rehydrate(live.binding)
    assert (last.done, last.left) == (True, 0)
    live.everybody_sees_what_was_committed()


@pytest.mark.slow
@pytest.mark.parametrize("early", [True, False], ids=["backfilled_early", "backfilled_late"])
def test_every_reader_sees_what_was_committed_at_every_step_there_and_back(live: Traffic, early: bool) -> None:
    go(live, 1, 2)
    if early:
        fill(live)
    go(live, 1)
    mend(live)
    go(live, 2)
    if early:
        fill(live)
    mend(live)
    go(live, 3, 2)
    compare(live)
    go(live, 3, 4, 3)
    rehydrate(live)
    compare(live)
    go(live, 2)
    compare(live)
    go(live, 3, 4)
    fill(live)
    compare(live)
    go(live, 5, 4)
    compare(live)
    go(live, 5)


@pytest.mark.parametrize("app", ["jobs", "shapes"])
@pytest.mark.parametrize("back_to", ["0002", "0001", "zero"], ids=["index", "watch_trigger", "table"])
def test_schema_is_the_same_after_the_migrations_went_there_and_back(
    server: Server, database: Database, app: str, back_to: str
) -> None:
    before = dump(server, database)
    call_command("migrate", app, back_to, verbosity=0)
    assert dump(server, database) != before
    call_command("migrate", app, verbosity=0)
    assert dump(server, database) == before


def dump(server: Server, database: Database) -> str:
    """The schema, without the keys that newer releases draw for each dump."""
    text = server.run("pg_dump", "--schema-only", database.name)
    return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))
