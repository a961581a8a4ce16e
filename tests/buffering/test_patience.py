"""Which parent a flusher waits for, and when; by the clock alone."""

import pytest

from cutover.flush import patience
from cutover.flush.patience import OVERDUE_SECONDS, REST_SECONDS, Patience


class Clock:
    """Seconds that go on when they are told to."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(patience, "time", made)
    return made


def test_a_parent_is_overdue_after_a_second(clock: Clock) -> None:
    seen = Patience()
    seen.saw(3, {"a"}, set(), None)
    assert seen.due() is None
    clock.now += OVERDUE_SECONDS
    seen.saw(3, {"a", "b"}, set(), None)
    assert seen.due() == seen.choose() == (3, "a")


def test_after_a_wait_however_it_ended_the_flusher_rests_and_another_is_next(clock: Clock) -> None:
    seen = Patience()
    seen.saw(3, {"a"}, set(), None)
    clock.now += 0.5
    seen.saw(4, {"b"}, set(), None)
    clock.now += OVERDUE_SECONDS
    assert seen.choose() == (3, "a")  # and then the round fails: nobody says what it saw
    clock.now += REST_SECONDS - 0.1
    assert seen.due() is None
    clock.now += 0.1
    assert seen.choose() == (4, "b")


def test_a_parent_that_was_had_and_has_a_rest_is_waited_for_at_once(clock: Clock) -> None:
    seen = Patience()
    seen.saw(3, {"a"}, set(), None)
    clock.now += OVERDUE_SECONDS
    place = seen.choose()
    seen.saw(3, {"a"}, {"a"}, place)
    assert seen.choose() == (3, "a")
    seen.saw(3, set(), {"a"}, place)
    clock.now += 60
    assert seen.due() is None


def test_what_another_flusher_moves_is_forgotten(clock: Clock) -> None:
    seen = Patience(0.0)
    seen.saw(3, {"a"}, set(), None)
    seen.saw(4, {"b"}, set(), None)
    seen.saw(3, set(), set(), None)
    assert seen.due() == (4, "b")
