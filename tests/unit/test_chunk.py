"""The size of the next chunk."""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from cutover import chunk
from cutover.chunk import Pace

TRUTHS = {  # seconds for a chunk, a parent, an element, a byte
    "fast": (0.005, 10e-6, 6e-6, 2e-9),
    "slow": (0.02, 300e-6, 90e-6, 50e-9),
    "slow commits": (0.04, 5e-6, 5e-6, 1e-9),
    "heavy bytes": (0.005, 20e-6, 2e-6, 60e-9),
}


def learned(pace: Pace, seconds: float, *, elements: int = 0, size_bytes: int = 0) -> int:
    pace.learn(parents=pace.size, elements=elements, size_bytes=size_bytes, took=timedelta(seconds=seconds))
    return pace.size


def chunks(pace: Pace, parents: list[tuple[int, int]], truth: tuple[float, ...]) -> Iterator[tuple[int, float]]:
    """Go through parents of so many elements and bytes as the statement `reach` does: the parents of each chunk, its seconds."""
    start = 0
    while start < len(parents):
        taken, elements, size_bytes = 0, 0, 0
        for more, bytes_more in parents[start : start + pace.size]:
            share = (taken + 1) / pace.most_parents + (elements + more) / pace.elements
            if taken and share + (size_bytes + bytes_more) / pace.size_bytes > 1:
                break
            taken, elements, size_bytes = taken + 1, elements + more, size_bytes + bytes_more
        seconds = truth[0] + truth[1] * taken + truth[2] * elements + truth[3] * size_bytes
        pace.learn(parents=taken, elements=elements, size_bytes=size_bytes, took=timedelta(seconds=seconds))
        start += taken
        yield taken, seconds


def mixed() -> list[tuple[int, int]]:
    """Runs of parents with nothing, with some, with many, and with parents of all sizes up to 100,000 elements."""
    found = random.Random(1)  # noqa: S311 - the same parents each time
    sizes = [0] * 30_000 + [20_000] * 20 + [100] * 3_000 + [0] * 20_000 + [1000] * 300 + [0] * 5_000
    sizes += [found.choice((0, 0, 0, 1, 10, 100, 1_000, 10_000, 100_000)) for _ in range(2_000)]
    return [(size, 2 + size * found.choice((10, 60, 400))) for size in sizes]


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


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
@pytest.mark.parametrize("target", [0.1, 0.5])
def test_no_chunk_of_several_parents_takes_twice_the_target_however_they_are_mixed(
    truth: tuple[float, ...], target: float
) -> None:
    pace = Pace(target=timedelta(seconds=target), largest=20_000, most_elements=250_000, most_bytes=64 * 1024 * 1024)
    longest = max(seconds for parents, seconds in chunks(pace, mixed(), truth) if parents > 1)
    assert longest <= 2 * target


@pytest.mark.parametrize("elements", [0, 10, 1_000])
def test_parents_of_one_kind_fill_most_of_the_target_time(elements: int) -> None:
    pace = Pace(largest=1_000_000, most_elements=250_000, most_bytes=64 * 1024 * 1024)
    parents = [(elements, 60 * elements)] * (10_000_000 // (20 + elements * 6))
    found = list(chunks(pace, parents, TRUTHS["fast"]))
    assert len(found) > 15
    assert 0.4 <= found[-2][1] <= 0.6


def test_a_run_of_empty_parents_leaves_the_elements_alone() -> None:
    pace = Pace()
    before = pace.elements
    for _ in range(20):
        learned(pace, pace.size * 1e-6)
    assert pace.size > 10_000
    assert pace.elements == before


def test_long_documents_are_read_as_far_as_they_fit_by_what_the_heaviest_of_them_held() -> None:
    pace = Pace()
    before = pace.stored_bytes
    pace.weigh([(10, 5_000, 5_000), (100_000, 5_000_000, 200_000)])  # half an element in each stored byte
    heavy = pace.stored_bytes
    assert heavy < before / 5
    assert heavy == pytest.approx(1.25 * 0.5 / pace.costs.seconds(1, 100_000, 5_000_000) * 200_000)
    pace.weigh([(10, 5_000, 5_000)])
    assert pace.stored_bytes == pytest.approx(heavy * 2)
    pace.weigh([])
    assert pace.stored_bytes == pytest.approx(heavy * 2)


def test_another_target_is_another_size_at_once() -> None:
    pace = Pace()
    before = pace.elements
    pace.target = timedelta(seconds=0.1)
    assert pace.elements == pytest.approx(before / 5)


def test_halving_ends_at_one() -> None:
    pace = Pace(parents=3)
    before = pace.elements
    assert pace.halve()
    assert pace.size == 1
    assert pace.elements == before / 2
    assert not pace.halve()


def settled(pace: Pace, seconds: Callable[[int], float], after: int = 100) -> list[tuple[int, float]]:
    """Parents and seconds of the chunks after so many, where a chunk of so many parents takes so many seconds."""
    found = []
    for number in range(2 * after):
        size = pace.size
        pace.learn(parents=size, elements=20 * size, size_bytes=0, took=timedelta(seconds=seconds(size)))
        found += [(size, seconds(size))] if number >= after else []
    return found


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("parent", [20e-6, 400e-6])
@pytest.mark.parametrize(("fixed", "contents"), [(0.052, 1.5), (0.1, 1.5), (0.2, 1.2), (0.4, 0.6), (0.6, 0.3)])
def test_what_a_chunk_takes_without_its_contents_never_crowds_them_out(
    fixed: float, contents: float, parent: float, noise: float
) -> None:
    """A server far away, or one that waits for a standby, and a target that is shorter than a transaction without anything."""
    chance = random.Random(1)  # noqa: S311 - the same noise each time
    pace = Pace(target=timedelta(seconds=0.05), largest=20_000, most_elements=1_000_000)
    found = settled(pace, lambda size: (fixed + parent * size) * (1 + chance.uniform(-noise, noise)))
    sizes = sorted(size for size, _ in found)
    assert parent * sizes[len(sizes) // 2] / fixed >= contents * (1 - 2.5 * noise)
    assert parent * sizes[0] / fixed >= contents * (1 - 4.5 * noise)
    assert parent * sizes[-1] <= 2 * chunk.STRETCHED * 0.05 * (1 + noise)


@pytest.mark.parametrize("elements", [[100], [1_000], [50, 100, 200]])
@pytest.mark.parametrize(("target", "fixed"), [(0.02, 0.012), (0.02, 0.03), (0.05, 0.06), (0.05, 0.3)])
def test_a_chunk_that_begins_with_one_parent_does_not_stay_there(
    target: float, fixed: float, elements: list[int]
) -> None:
    """Where the first chunks hold one parent all are of one size, and what they take without it would pass for its own."""
    pace = Pace(target=timedelta(seconds=target), largest=20_000, most_elements=1_000_000)
    parents = [(each, 60 * each) for each in elements * 6_000]
    found = list(chunks(pace, parents, (fixed, 10e-6, 10e-6, 1e-9)))
    late = sorted(taken for taken, _ in found[len(found) // 2 : -1])
    one = 10e-6 + (10e-6 + 60e-9) * sum(elements) / len(elements)
    assert late[len(late) // 2] * one >= 0.8 * fixed
    assert sum(seconds for _, seconds in found) < 0.75 * len(parents) * (fixed + one)


def test_heavy_parents_are_tried_together_once() -> None:
    """Each takes most of a chunk by itself: the trial shows that nothing is to be had."""
    pace = Pace(target=timedelta(seconds=0.05), largest=20_000, most_elements=1_000_000)
    found = list(chunks(pace, [(1_000, 60_000)] * 200, (0.001, 10e-6, 45e-6, 1e-9)))
    assert [taken for taken, _ in found].count(1) >= 190
    assert max(seconds for _, seconds in found) <= 0.1


def with_a_trial(pace: Pace, elements: int, seconds: float) -> Pace:
    """A pace whose next chunk is to try a second parent."""
    pace.parents = 1.0
    while pace.trial == 1.0:
        pace.learn(parents=1, elements=elements, size_bytes=60 * elements, took=timedelta(seconds=seconds))
    assert pace.size == 2
    return pace


@pytest.mark.parametrize(("elements", "seconds"), [(100, 0.06), (2_000, 0.11), (1_000, 0.3)])
def test_halving_ends_at_one_where_more_was_to_be_tried(elements: int, seconds: float) -> None:
    pace = with_a_trial(Pace(target=timedelta(seconds=0.05)), elements, seconds)
    sizes = [pace.size]
    while pace.halve():
        sizes.append(pace.size)
        assert len(sizes) < 4
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("target", [0.02, 0.5])
def test_another_target_ends_a_trial_and_the_same_one_does_not(target: float) -> None:
    """A trial while nobody was at work would be a long chunk once others are."""
    pace = with_a_trial(Pace(target=timedelta(seconds=0.05), largest=20_000), 1_000, 0.3)
    room = pace.room
    pace.retarget(timedelta(seconds=0.05))
    assert pace.room == room > 2 * pace.usual
    pace.retarget(timedelta(seconds=target))
    assert pace.room == pace.usual
    assert pace.room < room or target > 0.05


@pytest.mark.parametrize(
    ("parents", "truth", "longest"),
    [
        ([1_000, 100] * 100, (0.0, 0.0, 100e-6, 0.0), 0.25),
        ([2_000, 200] * 100, (0.0, 0.0, 100e-6, 0.0), 0.25),
        ([20_000] + [0] * 3_000, (0.001, 1e-6, 400e-6, 0.0), 1.0),
        ([each * 997 % 100_000 for each in range(300)], (0.0, 0.0, 400e-6, 0.0), 1.0),
        ([each * 7 % 1_000 for each in range(1, 300)], (0.0, 0.0, 400e-6, 0.0), 1.0),
        ([10_000] * 20, (0.0, 0.0, 400e-6, 0.0), 0.1),
    ],
)
def test_a_second_parent_is_tried_a_few_times_and_where_that_is_short(
    parents: list[int], truth: tuple[float, ...], longest: float
) -> None:
    """Contents that take four times what they take on a slow machine, and parents of which no two are alike."""
    pace = Pace(target=timedelta(seconds=0.05), largest=20_000, most_elements=1_000_000, most_bytes=1024**3)
    found = list(chunks(pace, [(each, 2 + 60 * each) for each in parents * 3], truth))
    long = [seconds for taken, seconds in found if taken > 1 and seconds > 0.1]
    assert len(long) <= 3
    assert max(long, default=0.0) <= longest


def test_where_only_parents_are_counted_a_trial_is_one_of_two() -> None:
    """A verification takes as many as `size` says, whatever they hold."""
    pace = Pace(largest=10_000, most_elements=5_000_000, most_bytes=1024**3)
    pace.learn(parents=100, elements=100, size_bytes=100_000, took=timedelta(seconds=60))
    assert pace.size == 1
    for _ in range(3):
        pace.learn(parents=1, elements=300_000, size_bytes=300_000, took=timedelta(seconds=0.3))
        assert pace.size <= 2
    pace = Pace(most_elements=25_000, parents=1)
    for _ in range(4):
        pace.learn(parents=1, elements=20_000, size_bytes=20_000, took=timedelta(seconds=0.1))
        assert pace.size == 1


def test_a_chunk_that_took_no_time_is_none_to_divide_by() -> None:
    pace = Pace()
    pace.learn(parents=1, elements=1, size_bytes=10, took=timedelta(0))
    assert pace.size >= 1


def test_what_comes_to_take_longer_without_its_contents_is_noticed() -> None:
    """However slowly: a chunk that shrinks is no faster."""
    pace = Pace(target=timedelta(seconds=0.05), largest=20_000, most_elements=1_000_000)
    settled(pace, lambda size: 0.005 + 100e-6 * size)
    for step in range(100):
        settled(pace, lambda size, step=step: 0.005 + 0.001 * step + 100e-6 * size, 5)  # type: ignore[misc]
    assert min(size for size, _ in settled(pace, lambda size: 0.105 + 100e-6 * size)) * 100e-6 > 0.1


def test_where_writers_wait_a_chunk_gets_no_longer_for_it() -> None:
    pace = Pace(target=timedelta(seconds=0.1), longest=timedelta(seconds=0.1))
    assert max(seconds for _, seconds in settled(pace, lambda size: 0.06 + 100e-6 * size)) <= 0.11


@pytest.mark.parametrize("share", [0.3, 0.6, 1.5])
def test_a_commit_that_grows_with_the_contents_is_one_of_their_costs(share: float) -> None:
    pace = Pace(target=timedelta(seconds=0.05))
    found = settled(pace, lambda size: 0.005 + 100e-6 * size * (1 + share))
    assert all(0.03 <= seconds <= 0.06 for _, seconds in found)


def test_another_target_holds_at_once_and_there_and_back_is_the_same() -> None:
    pace = Pace(parents=1000)
    for _ in range(10):
        pace.retarget(timedelta(seconds=0.05))
        assert pace.size == 100
        pace.retarget(timedelta(seconds=0.5))
        assert pace.size == 1000


def test_another_target_changes_nothing_where_a_transaction_takes_longer_anyway() -> None:
    pace = Pace(parents=1000, fixed=0.3, longest=timedelta(seconds=0.4))
    pace.retarget(timedelta(seconds=0.05))
    assert pace.size == 500  # 0.1 s beside 0.3 instead of 0.2


def test_light_chunks_do_not_make_room_for_a_heavy_parent() -> None:
    """Fails where their elements, fewer than foreseen each time, let ten times as many as ever seem to fit."""
    pace = Pace(most_elements=250_000, largest=20_000)
    for number in range(12):
        pace.learn(parents=50 + number, elements=40, size_bytes=4_000, took=timedelta(seconds=0.001))
    assert pace.elements <= chunk.MOST_ELEMENTS
    for elements in (20_000, 30_000, 60_000):
        pace.learn(parents=100, elements=elements, size_bytes=90 * elements, took=timedelta(seconds=0.1))
        assert pace.elements <= max(chunk.MOST_ELEMENTS, 2 * elements)
    assert pace.elements > chunk.MOST_ELEMENTS
