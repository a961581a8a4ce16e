"""The story: a live system goes through the five phases, step by step, while its processes go on working.

Read `tell` for the whole of it. What a step may do to the system is `stage`.
"""

from collections.abc import Iterator

from cutover.demo import buffering, oracle
from cutover.demo.events import Event, Noted
from cutover.demo.project import NAME, Deployment
from cutover.demo.stage import Stage
from cutover.phase import Phase


def tell(stage: Stage) -> Iterator[Event]:
    yield from legacy(stage)
    yield from convert(stage)
    yield from add_table(stage)
    yield from dual_write(stage)
    yield from backfill(stage)
    yield from property_shim(stage)
    yield from stop_json_writes(stage)
    yield from backfill_and_drop(stage)
    yield from remove_field(stage)
    yield from finish(stage)


def legacy(stage: Stage) -> Iterator[Event]:
    """The handler of before: it reads, changes and writes back, and loses what others wrote in between."""
    yield from stage.begin("legacy", None)
    yield from stage.watched(stage.fleet.launch(stage.deployment))
    yield from stage.dwell(0.15)


def convert(stage: Stage) -> Iterator[Event]:
    """The code that knows the toolkit, at phase 0: JSON alone, in one statement. From the last restart on, nothing is lost."""
    yield from stage.roll(Deployment("converted"))
    yield from stage.take_baseline()
    yield from stage.begin("not started", Phase.NOT_STARTED)
    yield from stage.dwell(0.22)
    yield from stage.audit()


def add_table(stage: Stage) -> Iterator[Event]:
    """The child table and the watch trigger, while writers write."""
    yield from stage.migrate(Phase.ADD_TABLE)
    yield from buffering.begin(stage)
    yield from stage.advance(Phase.ADD_TABLE)
    yield from stage.dwell(0.32)
    yield from stage.audit()


def dual_write(stage: Stage) -> Iterator[Event]:
    """JSON and rows in one statement. The gate waits until no foreign writer was seen for the quiet time."""
    yield from stage.migrate(Phase.DUAL_WRITE)
    yield from stage.flag(Phase.DUAL_WRITE)
    yield from stage.advance(Phase.DUAL_WRITE)
    stage.dual_since = oracle.now(stage.connection)
    yield from buffering.lose_flusher(stage)
    yield from stage.dwell(0.42)
    yield from stage.audit()


def backfill(stage: Stage) -> Iterator[Event]:
    """The history, by two workers at once, and the proof that both sides hold the same."""
    command = stage.project.cutover("backfill", NAME, "--json")
    yield from stage.run(command, command)
    stage.backfilled = oracle.now(stage.connection)
    yield from stage.verify()
    yield from stage.dwell(0.5)


def property_shim(stage: Stage) -> Iterator[Event]:
    """The same attribute, served from rows."""
    yield from stage.migrate(Phase.PROPERTY_SHIM)
    yield from stage.flag(Phase.PROPERTY_SHIM)
    yield from stage.advance(Phase.PROPERTY_SHIM)
    yield from buffering.lose_redis(stage)
    yield from stage.dwell(0.62)
    yield from stage.audit()


def stop_json_writes(stage: Stage) -> Iterator[Event]:
    """An append is one INSERT, and waits for nobody who holds the job's row."""
    yield from stage.migrate(Phase.STOP_JSON_WRITES)
    yield from stage.flag(Phase.STOP_JSON_WRITES)
    yield from stage.advance(Phase.STOP_JSON_WRITES)
    yield from buffering.lose_flusher(stage)
    yield from stage.dwell(0.75)
    yield from stage.audit()


def backfill_and_drop(stage: Stage) -> Iterator[Event]:
    """The last look at JSON: nothing is there that has no row."""
    yield from stage.run(stage.project.cutover("backfill", NAME, "--json"))
    yield from stage.verify()
    yield from stage.flag(Phase.BACKFILL_AND_DROP)
    yield from stage.advance(Phase.BACKFILL_AND_DROP)
    yield from stage.dwell(0.85)
    yield from stage.audit()


def remove_field(stage: Stage) -> Iterator[Event]:
    """The release without the field, and in the next one the drop, which asks the ledger before it does anything."""
    yield from stage.roll(Deployment("field_removed", Phase.BACKFILL_AND_DROP))
    yield from stage.migrate(Phase.BACKFILL_AND_DROP)  # the field leaves the state
    yield from stage.dwell(0.92)
    yield from stage.migrate(Phase.BACKFILL_AND_DROP)  # the column leaves the table
    yield from stage.begin("column dropped", Phase.BACKFILL_AND_DROP)
    yield from stage.dwell(1.0, at_least=2)


def finish(stage: Stage) -> Iterator[Event]:
    """Everybody ends the line that he is at; then every element is counted."""
    yield from stage.look()
    yield from stage.watched(stage.fleet.stop())
    yield from stage.look()
    yield from buffering.empty(stage)
    yield from stage.audit()
    stage.compare()
    yield Noted("every element has been compared with the oracle")
