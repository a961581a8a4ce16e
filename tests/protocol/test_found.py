"""What the walks have found, each by itself."""

from datetime import timedelta

import pytest

import stages
from backfilling import parent, to_the_end
from cutover import backfill, conf, lease, ledger, read, runner, verify, write
from cutover.errors import Refused
from cutover.mapping import bind
from cutover.phase import Phase

pytestmark = pytest.mark.usefixtures("database")


def test_what_was_replaced_at_the_last_phase_does_not_come_back_when_it_is_left() -> None:
    binding = stages.at_phase("ticket_history", Phase.STOP_JSON_WRITES)
    key = parent(binding, 1, {"changes": {"items": [["state", 1], ["owner", 2]]}})
    to_the_end(binding)
    stages.at_phase("ticket_history", Phase.BACKFILL_AND_DROP)
    write.replace(binding, key, "items", [["owner", 2]])
    assert read.read(binding, key) == {"changes": {"items": [["owner", 2]]}}
    stages.at_phase("ticket_history", Phase.STOP_JSON_WRITES)
    assert read.read(binding, key) == {"changes": {"items": [["owner", 2]]}}


def test_a_backfill_that_was_complete_waits_when_the_phase_has_not_settled() -> None:
    binding = stages.at_phase("device_events", Phase.DUAL_WRITE)
    to_the_end(binding)
    backfill.reset(binding)
    stages.set_flags("device_events", Phase.PROPERTY_SHIM)
    worker = backfill.run(binding)
    while not next(worker).segments_done:
        pass
    stages.move_only("device_events", Phase.PROPERTY_SHIM)
    assert "PROPERTY_SHIM, which has not settled" in next(each.waiting for each in worker if each.waiting)
    worker.close()


def test_flags_that_are_behind_hide_nothing_after_the_way_back_from_phase_4() -> None:
    binding = stages.at_phase("device_events", Phase.STOP_JSON_WRITES)
    key = parent(binding, 1, [])
    write.append(binding, key, {"kind": "on"})
    stages.at_phase("device_events", Phase.PROPERTY_SHIM)
    stages.set_flags("device_events", Phase.DUAL_WRITE)
    lease.forget()
    assert not conf.flag("device_events", Phase.PROPERTY_SHIM)
    assert ledger.read(binding.alias, binding.name).phase is Phase.PROPERTY_SHIM
    assert read.read(bind("device_events"), key) == [{"kind": "on"}]


def test_json_is_not_read_alone_while_it_lacks_a_row_that_a_replace_kept() -> None:
    binding = stages.at_phase("ticket_history", Phase.STOP_JSON_WRITES)
    key = parent(binding, 1, {"changes": {"items": [["state", 1], ["owner", 2]]}})
    to_the_end(binding)
    write.replace(binding, key, "items", [["owner", 2]])
    stages.at_phase("ticket_history", Phase.PROPERTY_SHIM)
    back = runner.Order(binding, Phase.DUAL_WRITE)
    list(verify.rehydrate(binding))
    list(verify.run(binding))
    with pytest.raises(Refused, match="rehydrated does not hold"):
        list(runner.rollback(back))
    list(verify.repair(binding, apply=True))
    list(verify.run(binding))
    list(runner.rollback(back))
    lease.forget()
    assert read.read(binding, key) == {"changes": {"items": [["owner", 2]]}}


def test_a_row_is_not_left_behind_by_json_alone_when_the_move_there_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    binding = stages.at_phase("ticket_history", Phase.DUAL_WRITE)
    monkeypatch.setattr(binding.cutover, "quiet", timedelta(0))
    key = parent(binding, 1, {"changes": {"items": []}})
    write.append(binding, key, {"field": "state", "amount": 1})
    stages.move_only("ticket_history", Phase.ADD_TABLE)
    lease.forget()
    write.replace(binding, key, "items", [["owner", 2]])
    with pytest.raises(Refused, match="no_stale_rows does not hold"):
        list(runner.advance(runner.Order(binding, Phase.DUAL_WRITE)))
