"""How long `cutover check` takes over 300 Python files, as a process: what a pipeline waits for."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _bench.common import Options, Ratio, Report
from checks.corpus.projects import at, flags, write

SECTIONS = ("files",)
FILES, LINES, GOAL_MS = 300, 120, 2000
HEAD = "from django.db import models\n\nfrom jobs.models import Job\n\n\n"
PLAIN = """def work_{number}(first, second=None):
    found = {{"name": first, "number": {number}}}
    for each in second or ():
        found[each] = len(str(each)) + {number}
    return found


"""
USE = """def use_{number}(pk):
    job = Job.objects.get(pk=pk)
    lines = job.logs["stdout"]
    return [line for line in lines if "{number}" in line] or Job.objects.filter(progress={number}).values("name")


"""
WAYS = {
    "--static": ("--static",),
    "with the project loaded": (),
    "--static --since HEAD": ("--static", "--since", "HEAD"),
    "two environments": ("--static", "--settings", "config.settings", "--settings", "config.production"),
}


def measure(options: Options) -> Report:
    """Seconds of each way, the median of the rounds, over a project of which every file has to be parsed, or every fifth."""
    report = Report(f"cutover check over {FILES} files")
    for share, every in (("every file uses the model", 1), ("every fifth does", 5)):
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            lines = generate(root, every)
            for way, arguments in WAYS.items():
                taken = [run(root, arguments) for _ in range(options.rounds)]
                seconds = statistics.median(taken)
                report.figures[f"{way}, {share}"] = {"seconds": taken, "files": FILES, "lines": lines}
                rounds = tuple(each * 1000 for each in taken)
                report.ratios.append(
                    Ratio(f"{way}, {share}", seconds * 1000, GOAL_MS, at_most=True, unit="ms", rounds=rounds)
                )
    return report


def generate(root: Path, every: int) -> int:
    """A project of that many files, each `every`th of which uses the parent's document; the number of its lines."""
    files = at(3)
    files["config/production.py"] = flags(2)["config/settings.py"]
    for number in range(FILES - len(files)):
        text = "".join(PLAIN.format(number=each) for each in range(LINES // 7))
        used = number % every == 0
        files[f"jobs/package_{number % 20}/module_{number}.py"] = (
            HEAD + USE.format(number=number) if used else ""
        ) + text
    write(files, root)
    for command in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=bench", "-c", "user.email=b@example.org", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    return sum(text.count("\n") for text in files.values())


def run(root: Path, arguments: tuple[str, ...]) -> float:
    """Seconds of one process, from its start to its end."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CUTOVER_"))}
    source = str(Path(__file__).parents[2])
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "cutover", "check", *arguments], cwd=root, capture_output=True, text=True, check=False,
        env={**ours, "PYTHONPATH": os.pathsep.join([str(root), source])},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return time.monotonic() - began
