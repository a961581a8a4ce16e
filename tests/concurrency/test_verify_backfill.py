"""Verification beside writers and a running backfill: history may be pending, and nothing ever differs."""

import threading

import pytest
from django.db import connections

from bothsides import NAMES, kinds, parent, verified
from cutover import backfill
from databases import Database
from livewriters import writing
from stages import at_phase
from waiting import wait_until


@pytest.mark.parametrize("name", NAMES)
def test_a_running_backfill_makes_no_difference(name: str, database: Database) -> None:
    binding = at_phase(name, 2)
    pairs = [parent(binding, number) for number in range(12)]
    for made in pairs:
        made.write_json([made.element(n) for n in range(30)])
    errors: list[BaseException] = []

    def bring() -> None:
        try:
            list(backfill.run(binding))
        except BaseException as error:  # noqa: BLE001 - told at the end
            errors.append(error)
        finally:
            connections.close_all()

    with writing(pairs[:6]) as written:
        wait_until(lambda: written() > 20, why="the writers have begun")
        thread = threading.Thread(target=bring)
        thread.start()
        while thread.is_alive():
            found = verified(binding)
            assert not found.differs, found
            assert set(kinds(found)) <= {"pending", "beyond_cap"}
        thread.join(30)
    assert errors == []
    found = verified(binding)
    assert set(kinds(found)) <= {"beyond_cap"}
    assert found.json_checksum == found.table_checksum
