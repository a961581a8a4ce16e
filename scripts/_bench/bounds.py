"""What the backfill promises whatever the data: the memory of a worker, and the time of a chunk."""

from functools import partial

from _bench import codecs, common, data, ways
from _bench.common import Options, Ratio, Report, Table
from cutover import chunk

DOCUMENT_MIB = 50
MOST_MIB = 120
# Sizes of lists, and how many parents have them for a million elements; the keys are in no order, so all are mixed.
MIXED = {0: 5000, 1: 5000, 10: 5000, 100: 2000, 1000: 200, 10_000: 20, 100_000: 3}


def memory(report: Report, peaks: dict[str, float]) -> None:
    """The peaks of the ways that were measured, and those for one parent with an enormous document."""
    for title, custom in (("one worker", ""), ("one worker, custom codec", codecs.STRPTIME.name)):
        elements = DOCUMENT_MIB * common.MIB // data.EVENT_BYTES
        data.devices([elements])
        size = common.sql("SELECT octet_length(events::text) FROM shapes_device")[0][0] / common.MIB
        common.at_phase("device_events", 2)
        data.begin("device_events")
        done = common.alone(partial(ways.worker, custom=custom), "device_events")
        data.expect("device_events", elements, f"{title}, one document of {size:.0f} MiB")
        peaks[f"{title}, one document of {size:.0f} MiB"] = done.peak_mib
    report.figures["memory"] = peaks
    rows = [(name, f"{peak:.0f} MiB") for name, peak in peaks.items()]
    report.tables.append(Table("peak of memory of a process", ("", "peak"), rows))
    for name, peak in peaks.items():
        if "worker" in name:
            report.ratios.append(Ratio(f"memory of {name}", peak, MOST_MIB, at_most=True, unit="MiB"))


def chunks(report: Report, options: Options) -> None:
    """The longest chunk against the target, with parents of very different sizes."""
    share = options.elements / 1_000_000
    sizes = [size for size, count in MIXED.items() for _ in range(max(1, round(count * share)))]
    data.devices(sizes)
    common.at_phase("device_events", 2)
    data.begin("device_events")
    done = common.alone(ways.worker, "device_events")
    data.expect("device_events", sum(sizes), "chunks")
    seconds = [each for each, _ in done.result.chunks]
    target = chunk.TARGET.total_seconds()
    shown = {"chunks": len(seconds), "median": common.median(seconds), "p90": common.quantile(seconds, 0.9)}
    row = (str(len(seconds)), *(f"{each:.2f} s" for each in (shown["median"], shown["p90"], max(seconds))))
    title = f"chunks: seconds, with parents of 0 to {max(MIXED):,} elements; the target is {target} s"
    report.tables.append(Table(title, ("chunks", "median", "p90", "longest"), [row]))
    report.ratios.append(Ratio("longest chunk / target", max(seconds) / target, 2.0, at_most=True))
    report.figures["chunks"] = {**shown, "longest": max(seconds), "all": done.result.chunks}
