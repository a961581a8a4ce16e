"""The long run, for twenty seconds: no difference beside live writers, and readers that see all of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from databases import Database

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("phase", ["2", "3", "4"])
def test_no_false_alarm_beside_live_writers(phase: str, database: Database) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings", "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "_soak.py", "--minutes", "0.11", "--phase", phase],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "; 0 false alarms;" in done.stdout
    assert done.stdout.rstrip().endswith("0 faults")
