"""The size of the next chunk."""

from datetime import timedelta

from cutover.chunk import Pace


def learned(pace: Pace, seconds: float, *, elements: int = 0, size_bytes: int = 0) -> int:
    pace.learn(parents=pace.size, elements=elements, size_bytes=size_bytes, took=timedelta(seconds=seconds))
    return pace.size


def test_a_fast_chunk_is_followed_by_one_at_most_twice_as_large() -> None:
    assert learned(Pace(), 0.0001) == 200


def test_a_slow_chunk_is_followed_at_once_by_one_that_fits() -> None:
    assert learned(Pace(), 5.0) == 10


def test_many_elements_bound_the_parents() -> None:
    assert learned(Pace(), 0.5, elements=100_000) == 25


def test_many_bytes_bound_the_parents() -> None:
    assert learned(Pace(), 0.5, size_bytes=64 * 1024 * 1024) == 25


def test_it_settles_at_the_target_time() -> None:
    pace = Pace()
    for _ in range(50):
        learned(pace, pace.size * 0.001)
    assert 450 <= pace.size <= 550


def test_halving_ends_at_one() -> None:
    pace = Pace(parents=3)
    assert pace.halve()
    assert pace.size == 1
    assert not pace.halve()
