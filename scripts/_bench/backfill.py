"""The backfill against one statement that moves everything, against the loop written by hand, and against its own limits.

Ways are measured in turn on the same tables and indexes; the rows of all of them are compared, or the rates mean nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from _bench import bounds, codecs, common, data, live, ways
from _bench.common import Done, Options, Ratio, Report, Table

LIMIT, HAND, ONE, SINGLE, TWO = "limit", "hand", "one", "single", "two"
SECTIONS = (LIMIT, HAND, ONE, SINGLE, TWO, "streaming", "memory", "chunks", "foreground", "large")
TITLES = {
    LIMIT: "one statement",
    HAND: "by hand",
    ONE: "one worker",
    SINGLE: "one worker, one connection",
    TWO: "two workers",
}
CODED, STREAMED = "codec with {} by hand", "one worker, codec with {}"
BY_CODEC = {CODED.format(each) for each in codecs.TIMES}
SLOW = 100_000  # elements at most, for ways that take ten times as long


@dataclass(frozen=True)
class Case:
    """A set of data: so many elements for each parent of a cutover."""

    title: str
    name: str
    each: int

    def make(self, elements: int) -> int:
        """Fill the parents; how many elements they have together."""
        parents = max(1, elements // self.each)
        if self.name == "job_logs":
            data.jobs(parents, self.each)
        else:
            data.devices([self.each] * parents)
        return parents * self.each


LINES = Case("100 lines each", "job_logs", 100)
CASES = (LINES, Case("1,000 lines each", "job_logs", 1000), Case("200 objects each", "device_events", 200))
RATIOS = ((ONE, LIMIT, 0.85), (ONE, HAND, 8.0), (TWO, ONE, 1.4), (TWO, SINGLE, 1.4))


@dataclass
class Way:
    """What a way has shown in all rounds.

    Attributes:
        rates: rows per second.
        peaks: MiB, of the largest process with its helpers.
        looks: the share of the time after the last segment; that of the toolkit alone.
    """

    rates: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return common.median(self.rates)


Found = dict[str, dict[str, Way]]


def measure(options: Options) -> Report:
    """Every section that is asked for."""
    report = Report("backfill")
    peaks: dict[str, float] = {}
    found = speed(report, options)
    coded = streaming(report, options) if options.wants("streaming") else {}
    for by_case in (found, coded):
        for case, each in by_case.items():
            peaks |= {f"{TITLES.get(way, way)}, {case}": max(seen.peaks) for way, seen in each.items()}
    if options.large or "large" in options.only:
        large(report, options, found)
    if options.wants("memory") and not options.short:
        bounds.memory(report, peaks)
    if options.wants("chunks"):
        bounds.chunks(report, options)
    if options.wants("foreground"):
        live.foreground(report, options)
    return report


# Speed


def speed(report: Report, options: Options) -> Found:
    wanted = [way for way in TITLES if options.wants(way)]
    if not wanted:
        return {}
    found = {case.title: by_turns(case, wanted, options) for case in CASES}
    less = f", by hand {SLOW:,}" if HAND in wanted and options.elements > SLOW else ""
    tabulate(report, "speed", found, f"{options.elements:,} of each{less}", options)
    for over, under, goal in RATIOS:
        ratios(report, found, (over, under), goal)
    return found


def streaming(report: Report, options: Options) -> Found:
    smaller = Options(elements=min(options.elements, 3 * SLOW), rounds=options.rounds)
    pairs = [(STREAMED.format(times), CODED.format(times)) for times in codecs.TIMES]
    wanted = [each for pair in pairs for each in pair]
    found = {case.title: by_turns(case, wanted, smaller) for case in (CASES[0], CASES[2])}
    tabulate(
        report,
        "streaming",
        found,
        f"{smaller.elements:,} of each, by hand at most {SLOW:,}, by a codec without SQL",
        options,
    )
    for pair in pairs:
        ratios(report, found, pair, 3.0)
    return found


def by_turns(case: Case, wanted: list[str], options: Options) -> dict[str, Way]:
    """Each way in turn, some rounds."""
    total = case.make(options.elements)
    common.at_phase(case.name, 2)
    found = {name: Way() for name in wanted}
    seen: dict[str, object] = {}

    def turn(name: str) -> float:
        part = min(total, SLOW // case.each * case.each) if name == HAND or name in BY_CODEC else total
        rate, done = one_turn(case, name, part)
        found[name].peaks.append(max(map(weight, done)))
        found[name].looks += [1 - each.result.filled / each.seconds for each in done[:1] if each.result is not None]
        if part == total and name not in seen:
            seen[name] = data.rows(case.name)
        return rate

    rates = common.rounds({name: partial(turn, name) for name in wanted}, options.rounds)
    for name, each in rates.items():
        found[name].rates = each
    if len(set(seen.values())) > 1:
        raise RuntimeError(f"{case.title}: the ways made different rows: {seen}.")
    return found


def one_turn(case: Case, name: str, elements: int) -> tuple[float, list[Done]]:
    """Rows per second, from the first beginning to the last end."""
    data.begin(case.name)
    done = common.together(works(case, name, elements))
    data.expect(case.name, elements, f"{name}, {case.title}")
    return elements / common.span(done), done


def weight(done: Done) -> float:
    """The peak of a process, with what helped it."""
    return done.peak_mib + (done.result.helpers_mib if isinstance(done.result, ways.Worked) else 0.0)


def works(case: Case, name: str, elements: int) -> list[tuple[Callable[..., object], tuple[object, ...]]]:
    """The processes of a way."""
    parents = elements // case.each
    return {
        LIMIT: [(ways.limit, (case.name,))],
        HAND: [(ways.by_hand, (case.name, parents))],
        ONE: [(ways.worker, (case.name,))],
        SINGLE: [(partial(ways.worker, second=False), (case.name,))],
        TWO: [(ways.worker, (case.name,))] * 2,
        **{CODED.format(each): [(ways.with_codec, (case.name, parents, each))] for each in codecs.TIMES},
        **{STREAMED.format(each): [(partial(ways.worker, custom=each), (case.name,))] for each in codecs.TIMES},
    }[name]


def large(report: Report, options: Options, found: Found) -> None:
    """Ten times as much, once: the rate should not fall."""
    case, total, wanted = LINES, options.elements * 10, [LIMIT, ONE]
    small = found.get(case.title, {})
    if ONE not in small:
        small = by_turns(case, wanted, Options(elements=options.elements, rounds=1))
    much = by_turns(case, wanted, Options(elements=total, rounds=1))
    title = f"{total:,} elements, {case.title}"
    rows = [(TITLES[way], f"{each.rate:,.0f}/s", f"{max(each.peaks):.0f} MiB") for way, each in much.items()]
    report.tables.append(Table(title, ("", "rate", "peak"), rows))
    report.figures["large"] = figures({case.title: much})
    for way, goal in ((ONE, 0.9), (LIMIT, None)):
        if way in small:
            name = f"{TITLES[way]}, {total:,} / {options.elements:,} elements"
            report.ratios.append(Ratio(name, much[way].rate / small[way].rate, goal))


# Tables


def tabulate(report: Report, name: str, found: Found, what: str, options: Options) -> None:
    cases = list(found)
    rows = [(TITLES.get(way, way), *(f"{found[case][way].rate:,.0f}/s" for case in cases)) for way in found[cases[0]]]
    title = f"{name}: elements per second, median of {options.rounds} rounds; {what}"
    report.tables.append(Table(title, ("", *cases), rows))
    report.figures[name] = figures(found)
    looks = [f"{common.median(by_way[ONE].looks):.0%} ({case})" for case, by_way in found.items() if ONE in by_way]
    if looks:
        report.notes.append(f"The last look over everything is part of one worker's time: {', '.join(looks)}.")


def figures(found: Found) -> dict[str, object]:
    return {case: {way: vars(each) for way, each in by_way.items()} for case, by_way in found.items()}


def ratios(report: Report, found: Found, pair: tuple[str, str], goal: float) -> None:
    over, under = pair
    for case, by_way in found.items():
        if over in by_way and under in by_way:
            name = f"{TITLES.get(over, over)} / {TITLES.get(under, under)}, {case}"
            one, other = by_way[over], by_way[under]
            each = tuple(a / b for a, b in zip(one.rates, other.rates, strict=True))
            report.ratios.append(Ratio(name, common.median(each), goal, rounds=each))
