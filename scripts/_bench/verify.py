"""The verification against one statement that hashes both sides, against another tool, and against its own limits.

All ways run without JIT and without parallel workers: the statement has no use for the first, and with the second all of them
would have to be given the same number.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import util

from _bench import bounds, common, data, sides, ways
from _bench.backfill import CASES, LINES, Case
from _bench.common import Options, Ratio, Report, Table

STATEMENT, PRINTED, OTHER, OURS = "statement", "printed", "reladiff", "verify"
SECTIONS = (STATEMENT, PRINTED, OTHER, OURS, "memory", "large")
TITLES = {
    STATEMENT: "one statement",
    PRINTED: "one statement, times printed",
    OTHER: "reladiff, hashdiff",
    OURS: "cutover verify",
}
LONG = 10_000  # elements of one list; the statement that fills the rows of others counts a list once for each element
RATIOS = ((OURS, STATEMENT, 0.8), (OURS, PRINTED, None), (OURS, OTHER, 2.0))
SETTINGS = {"max_parallel_workers_per_gather": "0", "jit": "off"}


@dataclass
class Way:
    """What a way has shown in all rounds: elements per second, and MiB of its process."""

    rates: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return common.median(self.rates)


Found = dict[str, dict[str, Way]]


def measure(options: Options) -> Report:
    """Every section that is asked for."""
    report = Report("verify")
    wanted = [way for way in TITLES if options.wants(way) and not (way == OTHER and missing(report))]
    with alike():
        found = {case.title: by_turns(case, wanted, options) for case in CASES} if wanted else {}
        tabulate(report, found, options)
        peaks = {f"verify, {case}": max(by_way[OURS].peaks) for case, by_way in found.items() if OURS in by_way}
        if options.large or "large" in options.only:
            large(report, options, found)
        if options.wants("memory") and not options.short:
            peaks |= document(report)
    for name, peak in peaks.items():
        report.ratios.append(Ratio(f"memory of {name}", peak, bounds.MOST_MIB, at_most=True, unit="MiB"))
    return report


def missing(report: Report) -> bool:
    """Whether the other tool is not installed; then the report says so."""
    if util.find_spec("reladiff") and util.find_spec("psycopg2"):
        return False
    report.notes.append('reladiff is not installed and was not measured: pip install "django-cutover[bench]"')
    return True


@contextmanager
def alike() -> Iterator[None]:
    """All connections of the database have the same settings."""
    for name, value in SETTINGS.items():
        common.sql(f"ALTER DATABASE {database()} SET {name} = {value}")
    try:
        yield
    finally:
        for name in SETTINGS:
            common.sql(f"ALTER DATABASE {database()} RESET {name}")


def database() -> str:
    return str(common.sql("SELECT quote_ident(current_database())")[0][0])


def both_sides(case: Case, elements: int) -> int:
    """Fill parents and rows; how many elements JSON has, in all streams."""
    total = case.make(elements)
    common.at_phase(case.name, 2)
    data.begin(case.name)
    common.alone(ways.worker if case.each > LONG else ways.limit, case.name)
    data.expect(case.name, total, f"verify, {case.title}")
    for table in sides.TABLES[case.name]:
        common.settle(table)
    return int(common.sql(sides.ELEMENTS[case.name])[0][0])


def by_turns(case: Case, wanted: list[str], options: Options) -> dict[str, Way]:
    """Each way in turn, some rounds; each has to find that the sides agree."""
    total = both_sides(case, options.elements)
    found = {name: Way() for name in wanted}

    def turn(name: str) -> float:
        done = common.alone(sides.WAYS[name], case.name)
        if done.result != 0:
            raise RuntimeError(f"{TITLES[name]}, {case.title}: {done.result} differences where there are none.")
        found[name].peaks.append(done.peak_mib)
        return total / done.seconds

    for name, rates in common.rounds({name: partial(turn, name) for name in wanted}, options.rounds).items():
        found[name].rates = rates
    return found


def large(report: Report, options: Options, found: Found) -> None:
    """Ten times as much, once: the rate should not fall."""
    total, wanted = options.elements * 10, [STATEMENT, OURS]
    small = found.get(LINES.title, {})
    if OURS not in small:
        small = by_turns(LINES, wanted, options)
    much = by_turns(LINES, wanted, Options(elements=total, rounds=1))
    rows = [(TITLES[way], f"{each.rate:,.0f}/s", f"{max(each.peaks):.0f} MiB") for way, each in much.items()]
    report.tables.append(Table(f"verify, {total:,} elements, {LINES.title}", ("", "rate", "peak"), rows))
    report.figures["large"] = {way: vars(each) for way, each in much.items()}
    for way, goal in ((OURS, 0.9), (STATEMENT, None)):
        if way in small:
            name = f"{TITLES[way]}, {total:,} / {options.elements:,} elements"
            report.ratios.append(Ratio(name, much[way].rate / small[way].rate, goal))


def document(report: Report) -> dict[str, float]:
    """The peak for one parent with an enormous document whose rows are there."""
    elements = bounds.DOCUMENT_MIB * common.MIB // data.EVENT_BYTES
    both_sides(Case("one document", "device_events", elements), elements)
    done = common.alone(sides.WAYS[OURS], "device_events")
    report.figures["document"] = {"seconds": done.seconds, "peak_mib": done.peak_mib}
    size = common.sql("SELECT octet_length(events::text) FROM shapes_device")[0][0] / common.MIB
    return {f"verify, one document of {size:.0f} MiB": done.peak_mib}


def tabulate(report: Report, found: Found, options: Options) -> None:
    if not found:
        return
    cases = list(found)
    rows = [(TITLES[way], *(f"{found[case][way].rate:,.0f}/s" for case in cases)) for way in found[cases[0]]]
    title = f"verify: elements of JSON per second, median of {options.rounds} rounds; {options.elements:,} of each"
    report.tables.append(Table(title, ("", *cases), rows))
    report.figures["speed"] = {
        case: {way: vars(each) for way, each in by_way.items()} for case, by_way in found.items()
    }
    report.notes.append(f"All ways of verify: {json.dumps(SETTINGS)}. The statements hash, they name no difference.")
    for over, under, goal in RATIOS:
        for case, by_way in found.items():
            if over in by_way and under in by_way:
                one, other = by_way[over], by_way[under]
                each = tuple(a / b for a, b in zip(one.rates, other.rates, strict=True))
                name = f"{TITLES[over]} / {TITLES[under]}, {case}"
                report.ratios.append(Ratio(name, common.median(each), goal, rounds=each))
