"""The baseline: findings that are accepted for now. One that grows worse with a later phase is shown again."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.errors import DeclarationError
from cutover.scan.finding import Finding, Severity

Key = tuple[str, str, str, str]
VERSION = 1


def key(found: Finding) -> Key:
    """By file and the text of the line, not by its number: code above it may move it."""
    return found.id, found.path, found.cutover, found.text or found.fact


@dataclass(frozen=True)
class Baseline:
    """How often each finding was accepted, and how bad it was then."""

    accepted: Counter[Key]
    worst: dict[Key, Severity]

    @classmethod
    def read(cls, file: Path) -> "Baseline":
        """Read a file that `write` has made.

        Raises:
            DeclarationError: it is another file.
        """
        try:
            said: dict[str, Any] = json.loads(file.read_text(encoding="utf8"))
            entries = [
                ((e["id"], e["path"], e["cutover"], e["text"]), Severity(e["severity"]), int(e["count"]))
                for e in said["accepted"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise DeclarationError(
                f"{file} is no baseline: {error}.", hint="Write one with --write-baseline."
            ) from error
        return cls(Counter({each: count for each, _, count in entries}), {each: worst for each, worst, _ in entries})

    def split(self, found: Sequence[Finding]) -> tuple[list[Finding], list[Finding], int]:
        """Findings that are new, those that are accepted, and how many accepted ones are no longer there."""
        left = Counter(self.accepted)
        new, old = [], []
        for each in found:
            if left[key(each)] > 0 and each.severity.weight <= self.worst[key(each)].weight:
                left[key(each)] -= 1
                old.append(each)
            else:
                new.append(each)
        seen = {key(each) for each in found}
        return new, old, sum(count for each, count in left.items() if each not in seen)


def write(file: Path, found: Sequence[Finding]) -> None:
    """Accept these findings, and no others."""
    counted = Counter(key(each) for each in found)
    worst: dict[Key, Severity] = {}
    for each in found:
        worst[key(each)] = max(worst.get(key(each), Severity.NOTE), each.severity, key=lambda severity: severity.weight)
    entries = [
        {
            "id": id,
            "path": path,
            "cutover": cutover,
            "text": text,
            "severity": worst[id, path, cutover, text].value,
            "count": count,
        }
        for (id, path, cutover, text), count in sorted(counted.items())
    ]
    file.write_text(json.dumps({"version": VERSION, "accepted": entries}, indent=2) + "\n", encoding="utf8")
