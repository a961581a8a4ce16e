"""Findings as SARIF 2.1.0, for code scanning. https://docs.oasis-open.org/sarif/sarif/v2.1.0/"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cutover import __version__
from cutover.scan import TITLES, Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(found: Sequence[Finding], accepted: Sequence[Finding], prefix: str = "") -> str:
    """One run, one result per finding; those of the baseline are suppressed ones. A finding about no file has no location.

    Args:
        prefix: of every path, from the root of the repository to that of the project.
    """
    used = sorted({each.id for each in (*found, *accepted)})
    rules = [
        {
            "id": id,
            "shortDescription": {"text": TITLES.get(id, id)},
            "help": {"text": f"The runbook has a section {id}."},
        }
        for id in used
    ]
    results = [
        *(result(each, used, prefix, suppressed=False) for each in found),
        *(result(each, used, prefix, suppressed=True) for each in accepted),
    ]
    driver = {"name": "cutover", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def result(each: Finding, used: Sequence[str], prefix: str, *, suppressed: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ruleId": each.id,
        "ruleIndex": used.index(each.id),
        "level": each.severity.value,
        "message": {"text": f"{each.fact} {each.hint}".strip()},
        "partialFingerprints": {"cutover/v1": fingerprint(each)},
    }
    if each.path:
        place: dict[str, Any] = {"artifactLocation": {"uri": prefix + each.path}}
        if each.line:
            place["region"] = {"startLine": each.line}
        made["locations"] = [{"physicalLocation": place}]
    if suppressed:
        made["suppressions"] = [{"kind": "external", "justification": "accepted by the baseline"}]
    return made


def fingerprint(each: Finding) -> str:
    """Of the line's text and not of its number, so that a finding stays the same when code above it moves."""
    parts = (each.id, each.path, each.cutover, each.text or each.fact)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
