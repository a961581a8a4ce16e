"""What the rounds of each way have shown: as a table for each scene, and as ratios with their goals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from _bench import common
from _bench.appends import WAYS
from _bench.common import Options, Ratio, Table

HOT, FREE, NO_KEY, MANY = "hot", "free", "no_key", "many"
HOLDERS, JOBS = 2, 50
ALL = tuple(WAYS)


@dataclass(frozen=True)
class Scene:
    """Which jobs are written to, who is in the way, and which ways are tried."""

    title: str
    ways: tuple[str, ...]
    jobs: int = 1
    holders: int = HOLDERS
    no_key: bool = False


SCENES = {
    HOT: Scene("one hot job, held with SELECT FOR UPDATE", ALL),
    FREE: Scene("one hot job, held by nobody", ("legacy", "key", "loose", "phase2", "phase4", "phase5"), holders=0),
    NO_KEY: Scene(
        "one hot job, held with SELECT FOR NO KEY UPDATE", ("legacy", "key", "phase2", "phase4"), no_key=True
    ),
    MANY: Scene(f"{JOBS} jobs, held with SELECT FOR UPDATE", ALL, jobs=JOBS),
}


@dataclass
class Seen:
    """What the rounds of one way have shown; rates are lines per second."""

    tried: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    wal: list[float] = field(default_factory=list)
    waited: list[int] = field(default_factory=list)
    lost: int = 0
    lines: int = 0
    failed: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return common.median(self.kept)

    def times(self) -> list[float]:
        """p50, p99, and the longest."""
        return [*(common.quantile(self.seconds, share) for share in (0.5, 0.99)), max(self.seconds)]

    def numbers(self) -> dict[str, object]:
        """For JSON: not every append."""
        return {**vars(self), "seconds": self.times(), "appends": len(self.seconds)}


Found = dict[str, dict[str, Seen]]


STALLS = (
    "A holder that stalls is ended by the server: an error, and its line is rolled back with its transaction, not lost. "
    "Lines that the cap has cut from a full document are not lost either."
)
HEADER = ("", "calls/s", "kept/s", "p50", "p99", "longest", "errors", "lost", "WAL/append")


def table(scene: Scene, found: dict[str, Seen], options: Options) -> Table:
    holders = f" by {scene.holders} others" if scene.holders else ""
    title = f"{options.writers} writers on {scene.title}{holders}; {options.rounds} rounds of {options.seconds:g} s"
    return Table(title, HEADER, [(WAYS[way].title, *cells(each)) for way, each in found.items()])


def cells(seen: Seen) -> list[str]:
    share = f" ({seen.lost / seen.lines:.0%})" if seen.lost else ""
    return [
        f"{common.median(seen.tried):,.0f}",
        f"{seen.rate:,.0f}",
        *(f"{each * 1000:,.1f} ms" for each in seen.times()),
        str(sum(seen.errors.values())),
        f"{seen.lost:,}{share}",
        f"{common.median(seen.wal) / 1024:,.1f} KiB",
    ]


# Ratios: scene and way, over scene and way, with the goal

GOALS: tuple[tuple[str, str, str, str, float | None], ...] = (
    (HOT, "phase4", HOT, "legacy", 10),
    (HOT, "phase5", HOT, "legacy", 10),
    (HOT, "phase2", HOT, "legacy", 1),
    (FREE, "phase2", FREE, "legacy", 1),
    (HOT, "buffered", HOT, "phase4", 3),
    (HOT, "phase4", FREE, "phase4", 0.9),
    (MANY, "phase4", MANY, "legacy", None),
    (HOT, "key", FREE, "key", None),
    (NO_KEY, "key", FREE, "key", None),
    (HOT, "loose", FREE, "loose", None),
    (NO_KEY, "legacy", HOT, "legacy", None),
)
SHORT = {HOT: "held", FREE: "not held", NO_KEY: "held without the key", MANY: f"{JOBS} jobs"}


def ratios(found: Found) -> Iterator[Ratio]:
    for scene, way, other_scene, other, goal in GOALS:
        one, two = found.get(scene, {}).get(way), found.get(other_scene, {}).get(other)
        if one is not None and two is not None:
            each = tuple(a / max(b, 0.1) for a, b in zip(one.kept, two.kept, strict=True))
            name = f"{WAYS[way].title}, {SHORT[scene]} / {WAYS[other].title}, {SHORT[other_scene]}"
            yield Ratio(name, one.rate / max(two.rate, 0.1), goal, rounds=each)
    ours = [each for by in found.values() for way, each in by.items() if WAYS[way].phase is not None]
    yield Ratio("lines lost by the toolkit, all phases", sum(each.lost for each in ours), 0, at_most=True, unit="lines")
