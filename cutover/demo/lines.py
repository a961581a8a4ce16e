"""What the jobs of the demonstration have to say: lines of real log files, or made-up ones."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

from cutover.errors import DeclarationError

LONGEST = 400  # characters of a message
MADE_UP = 2000
LEVELS = {"WARN": "WARNING", "FATAL": "CRITICAL", "TRACE": "DEBUG"}
LEVEL = re.compile(r"\b(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b")
SENTENCES = (
    ("DEBUG", "Acknowledged task {0} after {1} ms"),
    ("INFO", "Processing image {0} of {1}"),
    ("INFO", "Saved {1} detections of image {0}, best score 0.{2}"),
    ("INFO", "Classified crop {0} with model moth-{2} in {1} ms"),
    ("WARNING", "Image {0} has no EXIF time; took the name of its file: größe_{1}.jpg"),
    ("ERROR", "Image {0} could not be read after {1} bytes: connection reset by peer"),
)
WEIGHTS = (3, 20, 20, 20, 4, 2)


class NoLines(DeclarationError):
    """The files that were named hold nothing to say."""


Message = tuple[str, str]  # level, text


def prepare(files: Sequence[Path], to: Path) -> list[Message]:
    """Write the feed of the workers; made-up lines where no file is given. Raises NoLines, OSError."""
    messages = [message for file in files for message in read(file)] if files else made_up()
    if not messages:
        raise NoLines(f"There is no line in {', '.join(map(str, files))}.", hint="Name a file that has one, or none.")
    to.write_text("".join(f"{level} {text}\n" for level, text in messages), encoding="utf8")
    return messages


def read(file: Path) -> list[Message]:
    """The lines of a log file; blank ones are left out, and NUL characters, which no text column holds."""
    text = file.read_text(encoding="utf8", errors="replace").replace("\0", "")
    return [message(line.strip()) for line in text.split("\n") if line.strip()]


def message(line: str) -> Message:
    found = LEVEL.search(line)
    level = found.group() if found else "INFO"
    return LEVELS.get(level, level), line[:LONGEST].strip()


def made_up() -> list[Message]:
    kinds = random.choices(SENTENCES, WEIGHTS, k=MADE_UP)
    return [
        (level, text.format(random.randint(1, 99_999), random.randint(2, 900), random.randint(10, 99)))
        for level, text in kinds
    ]


def load(feed: Path) -> list[Message]:
    """What `prepare` has written."""
    pairs = (line.partition(" ") for line in feed.read_text(encoding="utf8").split("\n") if line)
    return [(level, text) for level, _, text in pairs]
